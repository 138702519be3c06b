"""The vectors of which an NLA is asked to speak: residuals, differences of them, and directions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from jaxtyping import Float32, Float64

from clerp.errors import VerbalizerError
from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.verbalizers.choosing import Passages, choose_passages
from clerp.verbalizers.outcome import SaidOf, tell_fault
from clerp.verbalizers.recording import RecordedCalls
from clerp.verbalizers.verbalization import Extraction, Missed, Passage

FEWEST_PAIRS = 20
"""Places where the feature fires, each with one where it is off, that a difference takes."""
MOST_PAIRS = 60

_NO_PLACE = "no example of the evidence has a peak that a text can end with"
_Found = Extraction | Missed | VerbalizerError


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where a vector is from, and the vector."""

    input_id: str
    example: str
    """Id of the activation example that it is of, or the kind of vector."""
    vector: Float32[np.ndarray, " d_model"] | None
    """None where a server keeps it to itself."""
    passage: Passage | None = None
    """At whose end it is the residual; None for what is no residual."""
    position: int | None = None
    """Of the token; None likewise."""
    cosine: float | None = None
    """Of the residual and its reconstruction, where a server says it."""
    variance: float | None = None
    """Of unit residuals, where a server says it."""
    matched: str = ""
    """Where the feature is off: `input_id` of the place that it is matched with."""

    @property
    def norm(self) -> float | None:
        """Length of the residual; None for what is none, or is not known."""
        if self.passage is None or self.vector is None:
            return None
        return float(np.linalg.norm(self.vector))


@dataclass(slots=True)
class Gathered:
    """Vectors of one feature."""

    feature: FeatureId
    active: list[Place] = field(default_factory=list[Place])
    inactive: list[Place] = field(default_factory=list[Place])
    missed: list[SaidOf] = field(default_factory=list[SaidOf])
    """Places where it fires of which there is no residual, and why."""
    reason: str = ""
    """Why there is no active one."""
    broke: str = ""
    """What broke meanwhile, that another run may mend."""

    def miss(self, passage: Passage, found: Missed | VerbalizerError) -> None:
        """Take note that there is nothing at a place where the feature fires."""
        if isinstance(found, VerbalizerError):
            self.broke = tell_fault(found)
        fault = found.reason if isinstance(found, Missed) else tell_fault(found)
        said = SaidOf(passage.id, passage.token, "", activation=passage.activation, fault=fault)
        self.missed.append(said)

    def finish(self) -> "Gathered":
        """Say why there is no place, if there is none."""
        if not self.active:
            self.reason = self.missed[0].fault if self.missed else _NO_PLACE
        return self


async def gather_residuals(
    evidence: Sequence[FeatureEvidence],
    calls: RecordedCalls,
    n_examples: int,
    n_inactive: int,
    held_out: Mapping[FeatureId, Collection[str]],
) -> list[Gathered]:
    """Read residuals at peaks and at matched places where the feature is off.

    Where there is none at a peak, that of a spare example takes its place.

    Raises:
        LedgerError: The ledger failed.
    """
    chosen = [
        choose_passages(one, n_examples, n_inactive, held_out=held_out.get(one.feature, ()))
        for one in evidence
    ]
    wanted = [passage for one in chosen for passage in _list_all(one)]
    found = iter(await calls.extract(wanted))
    return [
        _gather(one.feature, passages, [next(found) for _ in _list_all(passages)], n_examples)
        for one, passages in zip(evidence, chosen, strict=True)
    ]


async def gather_differences(
    evidence: Sequence[FeatureEvidence],
    calls: RecordedCalls,
    held_out: Mapping[FeatureId, Collection[str]],
) -> list[Gathered]:
    """Take the mean residual where a feature is off from that where it fires.

    Both means are over the same pairs: a place where it fires and of which there is no place where
    it is off counts in neither.

    The difference is proportional to the covariance of feature and residual, hence a pattern and
    no filter (Haufe et al. 2014, On the interpretation of weight vectors of linear models).

    Raises:
        LedgerError: The ledger failed.
    """
    residuals = await gather_residuals(evidence, calls, MOST_PAIRS, 1, held_out)
    return [_subtract(gathered) for gathered in residuals]


def gather_directions(
    features: Sequence[FeatureId],
    directions: Mapping[FeatureId, "Float32[np.ndarray, ' d_model'] | str"],
    d_model: int,
) -> list[Gathered]:
    """Take the directions that somebody read from decoder rows.

    Args:
        features: Whose.
        directions: What each writes, or why it has none.
        d_model: Of the pair.
    """
    return [_take_direction(feature, directions.get(feature), d_model) for feature in features]


def _list_all(passages: Passages) -> list[Passage]:
    return [*passages.active, *passages.spare, *(one.passage for one in passages.inactive)]


def _gather(
    feature: FeatureId, passages: Passages, found: Sequence[_Found], n_examples: int
) -> Gathered:
    gathered = Gathered(feature)
    peaks = (*passages.active, *passages.spare)
    for passage, one in zip(peaks, found, strict=False):
        if len(gathered.active) == n_examples:
            break
        if isinstance(one, Extraction):
            gathered.active.append(_place(one, passage.id))
        else:
            gathered.miss(passage, one)
    used = {place.input_id for place in gathered.active}
    for off, one in zip(passages.inactive, found[len(peaks) :], strict=True):
        if isinstance(one, Extraction) and off.matched in used:
            gathered.inactive.append(replace(_place(one, off.example), matched=off.matched))
        elif isinstance(one, VerbalizerError):
            gathered.broke = tell_fault(one)
    return gathered.finish()


def _place(found: Extraction, example: str) -> Place:
    return Place(found.passage.id, example, found.vector, found.passage, found.position)


def _subtract(gathered: Gathered) -> Gathered:
    off = {place.matched: place for place in gathered.inactive}
    paired = [place for place in gathered.active if place.input_id in off]
    if len(paired) < FEWEST_PAIRS:
        reason = gathered.reason or (
            f"{len(paired)} pairs of places where it fires and where it is off; a difference takes "
            f"{FEWEST_PAIRS}"
        )
        return Gathered(gathered.feature, reason=reason, broke=gathered.broke)
    difference = _average(paired) - _average([off[place.input_id] for place in paired])
    found = _take_direction(
        gathered.feature, difference.astype(np.float32), len(difference), "contrast"
    )
    return replace(found, broke=gathered.broke)


def _average(places: Sequence[Place]) -> Float64[np.ndarray, " d_model"]:
    vectors = [place.vector for place in places if place.vector is not None]
    return np.stack(vectors).astype(np.float64).mean(axis=0)


def _take_direction(
    feature: FeatureId,
    direction: "Float32[np.ndarray, ' _'] | str | None",
    d_model: int,
    name: Literal["contrast", "decoder"] = "decoder",
) -> Gathered:
    if direction is None:
        return Gathered(feature, reason="nobody read its decoder rows: name the transcoders")
    if isinstance(direction, str):
        return Gathered(feature, reason=direction)
    if direction.shape != (d_model,):
        reason = f"its direction has {direction.size} numbers and the pair reads {d_model}"
        return Gathered(feature, reason=reason)
    if not bool(np.isfinite(direction).all()) or not bool(direction.any()):
        return Gathered(feature, reason="its direction is zero or not finite")
    return Gathered(feature, active=[Place(name, name, direction)])
