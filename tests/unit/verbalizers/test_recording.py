"""Every answer of a verbalizer is in the ledger before it is used, and none is asked for twice."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from tests.unit.verbalizers.recorded_calls import record

from clerp.errors import (
    ExhaustedError,
    LedgerError,
    RemoteError,
    VerbalizerError,
)
from clerp.ledger import GroupCommit, Ledger, name_owner, open_ledger
from clerp.testing import FakePassageVerbalizer, FakeVectorVerbalizer
from clerp.testing.fake_verbalizer import MODEL, WORDS
from clerp.verbalizers import (
    Explained,
    Extraction,
    Missed,
    ModelClaim,
    PairIdentity,
    Passage,
    Sampling,
    Verbalization,
)
from clerp.verbalizers.answers import CHUNK, MOST_FAULTS
from clerp.verbalizers.recording import RecordedCalls
from clerp.verbalizers.stored import MAX_TEXT_CHARS, Ordinary

CLAIM = ModelClaim(MODEL, "a-set", "r1")
SAMPLING = Sampling()
PASSAGES = [Passage(f"0.{n}", f"text {n} {word}", word, 1.0) for n, word in enumerate(WORDS)]


def draw(n: int = 3, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).standard_normal((n, 32)).astype(np.float32)


async def ask_everything(calls: RecordedCalls) -> list[Any]:
    found = await calls.extract(PASSAGES)
    vectors = np.stack([one.vector for one in found if isinstance(one, Extraction)])
    said = await calls.describe(vectors, SAMPLING)
    texts = [one.text for one in said if isinstance(one, Verbalization)]
    cosines = await calls.compare(texts, vectors)
    ordinary = await calls.measure_ordinary()
    assert isinstance(ordinary, Ordinary)
    nothing = await calls.describe_nothing(SAMPLING)
    return [
        [one.passage for one in found if not isinstance(one, VerbalizerError)],
        vectors.tolist(),
        said,
        np.array(cosines).tolist(),
        ordinary.reference.to_record(),
        ordinary.others.tolist(),
        nothing,
    ]


async def test_a_second_run_says_the_same_and_asks_nothing(ledger: Ledger):
    first, second = FakeVectorVerbalizer(misses=["bread"]), FakeVectorVerbalizer()
    said = await ask_everything(record(first, ledger))
    assert await ask_everything(record(second, ledger)) == said
    assert await ask_everything(record(second, ledger, may_ask=False)) == said
    assert second.asked == []
    assert len(first.asked) == 5


async def test_what_is_on_record_is_what_was_said(ledger: Ledger):
    fake, calls = FakeVectorVerbalizer(), record(FakeVectorVerbalizer(), ledger)
    vectors = draw()
    assert await calls.describe(vectors, SAMPLING) == await fake.describe(vectors, SAMPLING)
    [found] = await calls.extract(PASSAGES[:1])
    [own] = await fake.extract(PASSAGES[:1])
    assert isinstance(found, Extraction)
    assert isinstance(own, Extraction)
    assert (found.vector == own.vector).all()
    assert (found.position, found.passage) == (own.position, own.passage)


async def test_one_on_passages_is_recorded_too(ledger: Ledger):
    fake = FakePassageVerbalizer(pair=FakeVectorVerbalizer(misses=["bread"]))
    said = await record(fake, ledger).explain(PASSAGES, SAMPLING)
    again = await record(fake, ledger).explain(PASSAGES, SAMPLING)
    assert said == again == await fake.explain(PASSAGES, SAMPLING)
    assert [type(one) for one in said].count(Missed) == 1
    assert [type(one) for one in said].count(Explained) == len(PASSAGES) - 1
    asked = [*["explain 1"] * len(PASSAGES), f"explain {len(PASSAGES)}"]
    assert fake.asked == asked  # the last by this test itself


async def test_the_same_vector_twice_is_one_question(ledger: Ledger):
    fake = FakeVectorVerbalizer()
    vectors = np.vstack([draw(1), draw(1)])
    one, other = await record(fake, ledger).describe(vectors, SAMPLING)
    assert one == other
    assert fake.asked == ["describe 1"]


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"temperature": 0.0}, {"max_new_tokens": 9}],
    ids=lambda c: next(iter(c)),
)
async def test_another_sampling_is_another_question(ledger: Ledger, change: dict[str, Any]):
    fake = FakeVectorVerbalizer()
    calls = record(fake, ledger)
    for sampling in (SAMPLING, replace(SAMPLING, **change), SAMPLING):
        await calls.describe(draw(), sampling)
    assert fake.asked == ["describe 3", "describe 3"]


@pytest.mark.parametrize(
    "change", [{"revision": "1" * 40}, {"name": "b"}, {"layer": 4}, {"base_model": "gpt2"}]
)
async def test_another_pair_is_another_question(ledger: Ledger, change: dict[str, Any]):
    fake = FakeVectorVerbalizer()
    calls = record(fake, ledger)
    for pair in (calls.pair, replace(calls.pair, **change)):
        await replace(calls, pair=pair).describe(draw(), SAMPLING)
    assert len(fake.asked) == 2


async def test_the_same_place_of_another_feature_is_no_new_question(ledger: Ledger):
    fake = FakeVectorVerbalizer()
    calls = record(fake, ledger)
    await calls.extract(PASSAGES[:1])
    [found] = await calls.extract([replace(PASSAGES[0], id="7.7", activation=9.0)])
    assert isinstance(found, Extraction)
    assert found.passage.id == "7.7"
    assert len(fake.asked) == 1


async def test_many_are_asked_in_pieces(ledger: Ledger):
    fake = FakeVectorVerbalizer()
    await record(fake, ledger).describe(draw(2 * CHUNK + 1), SAMPLING)
    assert fake.asked == [f"describe {n}" for n in (CHUNK, CHUNK, 1)]


@dataclass
class Stopped(FakeVectorVerbalizer):
    """Is interrupted at the second piece."""

    async def describe(self, vectors: Any, sampling: Sampling) -> list[Verbalization]:
        if self.asked:
            raise asyncio.CancelledError
        return await super().describe(vectors, sampling)


async def test_a_run_that_is_killed_loses_no_more_than_one_piece(ledger: Ledger):
    vectors = draw(3 * CHUNK)
    with pytest.raises(asyncio.CancelledError):
        await record(Stopped(), ledger).describe(vectors, SAMPLING)
    fake = FakeVectorVerbalizer()
    await record(fake, ledger).describe(vectors, SAMPLING)
    assert fake.asked == [f"describe {CHUNK}"] * 2


async def test_one_that_breaks_takes_no_other_with_it(ledger: Ledger):
    fake = FakeVectorVerbalizer(breaks=["bread"])
    calls = record(fake, ledger)
    vectors = np.stack(
        [one.vector for one in await calls.extract(PASSAGES) if isinstance(one, Extraction)]
    )
    said = await calls.describe(vectors, SAMPLING)
    broken = [one for one in said if isinstance(one, VerbalizerError)]
    assert [str(fault) for fault in broken] == ["told to break at 'bread'"]
    assert sum(isinstance(one, Verbalization) for one in said) == len(PASSAGES) - 1
    mended = FakeVectorVerbalizer()
    await record(mended, ledger).describe(vectors, SAMPLING)
    assert mended.asked == ["describe 1"]


@dataclass
class Faulty(FakeVectorVerbalizer):
    fault: Exception = field(default_factory=lambda: VerbalizerError("the server is gone"))

    async def describe(self, vectors: Any, sampling: Sampling) -> list[Verbalization]:
        self._note("describe", len(vectors))
        raise self.fault


async def test_who_always_breaks_is_soon_asked_no_more(ledger: Ledger):
    fake = Faulty()
    calls = record(fake, ledger)
    said = [*await calls.describe(draw(20), SAMPLING), *await calls.describe(draw(9, 1), SAMPLING)]
    assert [str(one) for one in said] == ["the server is gone"] * 29
    assert len(fake.asked) == 1 + MOST_FAULTS


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (RuntimeError("CUDA out of memory"), "broke: RuntimeError: CUDA out of memory"),
        (RemoteError("no answer", where="http://h/describe"), "http://h/describe: no answer"),
        (ValueError("key sk-0123456789abcdef"), r"ValueError: key \[key\]"),
    ],
)
async def test_whatever_goes_wrong_can_be_said(ledger: Ledger, fault: Exception, message: str):
    [said] = await record(Faulty(fault=fault), ledger).describe(draw(1), SAMPLING)
    with pytest.raises(VerbalizerError, match=message):
        raise said if isinstance(said, VerbalizerError) else AssertionError(said)


async def test_a_fault_of_the_ledger_is_no_fault_of_a_feature(ledger: Ledger):
    with pytest.raises(LedgerError, match="full"):
        await record(Faulty(fault=LedgerError("full")), ledger).describe(draw(1), SAMPLING)


async def test_who_is_exhausted_is_asked_no_more(ledger: Ledger):
    fake = Faulty(fault=ExhaustedError("used up"))
    calls = record(fake, ledger)
    said = [*await calls.describe(draw(20), SAMPLING), *await calls.describe(draw(9, 1), SAMPLING)]
    assert [str(one) for one in said] == ["used up"] * 29
    assert len(fake.asked) == 1


async def test_of_passages_no_more_than_one_text_is_lost(ledger: Ledger):
    @dataclass
    class Ended(FakePassageVerbalizer):
        async def explain(
            self, passages: Sequence[Passage], sampling: Sampling
        ) -> list[Explained | Missed]:
            if len(self.asked) == 2:
                raise ExhaustedError("used up")
            return await FakePassageVerbalizer.explain(self, passages, sampling)

    said = await record(Ended(), ledger).explain(PASSAGES, SAMPLING)
    faults = [one for one in said if isinstance(one, VerbalizerError)]
    assert [str(one) for one in faults] == ["used up"] * (len(PASSAGES) - 2)
    fake = FakePassageVerbalizer()
    again = await record(fake, ledger).explain(PASSAGES, SAMPLING)
    assert len(fake.asked) == len(faults)
    assert [one.passage for one in again if isinstance(one, Explained)] == PASSAGES


async def test_passages_of_one_text_are_one_question(ledger: Ledger):
    text = "one two three"
    passages = [
        Passage(f"0.{n}", text[:end], text[:end].split()[-1], 1.0, n_tokens=n)
        for n, end in enumerate((3, 7, 13), start=1)
    ]
    fake = FakePassageVerbalizer()
    await record(fake, ledger).explain([*passages, PASSAGES[0]], SAMPLING)
    assert fake.asked == ["explain 3", "explain 1"]


@dataclass
class Unhurried(FakeVectorVerbalizer):
    asks_one_by_one: bool = True


async def test_who_asks_one_by_one_is_asked_one_by_one(ledger: Ledger):
    fake = Unhurried()
    calls = record(fake, ledger)
    await calls.extract(PASSAGES[:2])
    await calls.describe(draw(3), SAMPLING)
    await calls.compare(["a", "b"], draw(2))
    assert fake.asked == ["extract 1", "extract 1", "describe 3", "compare 1", "compare 1"]


@pytest.mark.parametrize("change", [{"reference": "other texts"}, {"revision": "1" * 40}])
async def test_other_ordinary_text_has_other_residuals(ledger: Ledger, change: dict[str, Any]):
    fake = FakeVectorVerbalizer()
    calls = record(fake, ledger)
    for pair in (calls.pair, replace(calls.pair, **change), calls.pair):
        await replace(calls, pair=pair).measure_ordinary()
    assert fake.asked == ["reference_vectors"] * 2


async def test_what_was_said_does_not_depend_on_ordinary_text(ledger: Ledger):
    fake = FakeVectorVerbalizer()
    calls = record(fake, ledger)
    for reference in ("", "other texts"):
        pair = replace(calls.pair, reference=reference)
        await replace(calls, pair=pair).describe(draw(), SAMPLING)
    assert fake.asked == ["describe 3"]


async def test_what_is_not_on_record_is_said(ledger: Ledger):
    fake = FakeVectorVerbalizer()
    calls = record(fake, ledger, may_ask=False)
    [said] = await calls.describe(draw(1), SAMPLING)
    assert "not in the ledger" in str(said)
    assert fake.asked == []


async def test_another_run_that_asks_is_waited_for(ledger: Ledger):
    vectors = draw(1)
    somebody, fake = name_owner(), FakeVectorVerbalizer()
    first = record(FakeVectorVerbalizer(), ledger)
    keys: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        claim = GroupCommit.claim

        async def note(self: GroupCommit, key: str, owner: str, seconds: float) -> Any:
            keys.append(key)
            return await claim(self, key, owner, seconds)

        patch.setattr(GroupCommit, "claim", note)
        await first.describe(vectors, SAMPLING)
    answer = ledger.find_answer(keys[0])
    assert answer is not None
    with open_ledger(":memory:") as other:
        other.claim(keys[0], somebody, 600.0)

        async def sleep(_: float) -> None:
            other.record_answer(answer)

        waited = await record(fake, other, sleep=sleep).describe(vectors, SAMPLING)
    assert waited == await first.describe(vectors, SAMPLING)
    assert fake.asked == []


async def test_a_lease_is_kept_as_long_as_it_takes(ledger: Ledger, monkeypatch: pytest.MonkeyPatch):
    renewed = asyncio.Event()
    renew = GroupCommit.renew

    async def tell(self: GroupCommit, key: str, owner: str, seconds: float) -> bool:
        renewed.set()
        return await renew(self, key, owner, seconds)

    class Slow(FakeVectorVerbalizer):
        async def describe(self, vectors: Any, sampling: Sampling) -> list[Verbalization]:
            await renewed.wait()
            return await super().describe(vectors, sampling)

    monkeypatch.setattr(GroupCommit, "renew", tell)
    [said] = await record(Slow(), ledger, lease_seconds=0.03).describe(draw(1), SAMPLING)
    assert isinstance(said, Verbalization)


async def test_who_is_cancelled_leaves_no_lease(ledger: Ledger):
    started = asyncio.Event()

    class Endless(FakeVectorVerbalizer):
        async def describe(self, vectors: Any, sampling: Sampling) -> list[Verbalization]:
            started.set()
            await asyncio.Event().wait()
            raise AssertionError

    task = asyncio.ensure_future(record(Endless(), ledger).describe(draw(1), SAMPLING))
    await started.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    fake = FakeVectorVerbalizer()

    async def sleep(_: float) -> None:
        raise AssertionError("somebody still holds the lease")

    await record(fake, ledger, sleep=sleep).describe(draw(1), SAMPLING)
    assert fake.asked == ["describe 1"]


class Wrong:
    """Answers with what it is told."""

    name = "wrong"

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def check(self, claim: ModelClaim) -> PairIdentity:
        raise AssertionError(claim)

    async def extract(self, passages: Sequence[Passage]) -> Any:
        return self._answer

    async def describe(self, vectors: Any, sampling: Sampling) -> Any:
        return self._answer

    async def compare(self, texts: Sequence[str], vectors: Any) -> Any:
        return self._answer

    async def describe_nothing(self, sampling: Sampling) -> Any:
        return self._answer

    def reference_vectors(self) -> Any:
        return self._answer


def extraction(vector: Any) -> Extraction:
    return Extraction(PASSAGES[0], np.array(vector, dtype=np.float32), 12)


@pytest.mark.parametrize(
    ("vector", "message"),
    [([1.0] * 31, "not 32 finite"), ([np.inf] * 32, "not 32 finite"), ([0.0] * 32, "zeros only")],
)
async def test_no_residual_stands_for_one(ledger: Ledger, vector: list[float], message: str):
    [found] = await record(Wrong([extraction(vector)]), ledger).extract(PASSAGES[:1])
    assert message in str(found)


async def test_too_few_answers_are_none(ledger: Ledger):
    said = await record(Wrong([]), ledger).describe(draw(2), SAMPLING)
    assert [str(one) for one in said] == ["0 answers to 1 questions"] * 2


@pytest.mark.parametrize("cosine", [np.nan, 1.5, -2.0])
async def test_no_cosine_stands_for_one(ledger: Ledger, cosine: float):
    answer = np.full((1, 2), cosine, dtype=np.float32)
    [found] = await record(Wrong(answer), ledger).compare(["a"], draw(2))
    assert "not from -1 to 1" in str(found)


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (Verbalization("x" * (MAX_TEXT_CHARS + 1), "x"), "longer than 20,000 characters"),
        (Verbalization(" \n", " \n"), "empty"),
        (Verbalization("kept?", "raw", "cut\noff"), "cut off"),
    ],
)
async def test_a_text_that_cannot_be_used_has_a_fault(
    ledger: Ledger, said: Verbalization, fault: str
):
    [found] = await record(Wrong([said]), ledger).describe(draw(1), SAMPLING)
    assert isinstance(found, Verbalization)
    assert (found.text, found.fault) == ("", fault)


async def test_half_characters_do_not_stop_a_run(ledger: Ledger):
    said = Verbalization("a \ud800 b", "a \ud800 b \x00")
    [found] = await record(Wrong([said]), ledger).describe(draw(1), SAMPLING)
    assert found == Verbalization("a ? b", "a ? b \x00")


async def test_too_few_ordinary_residuals_are_said(ledger: Ledger):
    found = await record(Wrong(draw(5)), ledger).measure_ordinary()
    assert "5 reference vectors are too few" in str(found)


async def test_one_without_ordinary_residuals_has_none(ledger: Ledger):
    assert await record(FakePassageVerbalizer(), ledger).measure_ordinary() is None


@pytest.mark.parametrize(
    "parsed",
    ["", "{", "{}", '{"text": 1, "raw": ""}', '{"vector": "AAAA", "position": 1}', "[" * 9999],
)
async def test_a_damaged_record_is_no_answer(ledger: Ledger, parsed: str):
    calls = record(FakeVectorVerbalizer(), ledger)
    await calls.extract(PASSAGES[:1])
    damaged = Damaging(ledger, parsed)
    [found] = await record(FakeVectorVerbalizer(), damaged).extract(PASSAGES[:1])
    assert "cannot be read" in str(found) or "missing" in str(found)
    assert isinstance(found, VerbalizerError)


class Damaging(Ledger):
    """Reads something else than what was written."""

    def __init__(self, ledger: Ledger, parsed: str) -> None:
        super().__init__(ledger._engine, ledger._place)
        self._parsed = parsed

    def find_answers(self, keys: Sequence[str]) -> dict[str, Any]:
        found = super().find_answers(keys)
        return {key: replace(answer, parsed=self._parsed) for key, answer in found.items()}
