"""A verbalizer whose every answer is in the ledger before it is used.

A second run asks nothing, and a run that was killed goes on where it stopped.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Protocol, cast, runtime_checkable

import numpy as np
from jaxtyping import Float32

from clerp.errors import NotAvailableError, VerbalizerError
from clerp.feature import FeatureId
from clerp.ledger import Answer, Ledger
from clerp.plugins import PassageVerbalizer, VectorVerbalizer, Verbalizer
from clerp.verbalizers import stored
from clerp.verbalizers.answers import (
    CHUNK,
    Answers,
    Ask,
    Found,
    blame,
    check_count,
    list_numbered,
    read_found,
)
from clerp.verbalizers.features import RecordedFeatures, Rerunning, open_features
from clerp.verbalizers.reference import measure_reference
from clerp.verbalizers.stored import Ordinary, Storage
from clerp.verbalizers.text_groups import group_passages
from clerp.verbalizers.verbalization import (
    Explained,
    Extraction,
    Missed,
    ModelClaim,
    PairIdentity,
    Passage,
    Sampling,
    Verbalization,
)
from clerp.verbalizers.work import Work

PASSAGES = 16
"""Of one text, that a server is asked about at once: each may take its minute."""
_ROUNDING = 1e-2


@runtime_checkable
class Referenced(Protocol):
    """A verbalizer that has residuals of ordinary text."""

    def reference_vectors(self) -> Float32[np.ndarray, "vector d_model"]:
        """Return them, not normed; it may take as long as it takes to run the model."""
        ...


@runtime_checkable
class Replaying(Protocol):
    """A verbalizer that remembers what they are like and has them no more."""

    def recall_ordinary(self) -> Ordinary:
        """Return what was measured.

        Raises:
            VerbalizerError: Nothing was.
        """
        ...


@runtime_checkable
class OneByOne(Protocol):
    """A verbalizer that reads one passage and compares one text after the other all the same.

    Nothing is won by more questions at once, and with one nothing is lost where it stops.
    """

    asks_one_by_one: bool


@runtime_checkable
class Placed(Protocol):
    """A verbalizer whose name does not say which one of several it is."""

    @property
    def setting(self) -> str:
        """What tells it from others: an address. It is hashed, and no output shows it."""
        ...


@dataclass(frozen=True, slots=True)
class RecordedCalls:
    """The calls of one verbalizer, in order and one result for each thing given.

    A result is a `VerbalizerError` where the verbalizer broke on that thing, or where it is not on
    record and may not be asked for.
    """

    verbalizer: Verbalizer
    pair: PairIdentity
    claim: ModelClaim
    """What the graph says of its model and features."""
    answers: Answers
    work: Work = field(default_factory=Work)
    """Is told of texts that are written."""

    @property
    def takes_vectors(self) -> bool:
        """Whether it is a `VectorVerbalizer`."""
        return isinstance(self.verbalizer, VectorVerbalizer)

    async def extract(
        self, passages: Sequence[Passage]
    ) -> list[Extraction | Missed | VerbalizerError]:
        """Return the residual at the end of each passage.

        Raises:
            LedgerError: The ledger failed.
        """
        storage = Storage(self.pair)
        keys = [storage.make_extract_key(passage) for passage in passages]

        async def ask(numbers: Sequence[int]) -> list[Answer]:
            asked = [passages[number] for number in numbers]
            found = await self._vectors.extract(asked)
            check_count(found, asked)
            for one in found:
                if isinstance(one, Extraction):
                    self._check_vector(one.vector)
            return [
                storage.keep_residual(keys[number], one)
                for number, one in zip(numbers, found, strict=True)
            ]

        found = await self.answers.find(keys, ask, chunk=self._n_at_once)
        return [
            read_found(one, lambda answer, passage=passage: stored.read_residual(answer, passage))
            for one, passage in zip(found, passages, strict=True)
        ]

    async def describe(
        self, vectors: Float32[np.ndarray, "vector d_model"], sampling: Sampling
    ) -> list[Verbalization | VerbalizerError]:
        """Return what the actor says of each vector.

        Raises:
            LedgerError: The ledger failed.
        """
        given = asdict(sampling)
        storage = Storage(self.pair)
        keys = [storage.make_describe_key(vector, sampling) for vector in vectors]

        async def ask(numbers: Sequence[int]) -> list[Answer]:
            said = await self._vectors.describe(vectors[list(numbers)], sampling)
            check_count(said, numbers)
            return [
                storage.keep_verbalization(keys[number], one, given)
                for number, one in zip(numbers, said, strict=True)
            ]

        found = await self.answers.find(keys, ask, advance=self.work.advance)
        return [read_found(one, stored.read_verbalization) for one in found]

    async def describe_nothing(self, sampling: Sampling) -> Verbalization | VerbalizerError:
        """Return what the actor says where no vector is put in.

        Raises:
            LedgerError: The ledger failed.
        """
        given = asdict(sampling)
        storage = Storage(self.pair)
        key = storage.make_nothing_key(sampling)

        async def ask(_: Sequence[int]) -> list[Answer]:
            said = await self._vectors.describe_nothing(sampling)
            return [storage.keep_verbalization(key, said, given)]

        [found] = await self.answers.find([key], ask)
        return read_found(found, stored.read_verbalization)

    async def compare(
        self, texts: Sequence[str], vectors: Float32[np.ndarray, "vector d_model"]
    ) -> list[Float32[np.ndarray, " vector"] | VerbalizerError]:
        """Return the cosines of the critic's reconstruction of each text with the vectors.

        Raises:
            LedgerError: The ledger failed.
        """
        storage, of = Storage(self.pair), stored.digest(vectors)
        keys = [storage.make_compare_key(text, of) for text in texts]

        async def ask(numbers: Sequence[int]) -> list[Answer]:
            asked = [texts[number] for number in numbers]
            cosines = await self._vectors.compare(asked, vectors)
            _check_cosines(cosines, (len(asked), len(vectors)))
            return [
                storage.keep_cosines(keys[number], row)
                for number, row in zip(numbers, cosines, strict=True)
            ]

        found = await self.answers.find(keys, ask, chunk=self._n_at_once)
        return [
            read_found(one, lambda answer: _of_length(stored.read_cosines(answer), len(vectors)))
            for one in found
        ]

    async def explain(
        self, passages: Sequence[Passage], sampling: Sampling
    ) -> list[Explained | Missed | VerbalizerError]:
        """Return what the actor says of the end of each passage.

        Those of one text are asked about at once, and recorded before the next text.

        Raises:
            LedgerError: The ledger failed.
        """
        given = asdict(sampling)
        storage = Storage(self.pair)
        keys = [storage.make_explain_key(passage, sampling) for passage in passages]

        async def ask(numbers: Sequence[int]) -> list[Answer]:
            asked = [passages[number] for number in numbers]
            said = await cast(PassageVerbalizer, self.verbalizer).explain(asked, sampling)
            check_count(said, asked)
            for one in said:
                if isinstance(one, Explained):
                    _check_figures(one)
            return [
                storage.keep_explanation(keys[number], one, given)
                for number, one in zip(numbers, said, strict=True)
            ]

        found: dict[int, Found] = {}
        self.work.expect(len(passages))
        for start in range(0, len(passages), PASSAGES):
            for group in group_passages(passages[start : start + PASSAGES], PASSAGES):
                numbers = [start + number for number in group]
                answers = await self.answers.find(
                    [keys[number] for number in numbers],
                    _renumber(ask, numbers),
                    advance=self.work.advance,
                )
                found |= dict(zip(numbers, answers, strict=True))
        return [
            read_found(
                found[number],
                lambda answer, passage=passage: stored.read_explanation(answer, passage),
            )
            for number, passage in enumerate(passages)
        ]

    async def measure_ordinary(self) -> Ordinary | VerbalizerError | None:
        """Return what residuals of ordinary text are like; None if the verbalizer has none.

        Raises:
            LedgerError: The ledger failed.
        """
        verbalizer, storage = self.verbalizer, Storage(self.pair)
        key = storage.make_ordinary_key()
        if not isinstance(verbalizer, Referenced | Replaying):
            return None

        async def ask(_: Sequence[int]) -> list[Answer]:
            if isinstance(verbalizer, Replaying):
                ordinary = verbalizer.recall_ordinary()
            else:
                vectors = await asyncio.to_thread(verbalizer.reference_vectors)
                for vector in vectors:
                    self._check_vector(vector)
                ordinary = _sum_up(vectors)
            return [storage.keep_ordinary(key, ordinary)]

        [found] = await self.answers.find([key], ask)
        return read_found(found, lambda answer: stored.read_ordinary(answer, self.pair.d_model))

    @property
    def can_open_features(self) -> bool:
        """Whether it is on this machine, and can run features of transcoders."""
        return isinstance(self.verbalizer, Rerunning)

    def open_features(
        self, transcoders: str, features: Sequence[FeatureId]
    ) -> AbstractAsyncContextManager[RecordedFeatures]:
        """Open features of a transcoder set, or recall them; see `clerp.verbalizers.features`."""
        verbalizer = cast(Rerunning, self.verbalizer)
        return open_features(verbalizer, self.pair, self.claim, self.answers, transcoders, features)

    @property
    def _n_at_once(self) -> int:
        one_by_one = isinstance(self.verbalizer, OneByOne) and self.verbalizer.asks_one_by_one
        return 1 if one_by_one else CHUNK

    @property
    def _vectors(self) -> VectorVerbalizer:
        return cast(VectorVerbalizer, self.verbalizer)

    def _check_vector(self, vector: Float32[np.ndarray, " d_model"]) -> None:
        if vector.shape != (self.pair.d_model,) or not bool(np.isfinite(vector).all()):
            raise VerbalizerError(
                f"a residual that is not {self.pair.d_model} finite numbers",
                where=self.verbalizer.name,
            )
        if not bool(vector.any()):
            raise VerbalizerError("a residual of zeros only", where=self.verbalizer.name)


@asynccontextmanager
async def open_calls(
    verbalizer: Verbalizer, claim: ModelClaim, ledger: Ledger, *, ask: bool = True
) -> AsyncGenerator[RecordedCalls]:
    """Hold a verbalizer against a graph's model, and record what it is asked from then on.

    Args:
        verbalizer: As a plugin makes it.
        claim: What the graph says of its model.
        ledger: An open one.
        ask: False uses only what is on record: the verbalizer is not even checked, and the pair is
            the one that it was found to be last.

    Raises:
        NotAvailableError: The pair does not fit, or none is on record.
        VerbalizerError: The check broke, in whatever way.
        LedgerError: The ledger failed.
    """
    answers = Answers(ledger, may_ask=ask)
    try:
        pair = (
            await _check(verbalizer, claim, ledger) if ask else _recall(verbalizer, claim, ledger)
        )
        yield RecordedCalls(verbalizer, pair, claim, answers)
    finally:
        await answers.aclose()


async def _check(verbalizer: Verbalizer, claim: ModelClaim, ledger: Ledger) -> PairIdentity:
    pair = await blame(asyncio.to_thread(verbalizer.check, claim))
    known = _list_checks(verbalizer, claim, ledger)
    while not known or known[-1] != pair:
        key = _make_check_key(verbalizer, claim, len(known))
        # Another run may have taken the number meanwhile: what it wrote stays there.
        kept = ledger.record_answer(Storage(pair).keep_identity(key))
        known.append(stored.read_identity(kept))
    return pair


def _recall(verbalizer: Verbalizer, claim: ModelClaim, ledger: Ledger) -> PairIdentity:
    known = _list_checks(verbalizer, claim, ledger)
    if not known:
        raise NotAvailableError(
            f"nobody has checked whether {verbalizer.name} fits {claim.model or 'the model'}",
            remedy="Run once without --offline",
        )
    return known[-1]


def _list_checks(verbalizer: Verbalizer, claim: ModelClaim, ledger: Ledger) -> list[PairIdentity]:
    """List the pairs that a verbalizer was found to be, oldest first."""
    known = list_numbered(ledger, lambda number: _make_check_key(verbalizer, claim, number))
    return [stored.read_identity(answer) for answer in known]


def _make_check_key(verbalizer: Verbalizer, claim: ModelClaim, number: int) -> str:
    nobody = PairIdentity(verbalizer.name, "", "", 0, 0)
    setting = verbalizer.setting if isinstance(verbalizer, Placed) else ""
    claimed = {
        "model": claim.model,
        "transcoders": claim.transcoders,
        "revision": claim.revision,
    }
    return Storage(nobody).make_key("check", number=number, setting=setting, **claimed)


def _renumber(ask: Ask, numbers: Sequence[int]) -> Ask:
    """Make questions of some numbers those from 0 on."""

    async def ask_those(places: Sequence[int]) -> Sequence[Answer]:
        return await ask([numbers[place] for place in places])

    return ask_those


def _sum_up(vectors: Float32[np.ndarray, "vector d_model"]) -> Ordinary:
    reference = measure_reference(vectors)
    spread = np.unique(np.linspace(0, len(vectors) - 1, stored.N_OTHERS).astype(np.int64))
    return Ordinary(reference, vectors[spread])


def _check_cosines(cosines: Float32[np.ndarray, "_ _"], shape: tuple[int, int]) -> None:
    if cosines.shape != shape or not bool((np.abs(cosines) <= 1 + _ROUNDING).all()):
        raise VerbalizerError("cosines that are missing or not from -1 to 1")


def _check_figures(said: Explained) -> None:
    for value in (said.cosine, said.variance):
        if value is not None and not (math.isfinite(value) and abs(value) <= 1 + _ROUNDING):
            raise VerbalizerError(f"a cosine or variance of {value}")


def _of_length(cosines: Float32[np.ndarray, " _"], n: int) -> Float32[np.ndarray, " vector"]:
    if len(cosines) != n:
        raise VerbalizerError(f"{len(cosines)} cosines on record for {n} vectors")
    return cosines
