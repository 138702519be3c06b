"""What a rule is."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from clerp.evidence import FeatureEvidence
from clerp.plugins import Embedder
from clerp.router.route import Route
from clerp.windows import Window

CHUNK = 1024
"""Features whose evidence is held at once; it takes about 100 MB with 20 examples each."""


@dataclass(frozen=True, slots=True)
class Rule(ABC):
    """How features that are no artefacts get their roles."""

    name: str
    threshold: float
    """From where on what the rule measures counts as high."""

    @abstractmethod
    def route(
        self, evidence: Iterable[FeatureEvidence], windows: Sequence[Window], embedder: Embedder
    ) -> Iterator[Route]:
        """Yield the route of every feature, in the order given.

        A rule that decides about each feature by itself takes the evidence in chunks, so that
        memory does not grow with the number of features.

        Raises:
            ClerpError: What the rule compares with cannot be had, or windows do not suit it.
        """

    def note_text(self, evidence: Sequence[FeatureEvidence], embedder: Embedder) -> tuple[str, ...]:
        """Say what a reader should know of the text that all of the evidence comes from.

        Raises:
            ClerpError: What the rule compares with cannot be had.
        """
        return ()


def in_chunks(evidence: Iterable[FeatureEvidence]) -> Iterator[list[FeatureEvidence]]:
    """Part evidence into chunks, each read when it is asked for."""
    rest = iter(evidence)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
