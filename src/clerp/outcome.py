"""What became of one feature: its route, its label or the reason why it has none."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from clerp.evidence import CandidateLabel
from clerp.feature import FeatureId
from clerp.labels import Label
from clerp.router import Route
from clerp.verbalizers.outcome import FeatureVerbalization

Status = Literal["labeled", "needs_review", "reviewed", "abstained", "failed", "kept"]


@dataclass(frozen=True, slots=True)
class LabeledFeature:
    """One feature of a graph after the run."""

    feature: FeatureId
    route: Route
    status: Status
    """`needs_review`: no labeler ran; `abstained`: one declined, or the feature is an artefact;
    `failed`: one broke."""
    label: Label | None
    reason: str
    """Why the label is what it is, or why there is none."""
    method: str
    """The labeler that answered; empty when none ran."""
    hint: str
    """Peak words | next words | promoted tokens; empty for a feature with a label."""
    evidence_digest: str
    """Empty when there is no evidence."""
    details: Mapping[str, str | float | int | None] = field(
        default_factory=dict[str, str | float | int | None]
    )
    """What the labeler put on record: model, prompt hash, cost, `promoted_from`."""
    notes: tuple[str, ...] = ()
    """What a reader should know beside the reason."""
    misfits: tuple[str, ...] | None = None
    """Ids of the graph's nodes that fire on words which the label does not name; None where that
    cannot be told (`clerp.fit`)."""
    candidates: tuple[CandidateLabel, ...] = ()
    """What others call the feature, for a person to compare; no label rests on it."""
    q: float | None = None
    """Least false discovery rate, over the features of the graph, at which the feature is told from
    nothing; no route rests on it, for it changes with the other features."""
    verbalization: FeatureVerbalization | None = None
    """What an NLA says of it, for a person to weigh; no label rests on it. None where none was to
    be asked."""

    @property
    def is_unfinished(self) -> bool:
        """Whether something that was asked for is not done, so that another run may help."""
        said = self.verbalization
        is_unsaid = said is not None and "unfinished" in said.details
        return self.status == "failed" or "unfinished" in self.details or is_unsaid

    @property
    def layer(self) -> int:
        """Layer that the feature reads from."""
        return self.feature.layer

    @property
    def index(self) -> int:
        """Number of the feature in its layer."""
        return self.feature.index


def list_charges(outcomes: Iterable[LabeledFeature]) -> Iterator[LabeledFeature]:
    """Yield outcomes, and what models made of verbalizations as others: to add up what it cost."""
    for outcome in outcomes:
        yield outcome
        said = outcome.verbalization
        if said is not None and "cost_usd" in said.details:
            yield replace(outcome, method=said.method, details=said.details)
