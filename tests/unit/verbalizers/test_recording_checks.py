"""Which pair a verbalizer was found to be is on record, and recalled where nobody may be asked."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from clerp.errors import (
    InputError,
    LedgerError,
    NotAvailableError,
    VerbalizerError,
)
from clerp.ledger import Ledger
from clerp.testing import FakeVectorVerbalizer
from clerp.testing.fake_verbalizer import MODEL
from clerp.verbalizers import (
    ModelClaim,
    PairIdentity,
    recording,
)
from clerp.verbalizers.recording import open_calls
from clerp.verbalizers.stored import Storage

CLAIM = ModelClaim(MODEL, "a-set", "r1")


async def test_a_verbalizer_is_checked_and_without_asking_recalled(ledger: Ledger):
    fake = FakeVectorVerbalizer()
    async with open_calls(fake, CLAIM, ledger) as calls:
        assert calls.takes_vectors
        assert calls.pair == fake.check(CLAIM)
    broken = Checked(found=[AssertionError()])
    async with open_calls(broken, CLAIM, ledger, ask=False) as recalled:
        assert recalled.pair == calls.pair


async def test_a_pair_that_changed_is_recalled_as_it_was_last(ledger: Ledger):
    for model in (MODEL, "fake-3b", MODEL):
        fake = FakeVectorVerbalizer(model=model)
        claim = ModelClaim(model, "")
        async with open_calls(fake, claim, ledger):
            pass

    class Renewed(FakeVectorVerbalizer):
        def check(self, claim: ModelClaim) -> PairIdentity:
            return replace(super().check(claim), revision="f" * 40)

    async with open_calls(Renewed(), ModelClaim(MODEL, ""), ledger):
        pass
    async with open_calls(Renewed(), ModelClaim(MODEL, ""), ledger, ask=False) as calls:
        assert calls.pair.revision == "f" * 40


@dataclass
class Checked(FakeVectorVerbalizer):
    """Finds one pair after the other, or an error."""

    found: list[str | Exception] = field(default_factory=list[str | Exception])

    def check(self, claim: ModelClaim) -> PairIdentity:
        found = self.found.pop(0)
        if isinstance(found, Exception):
            raise found
        return replace(FakeVectorVerbalizer.check(self, claim), revision=found)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (InputError("a head of NaN", where="ar/value_head.safetensors"), "a head of NaN"),
        (RuntimeError("CUDA error"), "broke: RuntimeError: CUDA error"),
        (MemoryError(), "broke: MemoryError"),
    ],
)
async def test_a_check_that_breaks_is_said(ledger: Ledger, fault: Exception, message: str):
    with pytest.raises(VerbalizerError, match=message) as said:
        async with open_calls(Checked(found=[fault]), CLAIM, ledger):
            raise AssertionError
    assert not isinstance(said.value, NotAvailableError)
    assert said.value.where == getattr(fault, "where", "")


async def test_a_fault_of_the_ledger_in_a_check_is_one(ledger: Ledger):
    with pytest.raises(LedgerError, match="full"):
        async with open_calls(Checked(found=[LedgerError("full")]), CLAIM, ledger):
            raise AssertionError


async def recall(verbalizer: Any, ledger: Ledger) -> PairIdentity:
    async with open_calls(verbalizer, CLAIM, ledger, ask=False) as calls:
        return calls.pair


async def test_a_pair_that_changed_often_is_recalled_as_it_was_last(ledger: Ledger):
    fake = Checked(found=[f"r{n}" for n in range(230)])
    for _ in range(230):
        async with open_calls(fake, CLAIM, ledger):
            pass
    assert (await recall(FakeVectorVerbalizer(), ledger)).revision == "r229"


async def test_of_two_runs_that_find_another_pair_the_last_is_recalled(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    list_checks = recording._list_checks
    others = [Checked(found=["of another run"])]

    def look_and_be_late(*given: Any) -> list[PairIdentity]:
        known = list_checks(*given)
        while others:
            pair = others.pop().check(CLAIM)
            key = recording._make_check_key(given[0], CLAIM, len(known))
            ledger.record_answer(Storage(pair).keep_identity(key))
        return known

    monkeypatch.setattr(recording, "_list_checks", look_and_be_late)
    async with open_calls(Checked(found=["of this one"]), CLAIM, ledger):
        pass
    assert (await recall(FakeVectorVerbalizer(), ledger)).revision == "of this one"


@dataclass
class Elsewhere(Checked):
    setting: str = ""


async def test_two_settings_of_one_name_are_two(ledger: Ledger):
    for place in ("http://a", "http://b"):
        async with open_calls(Elsewhere(setting=place, found=[f"of {place}"]), CLAIM, ledger):
            pass
    assert (await recall(Elsewhere(setting="http://a"), ledger)).revision == "of http://a"
    with pytest.raises(NotAvailableError, match="nobody has checked"):
        await recall(Elsewhere(setting="http://c"), ledger)


async def test_what_an_identity_says_of_tests_and_texts_is_recalled(ledger: Ledger):
    class Untested(FakeVectorVerbalizer):
        def check(self, claim: ModelClaim) -> PairIdentity:
            return replace(super().check(claim), reference="texts@1", untested="nobody tried")

    async with open_calls(Untested(), CLAIM, ledger) as calls:
        pass
    assert await recall(FakeVectorVerbalizer(), ledger) == calls.pair
    assert calls.pair.untested == "nobody tried"


async def test_a_pair_that_does_not_fit_says_so(ledger: Ledger):
    with pytest.raises(NotAvailableError, match="the graph is of 'gpt2'"):
        async with open_calls(FakeVectorVerbalizer(), ModelClaim("gpt2", ""), ledger):
            raise AssertionError
    with pytest.raises(NotAvailableError, match="nobody has checked whether fake-nla fits gpt2"):
        async with open_calls(FakeVectorVerbalizer(), ModelClaim("gpt2", ""), ledger, ask=False):
            raise AssertionError
