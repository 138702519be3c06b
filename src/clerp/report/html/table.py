"""The table of every feature."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clerp.outcome import LabeledFeature
from clerp.report.html.distinct import DistinctFeature
from clerp.report.html.examples import HeatLine, draw_examples
from clerp.report.occurrence import Occurrence
from clerp.report.rows import Row, list_rows, make_visible
from clerp.report.verbalized import VerbalizedView, view_verbalization

MAX_REASON_CHARS = 800
_N_PROMOTED = 8


@dataclass(frozen=True, slots=True)
class TableRow:
    """One feature, and what a reader finds behind it."""

    row: Row
    layer: int
    tier: int
    role: str
    status: str
    n_nodes: int
    foreign_label: str
    reason: str
    route_reason: str
    method: str
    graphs: str
    """Those in which it occurs, of several."""
    examples: tuple[HeatLine, ...]
    promoted: tuple[str, ...]
    verbalized: VerbalizedView | None
    """What an NLA says of it; None where none was asked."""


def list_table_rows(
    features: Sequence[DistinctFeature], graphs: Sequence[str]
) -> tuple[TableRow, ...]:
    """Describe every feature.

    Args:
        features: Each once.
        graphs: Their names.
    """
    return tuple(_describe(feature, graphs) for feature in features)


def _describe(feature: DistinctFeature, graphs: Sequence[str]) -> TableRow:
    outcome = feature.outcome
    tokens = tuple(dict.fromkeys(node.token for node in feature.nodes))
    place = Occurrence(feature.share, tokens)
    evidence = feature.evidence
    return TableRow(
        row=list_rows([outcome], {outcome.feature: place}, 1)[0],
        layer=outcome.layer,
        tier=outcome.route.tier,
        role=outcome.route.role,
        status=outcome.status.replace("_", " "),
        n_nodes=len(feature.nodes),
        foreign_label=make_visible(feature.foreign_label),
        reason=make_visible(outcome.reason, MAX_REASON_CHARS),
        route_reason=make_visible(outcome.route.reason, MAX_REASON_CHARS),
        method=make_visible(_name_method(outcome)),
        graphs=", ".join(make_visible(graphs[n]) for n in feature.graphs) if graphs[1:] else "",
        examples=draw_examples(feature),
        promoted=evidence.promoted[:_N_PROMOTED] if evidence else (),
        verbalized=view_verbalization(said) if (said := outcome.verbalization) else None,
    )


def _name_method(outcome: LabeledFeature) -> str:
    details: Mapping[str, object] = outcome.details
    model = details.get("model")
    return " · ".join(part for part in (outcome.method, str(model or "")) if part)
