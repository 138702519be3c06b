"""What all checks share: the error, and what every plugin is asked for."""

import re
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeGuard

# Absolute on any machine: POSIX but no `https://`, home, Windows drive and share, file URL.
_ABSOLUTE = re.compile(
    r"(?:^|[\s:@=,'\"(])(?:/(?!/)|~/|[A-Za-z]:[\\/](?!/)|\\\\)|\bfile:/", re.IGNORECASE
)


class ContractError(AssertionError):
    """A plugin breaks the contract; the message says where and what the contract asks."""


def require(holds: bool, sentence: str) -> None:
    """Go on, or stop with a sentence.

    Raises:
        ContractError: It does not hold.
    """
    if not holds:
        raise ContractError(sentence)


def check_shape(plugin: object, kind: str, *members: str) -> None:
    """Check that a plugin is an object with the members of its Protocol and a fit name.

    Raises:
        ContractError: It is a class, lacks a member, or its name cannot stand in an output.
    """
    made_by = plugin.__name__ if isinstance(plugin, type) else type(plugin).__name__
    require(
        not isinstance(plugin, type), f"{made_by} is a class: check an object, {made_by}(argument)"
    )
    missing = [member for member in ("name", *members) if not hasattr(plugin, member)]
    require(not missing, f"{made_by} is no {kind}: it has no {' and no '.join(missing)}")
    _check_name(getattr(plugin, "name", None), f"the {kind} {made_by}")


def is_text(value: object) -> TypeGuard[str]:
    """Say whether a value is text that can be written as UTF-8, and not blank."""
    return isinstance(value, str) and bool(value.strip()) and is_encodable(value)


def is_line(value: object) -> TypeGuard[str]:
    """Say whether a value is such text of one line."""
    return is_text(value) and value.splitlines() == [value]


def is_encodable(text: str) -> bool:
    """Say whether a text has no lone surrogate, half of a character that no file can hold."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def find_own_path(text: str, given: str = "") -> str | None:
    """Return a folder of this machine that a text names, unless it was in what was given."""
    folders = (Path.home(), Path.cwd(), Path(tempfile.gettempdir()), Path(sys.prefix))
    # The root of a file system is in any text with a slash.
    named = (str(folder) for folder in folders if folder != Path(folder.anchor))
    return next((folder for folder in named if folder in text and folder not in given), None)


@contextmanager
def blaming(subject: str) -> Generator[None]:
    """Turn what a plugin raises into a sentence about the plugin.

    Raises:
        ContractError: The plugin raised.
    """
    try:
        yield
    except ContractError:
        raise
    except Exception as error:  # re-raised: a plugin is code of strangers and may raise anything
        raise ContractError(f"{subject} raised {type(error).__name__}: {error}") from error


def _check_name(name: object, subject: str) -> None:
    require(is_line(name), f"{subject} needs a name of one line, not {name!r}")
    require(
        _ABSOLUTE.search(str(name)) is None,
        f"{subject} is named {name!r}: a name stands in outputs and must hold no path of a machine",
    )
