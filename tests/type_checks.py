"""Types of clerp, checked at every call while tests run."""

import re
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from beartype import BeartypeConf
from beartype.claw import beartype_package
from jaxtyping import install_import_hook

_OF_JAXTYPING = re.compile(
    r"^from jaxtyping import|^if TYPE_CHECKING:"
    r"|^ +@(?:cached_property|cache|lru_cache|\w+_validator)\b",
    re.MULTILINE,
)
_SHAPE = re.compile(r"^(\w+) = \w+\[np\.ndarray, ", re.MULTILINE)


@cache
def check_types() -> None:
    """Check arguments and results, and the shapes of arrays in modules that name some.

    Shapes have to agree with each other within a call, for which jaxtyping reads every call's
    arguments. That costs ten times what beartype does alone, so modules without shapes are left to
    beartype; but not those with types that are imported for pyright only, which its hook cannot
    bear, or with methods that another decorator hides from it.

    Raises:
        RuntimeError: clerp was imported before, and would not be checked.
    """
    if early := [name for name in sys.modules if name.partition(".")[0] == "clerp"]:
        raise RuntimeError(f"types cannot be checked any more: {early[0]} is imported already")
    beartype_package("clerp", conf=BeartypeConf(claw_is_pep526=False))
    install_import_hook(list_modules_for_jaxtyping(), "beartype.beartype")


def list_modules_for_jaxtyping() -> list[str]:
    """Return the names of the modules that `check_types` leaves to jaxtyping."""
    spec = find_spec("clerp")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("clerp is not installed: make install-test")
    folder = Path(spec.origin).parent
    texts = {
        ".".join(file.relative_to(folder.parent).with_suffix("").parts): file.read_text("utf-8")
        for file in sorted(folder.rglob("*.py"))
        # jaxtyping takes the name of a package for all that is in it.
        if file.stem != "__init__"
    }
    shapes = "|".join(name for text in texts.values() for name in _SHAPE.findall(text))
    named = re.compile(rf"{_OF_JAXTYPING.pattern}|\b(?:{shapes})\b", re.MULTILINE)
    return [module for module, text in texts.items() if named.search(text)]
