"""Which examples of a feature a model is shown, and which are set aside to score the label on."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from statistics import median

from clerp.evidence import ActivationExample, FeatureEvidence
from clerp.router.duplicates import drop_near_duplicates

MIN_TO_HOLD_OUT = 12
"""Fewer examples are all needed for the label."""
MIN_HELD_OUT = 4
HELD_OUT_SHARE = 5
"""One of so many examples is held out."""
N_NEAREST = 2
"""Shown examples that fire most like the feature's nodes in the graph."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Distinct examples, strongest first; no example is in both."""

    shown: tuple[ActivationExample, ...]
    held_out: tuple[ActivationExample, ...]


def choose_examples(evidence: FeatureEvidence, n: int, activations: Sequence[float] = ()) -> Choice:
    """Choose the examples for a question.

    Near-duplicates of stronger examples count once. What is held out depends on the evidence alone,
    so that labels of all methods and graphs can be scored on the same examples. Of the others are
    shown the two nearest to the activation of the feature's nodes, and for the rest as many top
    examples as examples of lower quantiles, each spread evenly over its range: most nodes of a
    graph fire below every top example.

    Args:
        evidence: What is known of the feature.
        n: How many to show at most, at least `N_NEAREST`.
        activations: Those of the feature's nodes; their median counts.
    """
    usable = _part_distinct(evidence)
    near = _find_nearest(evidence, usable.shown, activations)
    spread = _spread_over(_without(usable.shown, near), evidence, n - len(near))
    return Choice(_by_strength((*near, *spread)), usable.held_out)


def list_held_out(evidence: FeatureEvidence) -> tuple[str, ...]:
    """List the ids of examples that no method shows, so that a label can be scored on them."""
    return tuple(example.id for example in _part_distinct(evidence).held_out)


# Wanted before a feature is asked about and again after; so many are asked about meanwhile.
@lru_cache(maxsize=256)
def _part_distinct(evidence: FeatureEvidence) -> Choice:
    """Return the examples that may be shown, and those that are held out."""
    distinct = drop_near_duplicates((*evidence.top, *evidence.lower)).examples
    held_out = _hold_out(distinct, evidence.digest)
    return Choice(_without(distinct, held_out), held_out)


def _hold_out(examples: Sequence[ActivationExample], digest: str) -> tuple[ActivationExample, ...]:
    if len(examples) < MIN_TO_HOLD_OUT:
        return ()
    n = max(MIN_HELD_OUT, -(-len(examples) // HELD_OUT_SHARE))
    return tuple(
        min(part, key=lambda example: hashlib.sha256(f"{digest} {example.id}".encode()).digest())
        for part in _part(examples, n)
    )


def _find_nearest(
    evidence: FeatureEvidence, usable: Sequence[ActivationExample], activations: Sequence[float]
) -> tuple[ActivationExample, ...]:
    if not activations:
        return ()
    ids = {example.id for example in usable}
    everything = evidence.nearest(median(activations), len(evidence.top) + len(evidence.lower))
    return tuple(example for example in everything if example.id in ids)[:N_NEAREST]


def _spread_over(
    examples: Sequence[ActivationExample], evidence: FeatureEvidence, n: int
) -> tuple[ActivationExample, ...]:
    ids = {example.id for example in evidence.top}
    top = [example for example in examples if example.id in ids]
    lower = [example for example in examples if example.id not in ids]
    # Where one of them has too few, the other takes its places.
    n_lower = min(len(lower), max(n // 2, n - len(top)))
    parts = (*_part(top, n - n_lower), *_part(lower, n_lower))
    return tuple(part[0] for part in parts)


def _part(examples: Sequence[ActivationExample], n: int) -> list[Sequence[ActivationExample]]:
    """Cut into n stretches of nearly equal length; into single examples where there are fewer."""
    n = min(n, len(examples))
    ends = [i * len(examples) // n for i in range(n + 1)] if n else [0]
    return [examples[start:stop] for start, stop in pairwise(ends)]


def _without(
    examples: Sequence[ActivationExample], others: Sequence[ActivationExample]
) -> tuple[ActivationExample, ...]:
    ids = {example.id for example in others}
    return tuple(example for example in examples if example.id not in ids)


def _by_strength(examples: Sequence[ActivationExample]) -> tuple[ActivationExample, ...]:
    return tuple(sorted(examples, key=lambda e: (-e.peak_activation, e.id)))
