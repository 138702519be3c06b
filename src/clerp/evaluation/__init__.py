"""How often routing rules are right, held against annotated roles."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clerp.evaluation.parts import Part, select_part
    from clerp.evaluation.roles import RolesReport, evaluate_roles
    from clerp.evaluation.sweep import SweepReport, sweep_protocol
    from clerp.evaluation.truth import AnnotatedFeature, read_truth

__all__ = [
    "AnnotatedFeature",
    "Part",
    "RolesReport",
    "SweepReport",
    "evaluate_roles",
    "read_truth",
    "select_part",
    "sweep_protocol",
]

_HOMES = {
    "AnnotatedFeature": "truth",
    "Part": "parts",
    "RolesReport": "roles",
    "SweepReport": "sweep",
    "evaluate_roles": "roles",
    "read_truth": "truth",
    "select_part": "parts",
    "sweep_protocol": "sweep",
}


def __getattr__(name: str) -> object:
    # The command line lists these commands without importing what they run.
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
