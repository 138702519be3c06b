"""One raw record of a feature to evidence, or to the reason why it is none.

The schema is that of circuit-tracer (`frontend/feature_models.py`), which EleutherAI's attribute
and Neuronpedia's self-hosted features share. Only `examples_quantiles` is required.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Annotated, Any, get_args

import msgspec
import numpy as np
from msgspec import Meta

from clerp.errors import EvidenceError
from clerp.evidence.decoding import decode_document, locate_fault
from clerp.evidence.record import (
    ActivationExample,
    EvidenceGap,
    FeatureEvidence,
    PromotedFrom,
)
from clerp.evidence.sifting import (
    REPEATED,
    Candidate,
    Fault,
    Sifted,
    count_faults,
    explain_nothing_usable,
    sift,
)
from clerp.feature import FeatureId
from clerp.tokens import detect_spelling

MAX_EXAMPLES = 1_000
"""Most examples of one record; real ones hold 10 to 200, and repeats are found pair by pair."""
MAX_BARS = 1_000
"""Most bars of a histogram; real ones have 40 to 50."""

_AROUND = 8
_SHARED = 8


_Bars = Annotated[list[Annotated[float, Meta(ge=0)]], Meta(max_length=MAX_BARS)]


class _Quantile(msgspec.Struct):
    examples: list[Any]
    quantile_name: str = ""


class _Record(msgspec.Struct):
    examples_quantiles: list[_Quantile]
    layer: int | None = None
    index: int | None = None
    top_logits: list[str] | None = None
    bottom_logits: list[str] | None = None
    act_min: float | None = None
    act_max: float | None = None
    quantile_values: list[float | None] | None = None
    activation_frequency: float | None = None
    promoted_from: Any = None
    histogram: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class _Distinct:
    """Examples of different contexts, strongest first."""

    top: tuple[ActivationExample, ...]
    lower: tuple[ActivationExample, ...]
    repeats: list[Fault]


@dataclass(frozen=True, slots=True)
class _Range:
    low: float
    high: float


def parse_record(raw: bytes, feature: FeatureId, *, where: str) -> FeatureEvidence | EvidenceGap:
    """Read what one record tells of a feature; no content of `raw` makes it raise.

    An example is set aside when it is malformed, without tokens, with another number of
    activations than tokens, not finite, nowhere positive or repeated: flagged as such, equal in
    text to a stronger one, or equal within 8 tokens of the peak on a stretch of at least 8. The
    peak is the largest activation, first of equals; `train_token_ind` is only checked (see `sift`).

    The top examples are those of the first quantile with "top" in its name, else of the first
    quantile; they can be none when only lower quantiles are usable. The activation range ends at
    `act_max`, or at the strongest example when that is stronger; it begins at the smallest
    positive of `act_min`, `quantile_values` and the peaks of usable examples. The density is None
    when `activation_frequency` is absent or no share. An optional key `promoted_from` (`summed`,
    `last` or `per layer`) says which decoder rows the promoted tokens come from; anything else
    is `unknown`. An optional key `histogram` has the heights of bars over the activation range;
    more than `MAX_BARS`, or anything but finite numbers from 0 on, is taken as absent.

    Args:
        raw: JSON, decompressed.
        feature: Whose record it should be; `index` may hold its index or its Cantor number.
        where: What a reason calls the record, for example `10143.json`; never a path.
    """
    try:
        record = _convert(decode_document(raw))
        _check_identity(record, feature)
    except EvidenceError as fault:
        return EvidenceGap(feature, f"{where}: {fault}")
    sifted = sift([quantile.examples for quantile in record.examples_quantiles])
    if not sifted.candidates:
        return EvidenceGap(feature, explain_nothing_usable(sifted.faults))
    return _build(feature, record, sifted)


def _convert(document: object) -> _Record:
    try:
        record = msgspec.convert(document, _Record)
    except msgspec.ValidationError as error:
        raise locate_fault(error) from error
    n_examples = sum(len(quantile.examples) for quantile in record.examples_quantiles)
    if n_examples > MAX_EXAMPLES:
        raise EvidenceError(f"{n_examples} examples, of which at most {MAX_EXAMPLES} are read")
    return record


def _check_identity(record: _Record, feature: FeatureId) -> None:
    if record.layer not in (None, feature.layer):
        raise EvidenceError(f"record is of layer {record.layer}")
    if record.index not in (None, feature.index, feature.cantor):
        raise EvidenceError(f"record is of feature index {record.index}")


def _build(feature: FeatureId, record: _Record, sifted: Sifted) -> FeatureEvidence:
    distinct = _tell_apart(record, sifted.candidates)
    reach = _measure_range(record, [c.peak_activation for c in sifted.candidates])
    evidence = FeatureEvidence(
        feature=feature,
        top=distinct.top,
        lower=distinct.lower,
        set_aside=count_faults([*sifted.faults, *distinct.repeats]),
        promoted=_read_apart(record.top_logits),
        suppressed=_read_apart(record.bottom_logits),
        promoted_from=_name_origin(record.promoted_from),
        act_min=reach.low,
        act_max=reach.high,
        density=_read_share(record.activation_frequency),
        digest="",
        histogram=_read_bars(record.histogram),
    )
    return replace(evidence, digest=_digest(evidence))


def _tell_apart(record: _Record, candidates: Sequence[Candidate]) -> _Distinct:
    contexts = _Contexts()
    spelling = detect_spelling(chain.from_iterable(c.tokens for c in candidates))
    top = _find_top(record.examples_quantiles)
    # Top examples first, so that of two repeats the one of a lower quantile goes.
    ranked = sorted(
        candidates, key=lambda c: (c.quantile != top, -c.peak_activation, c.quantile, c.number)
    )
    distinct = [
        (candidate.quantile == top, example)
        for candidate in ranked
        if contexts.add(example := candidate.to_example(spelling))
    ]
    return _Distinct(
        top=tuple(example for is_top, example in distinct if is_top),
        lower=tuple(example for is_top, example in distinct if not is_top),
        repeats=[Fault(REPEATED)] * (len(ranked) - len(distinct)),
    )


def _find_top(quantiles: Sequence[_Quantile]) -> int:
    named = (i for i, quantile in enumerate(quantiles) if "top" in quantile.quantile_name.lower())
    return next(named, 0)


class _Contexts:
    """The contexts met so far."""

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._by_peak_token: defaultdict[str, list[ActivationExample]] = defaultdict(list)

    def add(self, example: ActivationExample) -> bool:
        """Take in an example and say whether its context is a new one."""
        text = "".join(example.tokens)
        alike = self._by_peak_token[example.tokens[example.peak]]
        if text in self._texts or any(_is_same_stretch(example, other) for other in alike):
            return False
        self._texts.add(text)
        alike.append(example)
        return True


def _is_same_stretch(one: ActivationExample, other: ActivationExample) -> bool:
    """Compare around the peaks, as far as both examples and `_AROUND` tokens reach."""
    before = min(one.peak, other.peak, _AROUND)
    onwards = min(len(one.tokens) - one.peak, len(other.tokens) - other.peak, _AROUND + 1)
    return before + onwards >= _SHARED and (
        one.tokens[one.peak - before : one.peak + onwards]
        == other.tokens[other.peak - before : other.peak + onwards]
    )


def _measure_range(record: _Record, peaks: Sequence[float]) -> _Range:
    strongest = max(peaks)
    given = record.act_max
    positives = [
        value
        for value in (record.act_min, *(record.quantile_values or ()), *peaks)
        if value is not None and 0 < value < math.inf
    ]
    if given is None or not strongest <= given < math.inf:
        given = strongest
    return _Range(low=min(positives), high=given)


def _read_apart(tokens: list[str] | None) -> tuple[str, ...]:
    return detect_spelling(tokens or ()).read_each(tokens or ())


def _name_origin(given: object) -> PromotedFrom:
    known = get_args(PromotedFrom)
    return next((origin for origin in known if origin == given), "unknown")


def _read_bars(given: object) -> tuple[float, ...]:
    try:
        bars = msgspec.convert(given, _Bars)
    except msgspec.ValidationError:
        return ()
    return tuple(bars) if all(map(math.isfinite, bars)) else ()


def _read_share(value: float | None) -> float | None:
    return value if value is not None and 0 <= value <= 1 else None


def _digest(evidence: FeatureEvidence) -> str:
    """Hash what labels can rest on, in readable form: storage and spelling make no difference."""
    content = (
        [_list_content(example) for example in (*evidence.top, *evidence.lower)],
        len(evidence.top),
        evidence.set_aside,
        (evidence.promoted, evidence.suppressed, evidence.promoted_from),
        (evidence.act_min, evidence.act_max, evidence.density),
    )
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()


def _list_content(example: ActivationExample) -> tuple[str, tuple[str, ...], list[float]]:
    # Adding zero turns the -0.0 that some writers leave behind into 0.0.
    return example.id, example.tokens, (example.activations + np.float32(0)).tolist()
