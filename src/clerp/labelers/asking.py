"""A question to an answer on record: the ledger first, then whoever holds the lease asks."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from clerp.errors import AnswerError, BusyError, TransportError
from clerp.ledger import Answer, GroupCommit, Taken, name_owner
from clerp.llm import Completion, LabelAnswer, Prompt, Transport
from clerp.llm.budget import Budget, Reservation, estimate_most
from clerp.llm.formats import FormatLadder
from clerp.llm.pace import Pace
from clerp.llm.prices import Price
from clerp.llm.prompt import AnswerFormat
from clerp.llm.transport import MAX_TOKENS

LEASE_SECONDS = 600.0
"""Twice what a request may take from its turn on; one that waits for its turn renews the lease. A
run that died on this machine is taken over sooner."""
_LONGEST_POLL = 2.0
"""Seconds after which one looks again whether another run has answered."""
SCHEMA_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One question, and under which key its answer is kept."""

    key: str
    method: str
    write: Callable[[], Prompt]
    """Writes what is asked, once it is known that it has to be."""
    read: Callable[[Completion], LabelAnswer]
    """Understands an answer, or raises AnswerError."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer on record."""

    answer: Answer
    is_new: bool
    """Whether it was asked for now."""


def make_key(
    evidence: str, method: str, prompt: Prompt, transport: Transport, *, instead_of: str = ""
) -> str:
    """Hash all that decides an answer.

    Args:
        evidence: Digest of the feature's evidence, which covers the feature.
        method: Name and revision of the one that asks.
        prompt: All that is asked beside the evidence, schema included.
        transport: Names the model and its parameters.
        instead_of: The model that should have answered, if that is another one.
    """
    parts = {
        "evidence": evidence,
        "method": method,
        "prompt": prompt.hash,
        "model": transport.model,
        "parameters": transport.parameters,
        "instead_of": instead_of,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(slots=True)
class Asker:
    """Asks one model, never twice for the same answer, at its pace and within the budget."""

    transport: Transport
    ledger: GroupCommit
    pace: Pace
    budget: Budget
    price: Price | None = None
    """None where it is not known; then nothing is reserved."""
    max_tokens: int = MAX_TOKENS
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    owner: str = field(default_factory=name_owner)
    _ladder: FormatLadder = field(default_factory=FormatLadder)

    async def ask(self, inquiry: Inquiry) -> Asked:
        """Return the answer on record, or ask and record it.

        Where another run asks already, its answer is waited for.

        Raises:
            TransportError: The provider did not answer, or refused.
            BudgetError: The call could pass the budget.
            LedgerError: The ledger failed.
        """
        while True:
            found = await self.ledger.claim(inquiry.key, self.owner, LEASE_SECONDS)
            if isinstance(found, Answer):
                return Asked(found, is_new=False)
            if isinstance(found, Taken):
                await self.sleep(_choose_poll(found))
                continue
            with suppress(_LeaseLostError):
                return Asked(await self._ask_and_record(inquiry), is_new=True)

    async def _ask_and_record(self, inquiry: Inquiry) -> Answer:
        started = self.clock()
        async with self._holding(inquiry.key):
            prompt = inquiry.write()
            judged = await self._ask_and_judge(inquiry, prompt)
        completion = judged.completion
        answer = Answer(
            key=inquiry.key,
            text=completion.text,
            model=completion.model,
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            cost_usd=self._price(completion),
            finish_reason=completion.finish_reason,
            parameters=dict(completion.parameters or self.transport.parameters),
            format=completion.answer_format,
            request_id=completion.request_id,
            seconds=round(self.clock() - started, 3),
            method=inquiry.method,
            prompt_hash=prompt.hash,
            schema_version=SCHEMA_VERSION,
            parsed=judged.parsed,
            complaint=judged.complaint,
        )
        await self.ledger.record_answer(answer)
        return answer

    @asynccontextmanager
    async def _holding(self, key: str) -> AsyncGenerator[None]:
        """End the lease on a key where there will be no answer."""
        try:
            yield
        except BaseException:
            # Whatever ends it, a cancellation too: nobody could ask until the lease has run out.
            await asyncio.shield(self.ledger.release(key, self.owner))
            raise

    async def _ask_and_judge(self, inquiry: Inquiry, prompt: Prompt) -> "_Judged":
        try:
            completion = await self._complete(inquiry.key, prompt)
        except AnswerError as useless:
            # It was paid for, and would be no better for being asked for again.
            return _Judged(self._describe_useless(useless), complaint=useless.what)
        try:
            return _Judged(completion, parsed=inquiry.read(completion).model_dump_json())
        except AnswerError as unusable:
            return _Judged(completion, complaint=unusable.what)

    def _describe_useless(self, useless: AnswerError) -> Completion:
        details = useless.details
        return Completion(
            text="",
            model=str(details.get("model") or self.transport.model),
            finish_reason="useless",
            prompt_tokens=_read_count(details.get("prompt_tokens")),
            completion_tokens=_read_count(details.get("completion_tokens")),
            cost_usd=_read_cost(details.get("cost_usd")),
        )

    async def _complete(self, key: str, prompt: Prompt) -> Completion:
        lease = _Lease(key, self.clock())

        async def ask_once(form: AnswerFormat) -> Completion:
            await self._hold(lease)
            return await self._spend(prompt, form)

        return await self._ladder.ask(lambda form: self.pace.call(lambda: ask_once(form)))

    async def _hold(self, lease: "_Lease") -> None:
        now = self.clock()
        if now - lease.renewed_at < LEASE_SECONDS / 2:
            return
        if not await self.ledger.renew(lease.key, self.owner, LEASE_SECONDS):
            raise _LeaseLostError
        lease.renewed_at = now

    async def _spend(self, prompt: Prompt, form: AnswerFormat) -> Completion:
        reservation = await self._reserve(prompt)
        try:
            completion = await self.transport.complete(prompt, form)
        except AnswerError as useless:
            reservation.settle(self._price(self._describe_useless(useless)))
            raise
        except TransportError as fault:
            if isinstance(fault, BusyError) and fault.may_be_billed:
                reservation.settle(None)
            reservation.release()
            raise
        else:
            reservation.settle(self._price(completion))
            return completion
        finally:
            # Only the first counts. Who is interrupted does not know whether the provider answers.
            reservation.settle(None)

    async def _reserve(self, prompt: Prompt) -> Reservation:
        most = 0.0 if self.price is None else estimate_most(prompt, self.price, self.max_tokens)
        return await self.budget.reserve_when_free(most)

    def _price(self, completion: Completion) -> float | None:
        tokens = completion.prompt_tokens, completion.completion_tokens
        if self.price is not None and tokens[0] is not None and tokens[1] is not None:
            return self.price.bill(tokens[0], tokens[1])
        return completion.cost_usd


@dataclass(slots=True)
class _Lease:
    key: str
    renewed_at: float


class _LeaseLostError(Exception):
    """Waiting took so long that another run asks now."""


@dataclass(frozen=True, slots=True)
class _Judged:
    completion: Completion
    parsed: str = ""
    complaint: str = ""


def _choose_poll(taken: Taken) -> float:
    return max(0.05, min(_LONGEST_POLL, taken.until - time.time()))


def _read_count(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _read_cost(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
