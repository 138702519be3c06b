"""A labeler to copy: it names a feature by the token that it peaks on most often."""

from collections import Counter

from clerp.errors import UsageError
from clerp.labelers import LabelRequest
from clerp.labels import Abstention, Label, clean_label


class HelloLabeler:
    """Names a feature by its commonest peak token, and declines when no token occurs twice."""

    name = "hello"

    def __init__(self, argument: str = "") -> None:
        """Take what follows the colon of `--labeler hello:ARGUMENT`; here that must be nothing."""
        if argument:
            raise UsageError("the labeler 'hello' takes no argument", remedy="Write hello")

    async def label(self, request: LabelRequest) -> Label | Abstention:
        """Count the peaks of the top examples; ties go to the strongest example."""
        examples = request.evidence.top
        peaks = {e.id: clean_label(e.tokens[e.peak]) for e in examples}
        counts = Counter(peak for peak in peaks.values() if peak)
        if not counts or max(counts.values()) < 2:
            return Abstention(self.name, f"no token is the peak of two of {len(peaks)} examples")
        winner, n = counts.most_common(1)[0]
        return Label(
            text=winner,
            method=self.name,
            confidence="low",
            explanation=f"'{winner}' is the peak of {n} of {len(peaks)} examples",
            evidence=tuple(example for example, peak in peaks.items() if peak == winner),
        )
