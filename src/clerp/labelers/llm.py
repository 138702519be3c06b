"""Tier 2: a language model names the feature, and what it answered is kept."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from pydantic import Field

from clerp.errors import AnswerError, LabelerError
from clerp.labelers.asking import Asked, Asker, Inquiry, make_key
from clerp.labelers.methods import Method, Question, find_method, frame_question, list_held_out
from clerp.labelers.request import LabelRequest
from clerp.labels import Abstention, Label
from clerp.ledger import Answer, GroupCommit, Ledger, end_owner
from clerp.llm import Completion, LabelAnswer, Prompt, Transport, parse_answer
from clerp.llm.answer import unknown_ids
from clerp.llm.budget import Budget
from clerp.llm.costs import CostKey, add_known
from clerp.llm.opening import open_transport
from clerp.llm.pace import Pace
from clerp.llm.prices import Price, find_price, require_price
from clerp.llm.redaction import write_line
from clerp.llm.transport import LimitChecking

Details = Mapping[str, str | float | int | None]

_MAX_IDS = 200
"""Characters on record of ids that no example has."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What asking may cost, and how fast it may go; shared by all labelers of a run."""

    budget: Budget = field(default_factory=lambda: Budget(None))
    prices: Mapping[str, Price] = field(default_factory=dict[str, Price])
    concurrency: int = 64
    timeout: float = 60.0
    """Seconds that one call may take."""
    cached: Counter[CostKey] = field(default_factory=Counter[CostKey])
    """How many answers the ledger had."""
    lost: list[float | None] = field(default_factory=list[float | None])
    """As `Asker.lost`, of all models."""

    def find_price(self, model: str) -> Price | None:
        """Look up what a model costs.

        Raises:
            UsageError: There is a budget, and nobody knows.
        """
        look_up = require_price if self.budget.is_limited else find_price
        return look_up(model, self.prices)


@dataclass(frozen=True, slots=True)
class Preview:
    """A call that was not made."""

    prompt: Prompt
    price: Price | None
    """Of the model; None where it is not known."""


