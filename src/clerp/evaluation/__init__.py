"""How often routing rules are right, held against annotated roles."""

from typing import TYPE_CHECKING

from clerp.lazy import import_when_used

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

# The command line lists these commands without importing what they run.
__getattr__ = import_when_used(__name__, _HOMES)
