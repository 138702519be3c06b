"""Counting words: the same word at most peaks, or after most of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from clerp.evidence import FeatureEvidence
from clerp.plugins import Embedder
from clerp.router.route import TIERS, Role, Route
from clerp.router.rule import Rule
from clerp.windows import Window
from clerp.word_counts import count_words, read_following, read_peaks, read_word


@dataclass(frozen=True, slots=True)
class TokensRule(Rule):
    """The commonest peak word or next word, if it has the threshold's share; a tie is `input`.

    What no word explains is `obscure`: counting cannot tell a topic from nothing.
    """

    def route(
        self, evidence: Iterable[FeatureEvidence], windows: Sequence[Window], embedder: Embedder
    ) -> Iterator[Route]:
        """Route features by counts of words, as `Rule.route`."""
        yield from map(self._decide, evidence)

    def _decide(self, known: FeatureEvidence) -> Route:
        contexts = read_peaks(known.top)
        peaks, following = count_words(contexts, read_word), count_words(contexts, read_following)
        at, after = (counts[0].share if counts else 0.0 for counts in (peaks, following))
        role: Role = "obscure"
        if max(at, after) >= self.threshold:
            role = "output" if after > at else "input"
        return Route(
            feature=known.feature,
            role=role,
            tier=TIERS[role],
            scores={},
            confidence="medium",
            n_examples=len(known.top),
            reason=(
                f"the commonest peak word has {at:.0%}, the commonest next word {after:.0%} "
                f"(high from {self.threshold:.0%})"
            ),
        )