@dataclass(frozen=True, slots=True)
class LlmLabeler:
    """Labels by one of `METHODS`. Every answer is in the ledger before it is used."""

    transport: Transport
    method: Method = field(default_factory=lambda: find_method("max-act-logits"))
    terms: Terms = field(default_factory=Terms)
    ledger: Ledger | None = None
    asker: Asker | None = None
    """None where only the ledger may answer."""
    instead_of: str = ""
    """The model that this one stands in for. What it answers then is kept apart from what it is
    asked for its own sake, so that a second run knows whose place it took."""

    @property
    def name(self) -> str:
        """The method's, under which its labels are known."""
        return self.method.name

    def with_ledger(self, ledger: Ledger, *, ask: bool = True) -> "LlmLabeler":
        """Return the same labeler, which looks into this ledger first and records there.

        Without `ask` it never goes further than the ledger.

        Raises:
            UsageError: There is a budget, and the price of the model is not known, or the provider
                is not told how long an answer may be.
        """
        if not ask:
            return replace(self, ledger=ledger, asker=None)
        price = self.terms.find_price(self.transport.model)
        if self.terms.budget.is_limited and isinstance(self.transport, LimitChecking):
            self.transport.check_limit()
        asker = Asker(
            transport=self.transport,
            ledger=GroupCommit(ledger),
            pace=Pace(most=self.terms.concurrency),
            budget=self.terms.budget,
            price=price,
            lost=self.terms.lost,
        )
        return replace(self, ledger=ledger, asker=asker)

    def show_prompt(self, request: LabelRequest) -> str:
        """Return what the model is asked of a feature."""
        prompt = self.method.build(request).prompt
        return f"{prompt.system}\n\n{prompt.user}"

    def was_asked_otherwise(self, request: LabelRequest) -> bool:
        """Say whether the answer on record is to another prompt than `show_prompt` shows.

        A question is put with other examples where the feature fires otherwise.

        Raises:
            LedgerError: The ledger could not be read.
        """
        known = self._find(self._make_key(request))
        if known is None or not known.prompt_hash:
            return False
        return known.prompt_hash != self.method.build(request).prompt.hash

    async def preview(self, request: LabelRequest) -> Preview | None:
        """Return what would be asked of the model now; None if the ledger has the answer.

        Raises:
            LedgerError: The ledger could not be read.
        """
        if self._is_answered(request):
            return None
        price = find_price(self.transport.model, self.terms.prices)
        return Preview(self.method.build(request).prompt, price)

    def knows(self, request: LabelRequest) -> bool:
        """Say whether the ledger has an answer.

        Raises:
            LedgerError: The ledger could not be read.
        """
        return self._find(self._make_key(request)) is not None

    def _is_answered(self, request: LabelRequest) -> bool:
        first = self._find(self._make_key(request))
        if first is None or not first.complaint:
            return first is not None
        return self._find(self._make_key(request, first.complaint)) is not None

    def find_paid(self, request: LabelRequest) -> Details | None:
        """Return what answers in the ledger about a feature cost, with the keys of `Label.details`.

        Raises:
            LedgerError: The ledger could not be read.
        """
        first = self._find(self._make_key(request))
        if first is None:
            return None
        second = self._find(self._make_key(request, first.complaint)) if first.complaint else None
        return self._make_details([first, second] if second else [first], request)

    async def label(self, request: LabelRequest) -> Label | Abstention:
        """Name a feature, asking the model only for what the ledger does not know.

        An answer that cannot be used is asked for once more.

        Raises:
            TransportError: The provider did not answer, or refused.
            BudgetError: The answer could cost more than what is left.
            AnswerError: Neither answer can be used.
            LedgerError: The ledger failed.
            LabelerError: There is no ledger, or the answer is not in it and may not be asked for.
                Its details, and those of the three before, name what was paid before it broke.
        """
        first = await self._ask(request)
        try:
            return self._name([first], request)
        except AnswerError as unusable:
            complaint = unusable.what
        try:
            second = await self._ask(request, complaint)
        except LabelerError as fault:
            fault.details = self._make_details([first], request)
            raise
        try:
            return self._name([first, second], request)
        except AnswerError as unusable:
            unusable.details = self._make_details([first, second], request)
            raise

    async def aclose(self) -> None:
        """Close the transport's connections, in the event loop that opened them."""
        if self.asker is not None:
            await self.asker.ledger.aclose()
            end_owner(self.asker.owner)
        await self.transport.aclose()

    async def _ask(self, request: LabelRequest, complaint: str = "") -> Answer:
        asked = await self._ask_or_find(request, complaint)
        if not asked.is_new:
            self.terms.cached[CostKey(request.route.tier, asked.answer.model, self.name)] += 1
        return asked.answer

    async def _ask_or_find(self, request: LabelRequest, complaint: str) -> Asked:
        key = self._make_key(request, complaint)
        if self.asker is not None:
            return await self.asker.ask(self._inquire(key, request, complaint))
        known = self._find(key)
        if known is None:
            raise LabelerError(
                f"{self.transport.model} was not asked about this yet: clerp label asks, unless "
                "--offline forbids it"
            )
        return Asked(known, is_new=False)

    def _find(self, key: str) -> Answer | None:
        if self.ledger is None:
            raise LabelerError(
                "an LLM's answers are recorded in a ledger, and there is none",
                remedy="Attach one: labeler.with_ledger(open_ledger('clerp.db'))",
            )
        return self.ledger.find_answer(key)

    def _inquire(self, key: str, request: LabelRequest, complaint: str) -> Inquiry:
        # Nothing is written of what the ledger has.
        question = cache(lambda: self.method.build(request))
        return Inquiry(
            key,
            self.name,
            write=lambda: _complain(question().prompt, complaint),
            read=lambda completion: _read(completion, question()),
        )

    def _make_key(self, request: LabelRequest, complaint: str = "") -> str:
        # Without the examples that are shown: which are nearest to a node is another matter in
        # every graph, and a feature is not to be paid for in each.
        return make_key(
            f"{request.evidence.feature} {request.evidence.digest}",
            f"{self.name} {self.method.revision}",
            _complain(frame_question(self.method, request), complaint),
            self.transport,
            instead_of=self.instead_of,
        )

    def _name(self, answers: Sequence[Answer], request: LabelRequest) -> Label | Abstention:
        answer = answers[-1]
        if answer.complaint:
            raise AnswerError(answer.complaint, where=answer.model)
        said = _ReadAnswer.model_validate_json(answer.parsed)
        details = self._make_details(answers, request)
        unknown = write_line(", ".join(said.unknown), _MAX_IDS)
        if said.abstain:
            reason = said.abstain_reason or "the model gave no reason"
            return Abstention(self.name, reason, details)
        return Label(
            text=said.label,
            method=self.name,
            # What a model says of its own confidence is not evidence.
            confidence="medium",
            explanation=said.explanation,
            evidence=tuple(said.evidence),
            details=details | ({"unknown_ids": unknown} if said.unknown else {}),
        )

    def _make_details(
        self, answers: Sequence[Answer], request: LabelRequest
    ) -> dict[str, str | float | int | None]:
        """Say who answered the last time, and what all answers cost together."""
        details: dict[str, str | float | int | None] = {
            "method": self.name,
            "model": answers[-1].model,
            "prompt_hash": answers[-1].prompt_hash,
            "calls": len(answers),
            "cost_usd": add_known([answer.cost_usd for answer in answers]),
            "prompt_tokens": add_known([answer.prompt_tokens for answer in answers]),
            "completion_tokens": add_known([answer.completion_tokens for answer in answers]),
            "held_out": ", ".join(list_held_out(request.evidence)),
        }
        return {**details, "instead_of": self.instead_of} if self.instead_of else details


