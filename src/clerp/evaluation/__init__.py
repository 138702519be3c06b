"""How often clerp is right, held against what people say."""

from typing import TYPE_CHECKING

from clerp.lazy import import_when_used

if TYPE_CHECKING:
    from clerp.evaluation.group_truth import TrueGroups, read_true_groups
    from clerp.evaluation.groups import GroupsReport, evaluate_groups
    from clerp.evaluation.parts import Part, select_part
    from clerp.evaluation.roles import RolesReport, evaluate_roles
    from clerp.evaluation.sweep import SweepReport, sweep_protocol
    from clerp.evaluation.truth import AnnotatedFeature, read_truth

__all__ = [
    "AnnotatedFeature",
    "GroupsReport",
    "Part",
    "RolesReport",
    "SweepReport",
    "TrueGroups",
    "evaluate_groups",
    "evaluate_roles",
    "read_true_groups",
    "read_truth",
    "select_part",
    "sweep_protocol",
]

_HOMES = {
    "AnnotatedFeature": "truth",
    "GroupsReport": "groups",
    "Part": "parts",
    "RolesReport": "roles",
    "SweepReport": "sweep",
    "TrueGroups": "group_truth",
    "evaluate_groups": "groups",
    "evaluate_roles": "roles",
    "read_true_groups": "group_truth",
    "read_truth": "truth",
    "select_part": "parts",
    "sweep_protocol": "sweep",
}

# The command line lists these commands without importing what they run.
__getattr__ = import_when_used(__name__, _HOMES)
