"""A labeler that does what a test tells it to."""

from collections.abc import Collection
from dataclasses import dataclass, field

from clerp.errors import LabelerError
from clerp.feature import FeatureId
from clerp.labelers import LabelRequest
from clerp.labels import Abstention, Label


@dataclass
class FakeLabeler:
    """Labels 14_2268 as `feature 14_2268`, on the evidence of all its top examples."""

    name: str = "fake"
    abstains: Collection[FeatureId] = ()
    """Features that it declines to label."""
    breaks: Collection[FeatureId] = ()
    """Features on which it raises."""
    asked: list[LabelRequest] = field(default_factory=list[LabelRequest])
    """What it was asked, in order."""

    async def label(self, request: LabelRequest) -> Label | Abstention:
        """Label, abstain or break, as told.

        Raises:
            LabelerError: The feature is one of `breaks`.
        """
        self.asked.append(request)
        feature = request.evidence.feature
        if feature in self.breaks:
            raise LabelerError("told to break", where=str(feature))
        if feature in self.abstains:
            return Abstention(self.name, "told to abstain")
        return Label(
            text=f"feature {feature}",
            method=self.name,
            confidence="high",
            explanation=f"the feature is {feature}",
            evidence=tuple(example.id for example in request.evidence.top),
        )