def open_llm(
    name: str,
    *,
    method: str = "max-act-logits",
    terms: Terms | None = None,
    ask: bool = True,
) -> LlmLabeler:
    """Make the labeler of a model; it still needs a ledger (`with_ledger`).

    Args:
        name: `http:MODEL@URL` for an OpenAI-compatible server, else litellm's name of a model, for
            example `anthropic/claude-sonnet-4-5`.
        method: One of `METHODS`.
        terms: What asking may cost, and how fast it may go.
        ask: False where it will only be looked up what was answered; then `http:MODEL` will do.

    Raises:
        PluginError: litellm is not installed.
        UsageError: No model is named, or there is no such method.
    """
    given = terms or Terms()
    transport = open_transport(name, ask=ask, timeout=given.timeout)
    return LlmLabeler(transport, find_method(method), given)


def open_litellm(argument: str) -> LlmLabeler:
    """Make the labeler `litellm:MODEL`, as `open_llm`."""
    return open_llm(argument)


def _complain(prompt: Prompt, complaint: str) -> Prompt:
    return prompt.with_complaint(complaint) if complaint else prompt


class _ReadAnswer(LabelAnswer):
    """An answer with the ids that it rests on parted by whether the model was shown them."""

    unknown: list[str] = Field(default_factory=list[str])


def _read(completion: Completion, question: Question) -> LabelAnswer:
    if completion.finish_reason == "length":
        raise AnswerError("the answer is cut off at its greatest length")
    asked = f"{question.prompt.system}\n{question.prompt.user}"
    said = parse_answer(completion.text, asked=asked, shown=question.shown)
    unknown = unknown_ids(said, question.shown)
    known = dict.fromkeys(named for named in said.evidence if named not in unknown)
    parted = {"evidence": list(known), "unknown": list(unknown)}
    return _ReadAnswer.model_validate(said.model_dump() | parted)
