"""The parts of Neuronpedia's row of a feature that clerp reads.

Shapes are those of Neuronpedia's `POST /api/features` and of its exports (`Neuron`, `Activation`
and `Explanation` of its database).
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from clerp.errors import EvidenceError
from clerp.evidence.decoding import decode_document, locate_fault


class Identity(msgspec.Struct, frozen=True, rename="camel"):
    """Whose row it is; `layer` is Neuronpedia's source id, `14-clt-hp`."""

    model_id: str
    layer: str
    index: str | int


class Activation(msgspec.Struct, frozen=True, rename="camel"):
    """One context and, where it was drawn from one, the interval of activations."""

    tokens: list[str]
    values: list[float | None]
    bin_min: float | None = None
    bin_max: float | None = None

    @property
    def peak(self) -> float:
        """The largest positive activation; 0 where there is none."""
        return max(0.0, max(filter(math.isfinite, filter(None, self.values)), default=0.0))


class Score(msgspec.Struct, frozen=True, rename="camel"):
    """How well an explanation does by one scorer."""

    explanation_score_type_name: str
    value: float | None


class Explanation(msgspec.Struct, frozen=True, rename="camel"):
    """What somebody, or a model, calls the feature."""

    description: str
    type_name: str | None = None
    explanation_model_name: str | None = None
    score_v1: float | None = msgspec.field(default=None, name="scoreV1")
    score_v2: float | None = msgspec.field(default=None, name="scoreV2")
    scores: list[Score] | None = None


class FeatureRow(msgspec.Struct, frozen=True):
    """A row whose fields have the types that they should have."""

    activations: list[Activation | None]
    """Strongest first whatever order the row has them in; None is a malformed one."""
    explanations: list[Explanation]
    pos_str: list[str] | None = None
    neg_str: list[str] | None = None
    frac_nonzero: float | None = None
    max_act_approx: float | None = None
    histogram: list[float | None] | None = None
    """Heights of the bars; rows that were cached before it was read have none."""

    def encode(self) -> bytes:
        """Return the same bytes for the same content."""
        return msgspec.json.encode(self)


class _Given(msgspec.Struct, rename={"max_act_approx": "maxActApprox"}):
    activations: list[Any] | None = None
    explanations: list[Any] | None = None
    pos_str: list[str] | None = None
    neg_str: list[str] | None = None
    frac_nonzero: float | None = None
    max_act_approx: float | None = None
    freq_hist_data_bar_heights: Any = None


def identify(raw: bytes | msgspec.Raw) -> Identity | None:
    """Say whose row a JSON object is without decoding the rest; None when it does not say."""
    try:
        return msgspec.json.decode(raw, type=Identity)
    except (ValueError, RecursionError):
        return _identify_leniently(bytes(raw))


def read_row(document: object) -> FeatureRow:
    """Take from a decoded row what clerp reads.

    Malformed activations are kept as None, so that they are counted; malformed explanations go,
    because no label rests on them.

    Raises:
        EvidenceError: The row is no object, or another field has a wrong type.
    """
    try:
        given = msgspec.convert(document, _Given)
    except msgspec.ValidationError as error:
        raise locate_fault(error) from error
    return FeatureRow(
        activations=_sort_activations(map(_read_activation, given.activations or ())),
        explanations=_read_explanations(given.explanations or ()),
        pos_str=given.pos_str,
        neg_str=given.neg_str,
        frac_nonzero=given.frac_nonzero,
        max_act_approx=given.max_act_approx,
        histogram=_read_histogram(given.freq_hist_data_bar_heights),
    )


def decode_row(content: bytes) -> FeatureRow:
    """Invert `FeatureRow.encode`.

    Raises:
        EvidenceError: `encode` did not write it.
    """
    try:
        return msgspec.json.decode(content, type=FeatureRow)
    except (ValueError, RecursionError) as error:
        raise EvidenceError(
            "what the cache holds of a feature is no row of it", remedy="Delete the cache"
        ) from error


def _identify_leniently(raw: bytes) -> Identity | None:
    # Exports are written by Python, which also writes NaN.
    try:
        return msgspec.convert(decode_document(raw), Identity)
    except (EvidenceError, msgspec.ValidationError):
        return None


def _read_activation(given: object) -> Activation | None:
    try:
        return msgspec.convert(given, Activation)
    except msgspec.ValidationError:
        return None


def _read_histogram(given: object) -> list[float | None] | None:
    try:
        return msgspec.convert(given, list[float | None])
    except msgspec.ValidationError:
        return None


def _sort_activations(activations: Iterable[Activation | None]) -> list[Activation | None]:
    # By content and not by database id, so that the server and an export give the same evidence.
    return sorted(
        activations,
        key=lambda a: (1, 0.0, b"") if a is None else (0, -a.peak, msgspec.json.encode(a)),
    )


def _read_explanations(given: Sequence[object]) -> list[Explanation]:
    read: list[Explanation] = []
    for explanation in given:
        try:
            read.append(msgspec.convert(explanation, Explanation))
        except msgspec.ValidationError:
            continue
    return sorted(read, key=msgspec.json.encode)
