"""Labelers made of two: one that refines another's labels, and one that stands in for another."""

import asyncio
from dataclasses import dataclass, replace

from clerp.errors import AnswerError, LabelerError, TransportError
from clerp.labelers.llm import Details, LlmLabeler, Preview
from clerp.labelers.request import LabelRequest
from clerp.labels import Abstention, Label
from clerp.ledger import Ledger
from clerp.llm.costs import add_known
from clerp.plugins import Labeler


@dataclass(frozen=True, slots=True)
class RefiningLabeler:
    """A labeler whose labels a model words better.

    A label that the model abstains from, of which it says nothing usable, or about which it could
    not be asked, stays as it was, and says so.
    """

    inner: Labeler
    refiner: LlmLabeler

    @property
    def name(self) -> str:
        """The inner one's."""
        return self.inner.name

    def with_ledger(self, ledger: Ledger, *, ask: bool = True) -> "RefiningLabeler":
        """Return the same labeler, whose model looks into this ledger first and records there."""
        return replace(self, refiner=self.refiner.with_ledger(ledger, ask=ask))

    def show_prompt(self, request: LabelRequest) -> str:
        """Return what the model is asked about a request that has a proposal."""
        return self.refiner.show_prompt(request) if request.proposal else ""

    def was_asked_otherwise(self, request: LabelRequest) -> bool:
        """Say of a request that has a proposal what `LlmLabeler.was_asked_otherwise` says."""
        return request.proposal is not None and self.refiner.was_asked_otherwise(request)

    async def label(self, request: LabelRequest) -> Label | Abstention:
        """Name a feature, then ask the model for a better wording.

        Raises:
            LabelerError: As the inner labeler.
            ClerpError: What concerns every feature.
        """
        proposal = await self.inner.label(request)
        if isinstance(proposal, Abstention):
            return proposal
        try:
            refined = await self.refiner.label(replace(request, proposal=proposal))
        except AnswerError as useless:
            return _keep(proposal, useless.what, useless.details)
        except LabelerError as unasked:
            return _keep(proposal, str(unasked), {**unasked.details, "unfinished": str(unasked)})
        if isinstance(refined, Abstention):
            return _keep(proposal, refined.reason, refined.details)
        details = {**proposal.details, **refined.details, "proposal": proposal.text}
        return replace(refined, details=details, confidence=proposal.confidence)

    async def preview(self, request: LabelRequest) -> Preview | None:
        """Return what the model would be asked now, as `LlmLabeler.preview`.

        Raises:
            LabelerError: As the inner labeler.
        """
        proposal = await self.inner.label(request)
        if isinstance(proposal, Abstention):
            return None
        return await self.refiner.preview(replace(request, proposal=proposal))

    async def aclose(self) -> None:
        """Close the model's connections."""
        await self.refiner.aclose()


@dataclass(frozen=True, slots=True)
class FallbackLabeler:
    """A model, and another one for what the first cannot be asked; the label says which it was."""

    first: LlmLabeler
    second: LlmLabeler
    """Its `instead_of` names the first one's model."""

    @property
    def name(self) -> str:
        """The method's, which both share."""
        return self.first.name

    def with_ledger(self, ledger: Ledger, *, ask: bool = True) -> "FallbackLabeler":
        """Return the same labeler, whose models look into this ledger first and record there."""
        return FallbackLabeler(
            self.first.with_ledger(ledger, ask=ask), self.second.with_ledger(ledger, ask=ask)
        )

    def show_prompt(self, request: LabelRequest) -> str:
        """Return what the models are asked of a feature."""
        return self.first.show_prompt(request)

    def was_asked_otherwise(self, request: LabelRequest) -> bool:
        """Say of the model that answered what `LlmLabeler.was_asked_otherwise` says."""
        answered = self.second if self.second.knows(request) else self.first
        return answered.was_asked_otherwise(request)

    async def label(self, request: LabelRequest) -> Label | Abstention:
        """Ask the first model, and the second where the first does not answer, or refuses.

        Where the second one answered in an earlier run, that stays so.

        Raises:
            LabelerError: As the second one.
        """
        if not await self._has_second_answered(request):
            try:
                return await self.first.label(request)
            except TransportError:
                pass
        answer = await self.second.label(request)
        # Of the ledger and not of the exception: the next run does not ask the first one again.
        paid = await asyncio.to_thread(self.first.find_paid, request)
        return replace(answer, details=_add_paid(answer.details, paid)) if paid else answer

    async def _has_second_answered(self, request: LabelRequest) -> bool:
        # Reading the ledger may wait for others, who wait for this thread.
        return await asyncio.to_thread(self.second.knows, request)

    async def preview(self, request: LabelRequest) -> Preview | None:
        """Return what the first model would be asked now, as `LlmLabeler.preview`."""
        known = await self._has_second_answered(request)
        return None if known else await self.first.preview(request)

    async def aclose(self) -> None:
        """Close the connections of both."""
        await self.first.aclose()
        await self.second.aclose()


def _add_paid(details: Details, paid: Details) -> dict[str, str | float | int | None]:
    """Add what another model was paid; a sum with an unknown part is unknown."""
    names = ("calls", "cost_usd", "prompt_tokens", "completion_tokens")
    return {**details, **{name: add_known([details.get(name), paid.get(name)]) for name in names}}


def _keep(proposal: Label, why: str, details: dict[str, str | float | int | None]) -> Label:
    return replace(proposal, details={**proposal.details, **details, "not_refined": why})
