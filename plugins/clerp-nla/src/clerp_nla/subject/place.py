"""Where the model of a pair is: with the pair, where the user says, or on the HuggingFace Hub."""

import re
from dataclasses import dataclass
from pathlib import Path

from clerp.errors import NotAvailableError, UsageError
from clerp_nla.matching.names import is_same_model
from clerp_nla.pair.place import fetch_repository, hash_folders

SUBJECT = "subject"
_REFERENCE = re.compile(r"[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*", re.ASCII)
_REVISION = re.compile(r"[\w.-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class SubjectPlace:
    """A model on this machine."""

    folder: Path
    commit: str
    """Of its repository; empty for a folder."""

    def find_revision(self) -> str:
        """Return the commit, or a sha256 in hex of all files that count; that reads them all."""
        return self.commit or hash_folders(self.folder)


def find_subject(pair_folder: Path | None, base: str, named: str = "") -> SubjectPlace:
    """Find the model that a pair was trained on.

    Args:
        pair_folder: That holds both halves; its `subject/` comes first.
        base: What the pair calls its model.
        named: Folder or name on the Hub that the user gave, there with `@REVISION` if it is to be
            one; empty for none.

    Raises:
        UsageError: What the user gave is neither.
        NotAvailableError: The user named another model, or nobody says where the model is.
        VerbalizerError: The Hub does not give it.
    """
    if named:
        return _find_named(named, base)
    if pair_folder is not None and (pair_folder / SUBJECT).is_dir():
        return SubjectPlace(pair_folder / SUBJECT, "")
    # A sidecar is anybody's file: of what it says only a name on the Hub is followed.
    if not _REFERENCE.fullmatch(base):
        raise NotAvailableError(
            f"the pair calls its model {base!r}, and nobody says where that is",
            remedy="Name the model after the pair, with a comma: nla:PAIR,MODEL",
        )
    return _fetch(base)


def _find_named(named: str, base: str) -> SubjectPlace:
    folder = Path(named).expanduser()
    if folder.is_dir():
        # What its folder is called says nothing of a model; the self-test does.
        return SubjectPlace(folder.resolve(), "")
    name, at, revision = named.partition("@")
    if not _REFERENCE.fullmatch(name) or (at and not _REVISION.fullmatch(revision)):
        raise UsageError(
            "neither a folder nor OWNER/NAME or OWNER/NAME@REVISION",
            where=named,
            remedy="Name the model's folder, or the model on HuggingFace",
        )
    if not is_same_model(name, base):
        raise NotAvailableError(
            f"the pair was trained on {base!r}, not on {name!r}",
            remedy="Name the model that the pair was trained on",
        )
    return _fetch(name, revision or None)


def _fetch(repository: str, revision: str | None = None) -> SubjectPlace:
    folder = fetch_repository(repository, revision)
    return SubjectPlace(folder, folder.name)
