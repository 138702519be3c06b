"""Features each of whose tokens stands once, so that a test can name a place by its token."""

from collections.abc import Collection, Sequence

from hypothesis import strategies as st

from clerp.errors import VerbalizerError
from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.testing import FakePassageVerbalizer, FakeVectorVerbalizer, make_evidence
from clerp.testing.fake_verbalizer import MODEL
from clerp.verbalizers import Explained, Extraction, Missed, ModelClaim, Passage, Sampling

CLAIM = ModelClaim(MODEL, "a-set")
PEAK, N_TOKENS = 14, 24
BROKE = "it broke"
SIZES = st.lists(st.tuples(st.integers(0, 6), st.sets(st.integers(0, 5))), max_size=4)
"""How many examples features have, and which of them are missed."""


def make(index: int, n: int) -> FeatureEvidence:
    """Make a feature with so many examples."""
    texts = [[f" {index}.{i}.{place}" for place in range(N_TOKENS)] for i in range(n)]
    return make_evidence(texts, peak=PEAK, feature=FeatureId(2, index))


def name_peaks(index: int, numbers: Collection[int]) -> list[str]:
    """Return the tokens at the peaks of some examples of a feature."""
    return [f" {index}.{number}.{PEAK}" for number in numbers]


def make_sized(sizes: Sequence[tuple[int, set[int]]]) -> list[FeatureEvidence]:
    """Make a feature for each of `SIZES`."""
    return [make(index, n) for index, (n, _) in enumerate(sizes)]


def name_missed(sizes: Sequence[tuple[int, set[int]]]) -> list[str]:
    """Return the tokens at all peaks that are missed."""
    return [token for index, (_, gone) in enumerate(sizes) for token in name_peaks(index, gone)]


class BreakingVectors(FakeVectorVerbalizer):
    """Breaks at passages that end with some tokens."""

    def __init__(self, broken: Collection[str] = (), misses: Collection[str] = ()) -> None:
        super().__init__(misses=misses)
        self.broken = broken

    async def extract(self, passages: Sequence[Passage]) -> list[Extraction | Missed]:
        _break_at(self.broken, passages)
        return await super().extract(passages)


class BreakingPassages(FakePassageVerbalizer):
    """Breaks at passages that end with some tokens, and keeps in mind what it was asked."""

    def __init__(self, broken: Collection[str] = (), misses: Collection[str] = ()) -> None:
        super().__init__(pair=FakeVectorVerbalizer(misses=misses))
        self.broken = broken
        self.requests: list[list[str]] = []

    async def explain(
        self, passages: Sequence[Passage], sampling: Sampling
    ) -> list[Explained | Missed]:
        self.requests.append([passage.id for passage in passages])
        _break_at(self.broken, passages)
        return await super().explain(passages, sampling)


def _break_at(broken: Collection[str], passages: Sequence[Passage]) -> None:
    if any(passage.token in broken for passage in passages):
        raise VerbalizerError(BROKE, where="/home/me/nla")
