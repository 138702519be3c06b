"""At which places of a feature's examples an NLA is asked: where it fires, and where it is off."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from clerp.evidence import ActivationExample, FeatureEvidence
from clerp.router.duplicates import drop_near_duplicates
from clerp.verbalizers.gates import FIRST_POSITION
from clerp.verbalizers.verbalization import Passage

MAX_CHARS = 16_384
"""Of a passage: what Neuronpedia's public API takes."""
NEARBY = 16
"""Tokens from the peak within which a place is nearby."""
_UNREADABLE = "\ufffd"


@dataclass(frozen=True, slots=True)
class InactivePassage:
    """A place where the feature is off, and the active one that it is matched with."""

    passage: Passage
    example: str
    """Id of the activation example that it is cut from."""
    matched: str
    """Id of the active passage."""


@dataclass(frozen=True, slots=True)
class Passages:
    """Places of one feature."""

    active: tuple[Passage, ...]
    """Peaks of distinct examples, strongest first."""
    spare: tuple[Passage, ...]
    """More of them, for where there is no residual at one."""
    inactive: tuple[InactivePassage, ...]
    """Matched with the active ones and the spare ones."""


def choose_passages(
    evidence: FeatureEvidence,
    n_examples: int,
    n_inactive: int,
    *,
    held_out: Collection[str] = (),
) -> Passages:
    """Choose the peaks of the strongest distinct top examples, and places where the feature is off.

    Near-duplicates of stronger examples count once. Peaks among the first tokens come last: an
    actor was not trained on residuals there. With each active place go as many inactive ones as
    `n_inactive`, by turns the same token elsewhere in any of the feature's examples and a token
    nearby in the same example; which of them is drawn by the evidence's digest.

    Args:
        evidence: What is known of the feature.
        n_examples: Active places, at most; as many more are spare.
        n_inactive: Inactive places for each active one, at most.
        held_out: Ids of examples on which labels are scored, and that nobody is shown.
    """
    examples = [e for e in _list_distinct(evidence) if e.id not in held_out and _is_readable(e)]
    # Stable: strongest first otherwise.
    ranked = sorted(examples, key=lambda example: example.peak < FIRST_POSITION)
    chosen = ranked[: 2 * n_examples]
    active = tuple(cut_passage(example, example.peak) for example in chosen)
    matched = _Matching(evidence.digest, ranked).match(chosen, n_inactive)
    return Passages(active[:n_examples], active[n_examples:], tuple(matched))


def cut_passage(example: ActivationExample, place: int) -> Passage:
    """Cut an example right after a token.

    A text that is too long loses whole tokens at its start, and of one token all but its end.
    """
    tokens = example.tokens[: place + 1]
    n_chars, start = 0, place + 1
    while start and n_chars + len(tokens[start - 1]) <= MAX_CHARS:
        start -= 1
        n_chars += len(tokens[start])
    at_peak = place == example.peak
    return Passage(
        id=example.id if at_peak else f"{example.id}-{place}",
        text="".join(tokens[start:]) or tokens[-1][-MAX_CHARS:],
        token=tokens[-1][-MAX_CHARS:],
        activation=float(example.activations[place]),
        n_tokens=max(1, place + 1 - start),
    )


def _list_distinct(evidence: FeatureEvidence) -> tuple[ActivationExample, ...]:
    top = {example.id for example in evidence.top}
    # Of all, as labelers do it: the same examples are dropped.
    distinct = drop_near_duplicates((*evidence.top, *evidence.lower)).examples
    return tuple(example for example in distinct if example.id in top)


def _is_readable(example: ActivationExample) -> bool:
    return example.peak_activation > 0 and _is_place(example, example.peak)


def _is_place(example: ActivationExample, place: int) -> bool:
    """Say whether a passage can end at a token: a part of a character is none."""
    token = example.tokens[place]
    return bool(token.strip()) and _UNREADABLE not in token


class _Matching:
    def __init__(self, digest: str, examples: Sequence[ActivationExample]) -> None:
        self._digest = digest
        self._examples = examples
        self._used: set[tuple[str, int]] = set()

    def match(
        self, chosen: Sequence[ActivationExample], n_inactive: int
    ) -> Iterator[InactivePassage]:
        """Draw inactive places for each example, no place twice."""
        for place, example in enumerate(chosen):
            sources = [iter(self._list_same(example)), iter(self._list_nearby(example))]
            # With one of each the turns go over the examples.
            for number in range(place * n_inactive, (place + 1) * n_inactive):
                # Where one source has no more, the other one has.
                by_turns = sources[number % 2], sources[1 - number % 2]
                found = next((one for source in by_turns for one in source), None)
                if found is not None:
                    yield found

    def _list_same(self, example: ActivationExample) -> Iterator[InactivePassage]:
        """Draw places where the peak's token stands and the feature is off."""
        token = _fold(example.tokens[example.peak])
        places = [
            (other, place)
            for other in self._examples
            for place in _list_off(other)
            if _fold(other.tokens[place]) == token
        ]
        return self._draw(example, places)

    def _list_nearby(self, example: ActivationExample) -> Iterator[InactivePassage]:
        places = [
            (example, place) for place in _list_off(example) if abs(place - example.peak) <= NEARBY
        ]
        return self._draw(example, places)

    def _draw(
        self, example: ActivationExample, places: Sequence[tuple[ActivationExample, int]]
    ) -> Iterator[InactivePassage]:
        def lot(drawn: tuple[ActivationExample, int]) -> bytes:
            other, place = drawn
            written = f"{self._digest} {example.id} {other.id} {place}"
            return hashlib.sha256(written.encode()).digest()

        for other, place in sorted(places, key=lot):
            if (other.id, place) not in self._used:
                self._used.add((other.id, place))
                yield InactivePassage(cut_passage(other, place), other.id, example.id)


def _list_off(example: ActivationExample) -> list[int]:
    return [
        place
        for place in range(FIRST_POSITION, len(example.tokens))
        if example.activations[place] <= 0 and _is_place(example, place)
    ]


def _fold(token: str) -> str:
    return token.strip().casefold()
