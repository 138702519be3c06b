"""What a rule is."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from clerp.evidence import FeatureEvidence
from clerp.plugins import Embedder
from clerp.router.route import Route
from clerp.windows import Window


@dataclass(frozen=True, slots=True)
class Rule(ABC):
    """How features that are no artefacts get their roles."""

    name: str
    threshold: float
    """From where on what the rule measures counts as high."""

    @abstractmethod
    def route(
        self, evidence: Sequence[FeatureEvidence], windows: Sequence[Window], embedder: Embedder
    ) -> list[Route]:
        """Route every feature, in the order given.

        Raises:
            ClerpError: What the rule compares with cannot be had, or windows do not suit it.
        """
