"""Tier 2: a language model names the feature, and what it answered is kept."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from clerp.errors import AnswerError, LabelerError, UsageError
from clerp.labelers.max_act_logits import METHOD, build_prompt, shown_examples
from clerp.labelers.request import LabelRequest
from clerp.labels import Abstention, Label
from clerp.ledger import Answer, Ledger
from clerp.llm import LabelAnswer, LitellmTransport, Prompt, Transport, parse_answer
from clerp.llm.transport import require_litellm


@dataclass(frozen=True, slots=True)
class LlmLabeler:
    """Labels by max-act-logits. Every answer is in the ledger before it is used."""

    transport: Transport
    ledger: Ledger | None = None
    name: str = METHOD
    ask: bool = True

    def with_ledger(self, ledger: Ledger, *, ask: bool = True) -> "LlmLabeler":
        """Return the same labeler, which looks into this ledger first and records there.

        Without `ask` it never goes further than the ledger.
        """
        return replace(self, ledger=ledger, ask=ask)

    def show_prompt(self, request: LabelRequest) -> str:
        """Return what the model is asked of a feature."""
        prompt = build_prompt(request)
        return f"{prompt.system}\n\n{prompt.user}"

    async def label(self, request: LabelRequest) -> Label | Abstention:
        """Name a feature, asking the model only for what the ledger does not know.

        An answer that cannot be used is asked for once more.

        Raises:
            TransportError: The provider did not answer, or refused.
            AnswerError: Neither answer can be used.
            LedgerError: The ledger failed.
            LabelerError: There is no ledger, or the answer is not in it and may not be asked for.
                Its details, and those of the first two, name what was paid before it broke.
        """
        prompt = build_prompt(request)
        first = await self._ask(request, prompt)
        try:
            return self._read([first], request, prompt)
        except AnswerError as unusable:
            again = prompt.with_complaint(unusable.what)
        try:
            second = await self._ask(request, again)
        except LabelerError as fault:
            fault.details = _make_details([first], prompt)
            raise
        try:
            return self._read([first, second], request, again)
        except AnswerError as unusable:
            unusable.details = _make_details([first, second], again)
            raise

    async def aclose(self) -> None:
        """Close the transport's connections, in the event loop that opened them."""
        await self.transport.aclose()

    async def _ask(self, request: LabelRequest, prompt: Prompt) -> Answer:
        if self.ledger is None:
            raise LabelerError(
                "an LLM's answers are recorded in a ledger, and there is none",
                remedy="Attach one: labeler.with_ledger(open_ledger('clerp.db'))",
            )
        key = self._make_key(request, prompt)
        known = self.ledger.find_answer(key)
        if known is not None:
            return known
        if not self.ask:
            raise LabelerError(
                f"{self.transport.model} was not asked about this yet: clerp label asks, unless "
                "--offline forbids it"
            )
        completion = await self.transport.complete(prompt)
        answer = Answer(
            key=key,
            text=completion.text,
            model=completion.model,
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            cost_usd=completion.cost_usd,
            finish_reason=completion.finish_reason,
            parameters=self.transport.parameters,
        )
        self.ledger.record_answer(answer)
        return answer

    def _make_key(self, request: LabelRequest, prompt: Prompt) -> str:
        parts = {
            "evidence": request.evidence.digest,
            "method": self.name,
            "prompt": prompt.hash,
            "model": self.transport.model,
            "parameters": self.transport.parameters,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _read(
        self, answers: Sequence[Answer], request: LabelRequest, prompt: Prompt
    ) -> Label | Abstention:
        answer = answers[-1]
        if answer.finish_reason == "length":
            raise AnswerError("the answer is cut off at its greatest length", where=answer.model)
        said = parse_answer(answer.text, asked=f"{prompt.system}\n{prompt.user}")
        details = _make_details(answers, prompt)
        if said.abstain:
            reason = said.abstain_reason or "the model gave no reason"
            return Abstention(self.name, reason, details)
        return Label(
            text=said.label,
            method=self.name,
            # What a model says of its own confidence is not evidence.
            confidence="medium",
            explanation=said.explanation,
            evidence=_check_evidence(said, request),
            details=details,
        )


def open_litellm(argument: str) -> LlmLabeler:
    """Make the labeler `litellm:MODEL`; it still needs a ledger (`with_ledger`).

    Args:
        argument: litellm's name of a model, for example `anthropic/claude-sonnet-4-5`.

    Raises:
        PluginError: litellm is not installed.
        UsageError: No model is named.
    """
    if not argument:
        raise UsageError(
            "no model is named", remedy="Write for example --llm anthropic/claude-sonnet-4-5"
        )
    require_litellm()
    return LlmLabeler(LitellmTransport(argument))


def _check_evidence(said: LabelAnswer, request: LabelRequest) -> tuple[str, ...]:
    shown = {example.id for example in shown_examples(request)}
    named = tuple(dict.fromkeys(said.evidence))
    if not named or not shown.issuperset(named):
        raise AnswerError("evidence must list ids of the texts shown, such as 0.0")
    return named


def _make_details(answers: Sequence[Answer], prompt: Prompt) -> dict[str, str | float | int | None]:
    """Say who answered the last time, and what all answers cost together."""
    return {
        "model": answers[-1].model,
        "prompt_hash": prompt.hash,
        "cost_usd": _total([answer.cost_usd for answer in answers]),
        "prompt_tokens": _total([answer.prompt_tokens for answer in answers]),
        "completion_tokens": _total([answer.completion_tokens for answer in answers]),
    }


def _total(amounts: Sequence[float | int | None]) -> float | int | None:
    """Add up; a sum with an unknown part is unknown."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None
