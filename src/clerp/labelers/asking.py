"""A question to an answer on record: the ledger first, then whoever holds the lease asks."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from clerp.errors import AnswerError, DeniedError, TransportError
from clerp.ledger import Answer, GroupCommit, Taken, name_owner
from clerp.llm import Completion, LabelAnswer, Prompt, Transport
from clerp.llm.budget import Budget, Reservation, estimate_most
from clerp.llm.formats import FormatLadder
from clerp.llm.pace import Pace
from clerp.llm.prices import Price
from clerp.llm.prompt import AnswerFormat
from clerp.llm.transport import MAX_ANSWER_CHARS, MAX_TOKENS, find_complaint

LEASE_SECONDS = 600.0
"""Twice what a request may take from its turn on; one that waits for its turn renews the lease. A
run that died on this machine is taken over sooner."""
_LONGEST_POLL = 2.0
"""Seconds after which one looks again whether another run has answered."""
SCHEMA_VERSION = "1"
MOST_UNSAID = 16
"""Answers, empty or cut off, with which a model may begin a run."""


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
    lost: list[float | None] = field(default_factory=list[float | None])
    """What was set aside for calls that no answer came of and that may be billed, each in US
    dollars; None where the price is not known."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    owner: str = field(default_factory=name_owner)
    _ladder: FormatLadder = field(default_factory=FormatLadder)
    _n_unsaid: int | None = 0
    """Answers that were empty or cut off; None as soon as one was not."""

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
        self._weigh(judged)
        completion = judged.completion
        answer = Answer(
            key=inquiry.key,
            text=completion.text[:MAX_ANSWER_CHARS],
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
        return await self.ledger.record_answer(answer)

    @asynccontextmanager
    async def _holding(self, key: str) -> AsyncGenerator[None]:
        """End the lease on a key where there will be no answer."""
        try:
            yield
        except BaseException:  # re-raised: a cancellation too must not leave the lease behind
            await asyncio.shield(self.ledger.release(key, self.owner))
            raise

    async def _ask_and_judge(self, inquiry: Inquiry, prompt: Prompt) -> "_Judged":
        completion = await self._complete(inquiry.key, prompt)
        # It was paid for, and would be no better for being asked for again.
        if complaint := find_complaint(completion):
            return _Judged(completion, complaint=complaint)
        try:
            return _Judged(completion, parsed=inquiry.read(completion).model_dump_json())
        except AnswerError as unusable:
            return _Judged(completion, complaint=unusable.what)

    def _weigh(self, judged: "_Judged") -> None:
        """Ask no more of a model that has only ever used its tokens up before it answered."""
        if not judged.is_unsaid:
            self._n_unsaid = None
        elif self._n_unsaid is not None:
            self._n_unsaid += 1
            if self._n_unsaid == MOST_UNSAID:
                self.pace.stop(_give_up(self.transport.model, self.max_tokens))

    async def _complete(self, key: str, prompt: Prompt) -> Completion:
        lease = _Lease(key, self.clock())
        purse = _Purse()

        async def ask_once(form: AnswerFormat) -> Completion:
            await self._hold(lease)
            return await self._spend(purse.reservation, prompt, form)

        # A wait for money comes before the turn, in which nothing is waited for any more: the
        # lease is looked at last, and the provider may by then have asked to be left alone. The
        # calls that hold a turn have their money, so that each ends and gives back both.
        return await self._ladder.ask(
            lambda form: self.pace.call(
                lambda: ask_once(form), prepared=lambda: self._reserving(purse, prompt)
            )
        )

    async def _hold(self, lease: "_Lease") -> None:
        now = self.clock()
        if now - lease.renewed_at < LEASE_SECONDS / 2:
            return
        if not await self.ledger.renew(lease.key, self.owner, LEASE_SECONDS):
            raise _LeaseLostError
        lease.renewed_at = now

    @asynccontextmanager
    async def _reserving(self, purse: "_Purse", prompt: Prompt) -> AsyncGenerator[None]:
        """Set money aside for a request; it comes back if the turn does not."""
        reservation = purse.reservation = await self._reserve(prompt)
        try:
            yield
        finally:
            reservation.release()

    async def _spend(
        self, reservation: Reservation, prompt: Prompt, form: AnswerFormat
    ) -> Completion:
        try:
            completion = await self.transport.complete(prompt, form)
        except TransportError as fault:
            if not fault.may_be_billed:
                reservation.release()
            raise
        else:
            reservation.settle(self._price(completion))
            return completion
        finally:
            # Who is interrupted does not know whether the provider answers.
            if reservation.is_open:
                self.lost.append(None if self.price is None else reservation.most_usd)
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


@dataclass(slots=True)
class _Purse:
    reservation: Reservation = field(default_factory=lambda: Reservation(lambda _: None))


@dataclass(frozen=True, slots=True)
class _Judged:
    completion: Completion
    parsed: str = ""
    complaint: str = ""

    @property
    def is_unsaid(self) -> bool:
        """Whether it ended before it came to an answer."""
        return not self.parsed and (
            self.completion.finish_reason == "length" or not self.completion.text
        )


def _choose_poll(taken: Taken) -> float:
    return max(0.05, min(_LONGEST_POLL, taken.until - time.time()))


def _give_up(model: str, max_tokens: int) -> DeniedError:
    return DeniedError(
        f"{MOST_UNSAID} answers in a row were empty or cut off at {max_tokens} tokens, and none "
        "was whole",
        where=model,
        remedy="Take a model that does not think first, or turn its thinking off",
    )
