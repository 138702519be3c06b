"""How much of a feature's evidence agrees with a name, in figures that a reader can check."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clerp.labels import Confidence
from clerp.word_counts import PeakContext, share

METHOD = "token-frequency"
WINNER_SHARE = 0.6
"""Part of the activation with which one word, family or piece names a feature."""
_HIGH_SHARE, _HIGH_EXAMPLES = 0.8, 8
_MEDIUM_SHARE, _MEDIUM_EXAMPLES = 0.5, 4
_HIGH_LOWER_SHARE = 0.2
_RANKS: tuple[Confidence, ...] = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Agreement:
    """The examples that agree with a name."""

    examples: tuple[str, ...]
    """Ids of the top examples that agree."""
    n_examples: int
    share: float
    """Of the activation of the top examples, 0 to 1."""
    lower_agreeing: int
    """How many examples from lower quantiles agree."""
    n_lower: int

    @property
    def counts(self) -> str:
        """`17 of 20 examples (91 % of activation)`, and of the lower ones where there are any."""
        top = f"{len(self.examples)} of {self.n_examples} examples"
        lower = (
            f", and in {self.lower_agreeing} of {self.n_lower} at lower activations"
            if self.n_lower
            else ""
        )
        return f"{top} ({100 * self.share:.0f} % of activation){lower}"

    @property
    def only_at_top(self) -> bool:
        """Whether fewer than a fifth of the examples at lower activations agree."""
        return self.lower_agreeing < _HIGH_LOWER_SHARE * self.n_lower

    @property
    def details(self) -> dict[str, str | float | int | None]:
        """What belongs on record of it; nothing of lower activations where there are none."""
        lower = {"n_lower_agreeing": self.lower_agreeing, "n_lower": self.n_lower}
        return {"share": self.share, **(lower if self.n_lower else {})}

    @property
    def confidence(self) -> Confidence:
        """High from 80 % of activation in 8 examples, medium from 50 % in 4, else low.

        Never high where the name holds at the top only: features of a graph mostly fire below it.
        """
        if (
            self.share >= _HIGH_SHARE
            and len(self.examples) >= _HIGH_EXAMPLES
            and not self.only_at_top
        ):
            return "high"
        if self.share >= _MEDIUM_SHARE and len(self.examples) >= _MEDIUM_EXAMPLES:
            return "medium"
        return "low"


def measure(
    covers: Callable[[PeakContext], bool],
    top: Sequence[PeakContext],
    lower: Sequence[PeakContext],
) -> Agreement:
    """Count the contexts that a name covers."""
    agreeing = [context for context in top if covers(context)]
    return Agreement(
        examples=tuple(context.example for context in agreeing),
        n_examples=len(top),
        share=share(agreeing, math.fsum(context.weight for context in top)),
        lower_agreeing=sum(covers(context) for context in lower),
        n_lower=len(lower),
    )


def at_most(limit: Confidence, confidence: Confidence) -> Confidence:
    """Return the lower of two confidences."""
    return limit if _RANKS.index(limit) < _RANKS.index(confidence) else confidence
