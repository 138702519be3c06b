"""Verbalizers that break one rule each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from clerp.errors import NotAvailableError
from clerp.testing import (
    ContractError,
    FakePassageVerbalizer,
    FakeVectorVerbalizer,
    check_verbalizer,
)
from clerp.testing.fake_verbalizer import MODEL
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

CLAIM = ModelClaim(MODEL, "a-set")
PASSAGES = (
    Passage("0.0", "We drove all day to Texas", " Texas", 4.0),
    Passage("0.1", "They swam in the river", " river", 3.0),
)
Change = Callable[..., Any]


@dataclass
class Broken(FakeVectorVerbalizer):
    """Changes what one method returns, or takes its arguments away from it."""

    method: str = ""
    change: Change = lambda returned, *_: returned
    taken: list[Any] = field(default_factory=list[Any])

    def _pass(self, method: str, returned: Any, *given: Any) -> Any:
        return self.change(returned, *given) if method == self.method else returned

    def check(self, claim: ModelClaim) -> Any:
        if self.method == "refuse":
            return super().check(CLAIM)
        return self._pass("check", super().check(claim), claim)

    async def extract(self, passages: Sequence[Passage]) -> Any:
        return self._pass("extract", await super().extract(passages), passages)

    async def describe(self, vectors: Any, sampling: Sampling) -> Any:
        return self._pass("describe", await super().describe(vectors, sampling), vectors)

    async def compare(self, texts: Sequence[str], vectors: Any) -> Any:
        return self._pass("compare", await super().compare(texts, vectors), vectors)

    async def describe_nothing(self, sampling: Sampling) -> Any:
        return self._pass("describe_nothing", await super().describe_nothing(sampling))


def check(verbalizer: object) -> PairIdentity:
    return check_verbalizer(verbalizer, claim=CLAIM, passages=PASSAGES)


def test_one_that_takes_vectors_and_keeps_the_contract_passes():
    assert check(FakeVectorVerbalizer()).d_model == 32


def test_one_that_takes_passages_and_keeps_the_contract_passes():
    assert check(FakePassageVerbalizer()).base_model == MODEL


def test_passages_without_a_residual_are_no_fault():
    check(FakeVectorVerbalizer(misses=[" Texas"]))
    check(FakePassageVerbalizer(pair=FakeVectorVerbalizer(misses=[" Texas"])))


def change_in_place(returned: Any, given: Any, *_: Any) -> Any:
    given *= 2
    return returned


def say(verbalization: Verbalization) -> Change:
    return lambda said, *_: [verbalization for _ in said]


def turn_round(found: Sequence[Any], _: Any) -> Any:
    return found[::-1]


def put(**given: Any) -> Change:
    return lambda found, *_: [replace(one, **given) for one in found]


@pytest.mark.parametrize(
    ("method", "change", "message"),
    [
        ("check", lambda *_: "a pair", "it is a PairIdentity"),
        ("check", lambda one, _: replace(one, revision=""), "the pair's revision ''"),
        ("check", lambda one, _: replace(one, d_model=0), "vectors of 0 numbers"),
        ("check", lambda one, _: replace(one, layer=-1), "reads block -1"),
        ("extract", lambda found, _: found[:1], "given 2 passages, returned 1 things"),
        ("extract", turn_round, "returned the passage '0.1' for '0.0'"),
        ("extract", put(vector=np.zeros(3, np.float32)), r"shape \(3,\), not \(32,\)"),
        ("extract", put(vector=np.full(32, np.nan, np.float32)), "not finite"),
        ("extract", put(position=-1), "the position -1"),
        ("extract", lambda _, given: [Missed(one, "") for one in given], "the reason ''"),
        ("extract", lambda _, given: list(given), "returns Extraction or Missed"),
        ("describe", lambda *_: [], "given 3 vectors, returned 0 things"),
        ("describe", lambda said, _: ["a text"] * len(said), "returns Verbalization objects"),
        ("describe", say(Verbalization("", "")), "said '': that is no text"),
        ("describe", say(Verbalization("a", "a", "cut off")), "with the fault 'cut off'"),
        ("describe", say(Verbalization("", "", "cut\noff")), "it is one line"),
        ("describe", say(Verbalization("a", "\ud800")), "half of a character"),
        ("describe", change_in_place, "given 3 vectors, changed them"),
        ("describe", lambda said, _: said[99], "raised IndexError"),
        ("compare", lambda cosines, _: cosines[:, :1], r"shape \(3, 1\), not \(3, 3\)"),
        ("compare", lambda cosines, _: cosines.astype(float), "gave float64"),
        ("compare", lambda cosines, _: cosines.tolist(), "gives a numpy array"),
        ("compare", lambda cosines, _: cosines * 0 + 2, "the cosine 2.0"),
        ("compare", lambda cosines, _: cosines * np.float32("nan"), "not finite"),
        ("compare", change_in_place, "3 texts and 3 vectors, changed them"),
        ("describe_nothing", lambda _: None, "given no vector, returned None"),
        ("refuse", lambda *_: None, "raises NotAvailableError where"),
    ],
)
def test_a_broken_rule_is_named(method: str, change: Change, message: str):
    with pytest.raises(ContractError, match=message):
        check(Broken(method=method, change=change))


@dataclass
class BrokenOnPassages(FakePassageVerbalizer):
    change: Change = lambda said, *_: said

    async def explain(self, passages: Sequence[Passage], sampling: Sampling) -> Any:
        return self.change(await super().explain(passages, sampling), passages)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda said, _: said[1:], "given 2 passages, returned 1 things"),
        (turn_round, "the passage '0.1' for '0.0'"),
        (put(cosine=1.5), "the cosine 1.5"),
        (put(cosine=float("nan")), "the cosine nan"),
        (put(variance=0.0), "the variance 0.0"),
        (put(position=-2), "the position -2"),
        (put(verbalization=Verbalization(" ", "")), "that is no text"),
        (lambda _, given: list(given), "returns Explained or Missed"),
    ],
)
def test_a_rule_that_one_on_passages_breaks_is_named(change: Change, message: str):
    with pytest.raises(ContractError, match=message):
        check(BrokenOnPassages(change=change))


def test_a_pair_that_changes_is_told_so():
    drawn = iter("abcdef")
    verbalizer = Broken(method="check", change=lambda one, _: replace(one, revision=next(drawn)))
    with pytest.raises(ContractError, match="checked again"):
        check(verbalizer)


def test_what_is_no_verbalizer_is_told_so():
    with pytest.raises(ContractError, match="object is no verbalizer: it has no name"):
        check(object())


def test_a_passage_is_needed():
    with pytest.raises(ContractError, match="needs a passage"):
        check_verbalizer(FakeVectorVerbalizer(), claim=CLAIM, passages=())


async def test_the_fake_says_what_its_vectors_are():
    fake = FakeVectorVerbalizer()
    found = await fake.extract(PASSAGES)
    vectors = np.stack([one.vector for one in found if isinstance(one, Extraction)])
    said = await fake.describe(vectors, Sampling())
    assert ["Texas" in said[0].text, "river" in said[1].text] == [True, True]
    assert said == await fake.describe(vectors, Sampling())
    cosines = await fake.compare([one.text for one in said], vectors)
    assert (cosines.argmax(axis=1) == [0, 1]).all()
    assert (cosines.diagonal() > 0.9).all()


async def test_the_fake_on_passages_says_the_same_as_the_pair_behind_it():
    fake = FakePassageVerbalizer(pair=FakeVectorVerbalizer(misses=[" river"]))
    texas, river = await fake.explain(PASSAGES, Sampling())
    assert isinstance(texas, Explained)
    assert '"Texas"' in texas.verbalization.text
    assert river == Missed(PASSAGES[1], "told to miss ' river'")


def test_the_fake_knows_its_model():
    with pytest.raises(NotAvailableError, match="made for 'fake-2b', the graph is of 'gpt2'"):
        FakePassageVerbalizer().check(ModelClaim("gpt2", ""))
