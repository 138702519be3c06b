"""One feature as a person sees it."""

from collections.abc import Mapping
from dataclasses import dataclass

from clerp.ledger import FeatureKey
from clerp.ledger.decision import Decision, Standing, Subject, Verdict
from clerp.review.snapshot import FeatureSnapshot, GraphSnapshot, OccurrenceSnapshot


@dataclass(frozen=True, slots=True)
class Namesake:
    """A feature that has a name."""

    item: str
    """Opaque id."""
    feature: str
    """`14_2268`."""
    label: str


@dataclass(frozen=True, slots=True)
class OccurrenceView:
    """The feature in one graph."""

    graph: GraphSnapshot
    occurrence: OccurrenceSnapshot
    names: Mapping[str, Namesake]
    """Labels in use of the neighbours that have one, by `14_2268`."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a person is in the queue."""

    position: int
    """From 1; 0 for a feature outside of what was chosen."""
    n_items: int
    """Within the stop line."""
    n_judged: int
    """Of those, judged as often as they should be, or by this person."""
    share_named: float | None
    """Part of the influence of what was chosen that goes through names beyond doubt, where a name
    of clerp's counts as far as it is certain; None without influence."""
    seconds_left: float | None
    """At this person's pace; None before there is one."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What of a feature is on screen while a person judges it."""

    proposal: bool
    """What clerp proposes."""
    others: bool
    """What others decided."""


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """All that the page shows of one feature to one person."""

    item: str
    """Opaque id, by which addresses name it."""
    key: FeatureKey
    seen: int
    """Number of the last decision about the feature that this shows; a decision states it."""
    snapshot: FeatureSnapshot | None
    """None where no run of this version kept one. While `is_blind`, its proposal is empty."""
    share: float | None
    is_blind: bool
    """The proposal, others' decisions and neighbours' names are held back until it is judged."""
    occurrences: tuple[OccurrenceView, ...]
    own: Standing | None
    others: tuple[Standing, ...]
    verdict: Verdict | None
    disputed: tuple[Subject, ...]
    """On what people disagree; empty where they do not, or where it is held back."""
    history: tuple[Decision, ...]
    """Decisions that this person may see, first to last."""
    similar: tuple[Namesake, ...]
    """Named features whose words are most like this one's."""
    is_open_elsewhere: bool = False
    """Somebody else looks at it, too."""
    damage: str = ""
    """Why something that was kept of the feature is missing here."""

    @property
    def sight(self) -> Sight:
        """What a page of this shows."""
        return Sight(
            proposal=not self.is_blind,
            others=any(other.judgement or other.role for other in self.others),
        )


@dataclass(frozen=True, slots=True)
class ListedItem:
    """One line of the queue. What clerp proposes is empty while it is held back."""

    item: str
    feature: str
    """`14_2268`."""
    role: str
    tier: int | None
    reason: str
    label: str
    share: float | None
    judgement: str
    """This person's, empty where there is none."""
    is_skipped: bool
    is_flagged: bool


@dataclass(frozen=True, slots=True)
class DisputedItem:
    """A feature about which people disagree."""

    item: str
    feature: str
    about: tuple[Subject, ...]
    standings: tuple[Standing, ...]
