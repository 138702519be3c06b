"""Types of clerp, checked at every call while tests run."""

import re
from importlib.util import find_spec
from pathlib import Path

from beartype import BeartypeConf
from beartype.claw import beartype_package
from jaxtyping import install_import_hook

_OF_JAXTYPING = re.compile("^from jaxtyping import|^if TYPE_CHECKING:", re.MULTILINE)


def check_types() -> None:
    """Check arguments and results, and the shapes of arrays in modules that name some.

    Has to come before the first import of clerp. Shapes have to agree with each other within a
    call, for which jaxtyping reads every call's arguments: that costs ten times what beartype
    alone does, so other modules are left to it. But it cannot bear types that are not there when
    a module runs.
    """
    beartype_package("clerp", conf=BeartypeConf(claw_is_pep526=False))
    install_import_hook(list_modules_for_jaxtyping(), "beartype.beartype")


def list_modules_for_jaxtyping() -> list[str]:
    """Return the names of clerp's modules with shapes, or with types that only checkers import."""
    spec = find_spec("clerp")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("clerp is not installed: make install-test")
    folder = Path(spec.origin).parent
    return [
        ".".join(file.relative_to(folder.parent).with_suffix("").parts)
        for file in sorted(folder.rglob("*.py"))
        if _OF_JAXTYPING.search(file.read_text(encoding="utf-8"))
    ]
