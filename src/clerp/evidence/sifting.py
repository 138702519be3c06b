"""The activation examples of a record: usable ones, and why others are not."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from jaxtyping import Float32

from clerp.evidence.decoding import locate_fault
from clerp.evidence.record import ActivationExample
from clerp.tokens import Spelling

REPEATED = "repeated context"


class _Example(msgspec.Struct):
    tokens: list[str]
    tokens_acts_list: list[float | None]
    train_token_ind: int | None = None
    train_token_index: int | None = None
    is_repeated_datapoint: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one example is not used."""

    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """An example without a fault of its own."""

    quantile: int
    number: int
    tokens: list[str]
    activations: Float32[np.ndarray, " token"]
    peak_activation: float
    claimed_peak: int | None

    @property
    def id(self) -> str:
        """Place in the record, as in `ActivationExample`."""
        return f"{self.quantile}.{self.number}"

    def to_example(self, spelling: Spelling) -> ActivationExample:
        """Make the tokens readable and find the peak."""
        return ActivationExample(
            id=self.id,
            tokens=spelling.read(self.tokens),
            activations=self.activations,
            peak=int(self.activations.argmax()),
        )


@dataclass(frozen=True, slots=True)
class Sifted:
    """The examples of a record, usable ones apart from faults."""

    candidates: list[Candidate]
    faults: list[Fault]


def sift(quantiles: Sequence[Sequence[object]]) -> Sifted:
    """Read the examples of each quantile and set aside those with a fault of their own.

    `train_token_ind` decides nothing, because writers mean different places by it (peak, window
    centre, last token, corpus position); but where most examples have it inside their tokens, one
    outside shows a damaged example.
    """
    read = [
        _read_example(given, q, i)
        for q, examples in enumerate(quantiles)
        for i, given in enumerate(examples)
    ]
    candidates = [example for example in read if isinstance(example, Candidate)]
    faults = [example for example in read if isinstance(example, Fault)]
    misplaced = _find_misplaced(candidates)
    return Sifted(
        [candidate for candidate in candidates if candidate.id not in misplaced],
        [*faults, *misplaced.values()],
    )


def _read_example(given: object, quantile: int, number: int) -> Candidate | Fault:
    place = f"examples_quantiles[{quantile}].examples[{number}]"
    try:
        example = msgspec.convert(given, _Example)
    except msgspec.ValidationError as error:
        return Fault("malformed example", f"{place}: {locate_fault(error)}")
    activations = _to_float32(example.tokens_acts_list)
    if fault := _find_fault(example, activations, place):
        return fault
    claimed = example.train_token_ind
    return Candidate(
        quantile=quantile,
        number=number,
        tokens=example.tokens,
        activations=activations,
        peak_activation=max(value for value in example.tokens_acts_list if value is not None),
        claimed_peak=example.train_token_index if claimed is None else claimed,
    )


def _to_float32(values: Iterable[float | None]) -> Float32[np.ndarray, " token"]:
    numbers = [math.nan if value is None else value for value in values]
    with np.errstate(over="ignore"):
        return np.array(numbers, dtype=np.float32)


def _find_fault(
    example: _Example, activations: Float32[np.ndarray, " token"], place: str
) -> Fault | None:
    n_tokens, n_activations = len(example.tokens), len(activations)
    if not n_tokens:
        return Fault("no tokens")
    if n_tokens != n_activations:
        detail = f"{place}: {n_tokens} tokens but {n_activations} activations"
        return Fault("tokens and activations differ in number", detail)
    if not np.isfinite(activations).all():
        return Fault("activation not finite")
    if activations.max() <= 0:
        return Fault("no positive activation" if activations.any() else "all activations zero")
    return Fault(REPEATED) if example.is_repeated_datapoint else None


def _find_misplaced(candidates: Iterable[Candidate]) -> dict[str, Fault]:
    """Find the claimed peaks outside their tokens, unless most are: then they mean no token."""
    claims = [(c, c.claimed_peak) for c in candidates if c.claimed_peak is not None]
    outside = [(c, claim) for c, claim in claims if not 0 <= claim < len(c.tokens)]
    if 2 * len(outside) >= len(claims):
        return {}
    return {
        c.id: Fault("peak index out of range", f"{c.id}: {claim} of {len(c.tokens)} tokens")
        for c, claim in outside
    }


def explain_nothing_usable(faults: Sequence[Fault]) -> str:
    """Say why a record gives no evidence, with the place of the first fault that has one."""
    if not faults:
        return "no activation example in the record"
    kinds = ", ".join(f"{n} x {kind}" for kind, n in count_faults(faults))
    detail = next((f" ({fault.detail})" for fault in faults if fault.detail), "")
    return f"no usable activation example: {kinds}{detail}"


def count_faults(faults: Iterable[Fault]) -> tuple[tuple[str, int], ...]:
    """Count the kinds of faults, most frequent first."""
    counts = Counter(fault.kind for fault in faults)
    return tuple(sorted(counts.items(), key=lambda count: (-count[1], count[0])))
