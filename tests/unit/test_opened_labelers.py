"""Which labelers settings open, and that they are closed whatever happens."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.outcomes import make_label

from clerp.config import Settings
from clerp.errors import (
    LedgerError,
    PluginError,
    TransportError,
    UsageError,
)
from clerp.labelers import LabelRequest
from clerp.labelers.combined import FallbackLabeler, RefiningLabeler
from clerp.labelers.llm import LlmLabeler
from clerp.labels import Label
from clerp.ledger import Ledger, open_ledger
from clerp.llm.prices import Price
from clerp.naming import Labelers, make_terms, open_labelers
from clerp.testing import FakeLabeler


@dataclass
class Paying:
    """A labeler that keeps its answers in a ledger; notes what happens to it."""

    name: str
    notes: list[str]
    closes_badly: bool = False
    given: list[tuple[Ledger, bool]] = field(default_factory=list)

    def with_ledger(self, ledger: Ledger, *, ask: bool = True) -> "Paying":
        self.given.append((ledger, ask))
        return self

    def show_prompt(self, request: LabelRequest) -> str:
        return "a prompt"

    async def label(self, request: LabelRequest) -> Label:
        return make_label()

    async def aclose(self) -> None:
        self.notes.append(f"{self.name} closed")
        if self.closes_badly:
            raise TransportError("did not close")


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with open_ledger(":memory:") as opened:
        yield opened


@pytest.fixture
def notes() -> list[str]:
    return []


Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    def install(**labelers: Any) -> None:
        def find(name: str) -> Any:
            if name not in labelers:
                raise PluginError(f"there is no labeler {name!r}")
            return labelers[name]

        monkeypatch.setattr("clerp.naming.find", lambda kind, name: find(f"{kind}:{name}"))
        monkeypatch.setattr("clerp.naming.open_llm", lambda name, **_: find(f"llm:{name}"))

    return install


def with_llm(**given: Any) -> Settings:
    return Settings(labeler="first", llm="m", **given)


async def test_tiers_have_the_labelers_that_settings_name(ledger: Ledger, install: Install):
    one, other = FakeLabeler(), FakeLabeler()
    install(**{"labelers:first": one, "llm:m": other})
    async with open_labelers(with_llm(), ledger) as labelers:
        assert labelers == {1: one, 2: other}
    async with open_labelers(Settings(labeler="first"), ledger) as labelers:
        assert labelers == {1: one}


async def test_the_model_has_all_tiers_where_it_is_to_label_all(ledger: Ledger, install: Install):
    one, other = FakeLabeler(), FakeLabeler()
    install(**{"labelers:first": one, "llm:m": other})
    async with open_labelers(with_llm(llm_all=True), ledger) as labelers:
        assert labelers == {1: other, 2: other, 3: other}


@pytest.mark.parametrize("given", [{"llm_all": True}, {"fallback_model": "m"}])
async def test_what_is_said_of_a_model_that_is_not_named_is_refused(
    ledger: Ledger, install: Install, given: dict[str, Any]
):
    install(**{"labelers:first": FakeLabeler()})
    with pytest.raises(UsageError, match=f"{next(iter(given))} says something of a model"):
        async with open_labelers(Settings(labeler="first", **given), ledger):
            pass


async def test_a_refiner_of_labels_that_there_will_not_be_is_refused(ledger: Ledger):
    settings = with_llm(llm_all=True, refine="http:small@http://127.0.0.1:9/v1")
    with pytest.raises(UsageError, match="refine words labels of tier 1"):
        async with open_labelers(settings, ledger):
            pass


async def test_a_model_that_is_not_asked_needs_no_address(ledger: Ledger):
    settings = Settings(llm="http:big", refine="http:small", fallback_model="http:other")
    async with open_labelers(settings, ledger, ask=False) as labelers:
        pair = labelers[2]
        assert isinstance(pair, FallbackLabeler)
        assert pair.first.transport.model == "http:big"
    with pytest.raises(UsageError, match="no model and address"):
        async with open_labelers(settings, ledger):
            pass


SERVER = "@http://127.0.0.1:9/v1"


async def test_a_refiner_words_the_labels_of_tier_1_and_of_no_other(ledger: Ledger):
    settings = Settings(refine=f"http:small{SERVER}", llm=f"http:big{SERVER}", method="acts-top20")
    async with open_labelers(settings, ledger) as labelers:
        first, second = labelers[1], labelers[2]
        assert isinstance(first, RefiningLabeler)
        assert first.refiner.method.name == "small-llm"
        assert first.inner.name == "token-frequency"
        assert isinstance(second, LlmLabeler)
        assert second.method.name == "acts-top20"


async def test_a_second_model_stands_in_for_the_first_one(ledger: Ledger):
    settings = Settings(llm=f"http:big{SERVER}", fallback_model=f"http:small{SERVER}")
    async with open_labelers(settings, ledger) as labelers:
        pair = labelers[2]
        assert isinstance(pair, FallbackLabeler)
        assert [pair.first.transport.model, pair.second.transport.model] == [
            "http:big",
            "http:small",
        ]
        assert (pair.first.instead_of, pair.second.instead_of) == ("", "http:big")


async def test_all_models_of_a_run_share_its_budget_prices_and_counts(ledger: Ledger):
    prices = {f"http:{name}": {"input": 1.0, "output": 2.0} for name in ("small", "big")}
    settings = Settings.model_validate(
        {
            "llm": f"http:big{SERVER}",
            "refine": f"http:small{SERVER}",
            "budget": 3.0,
            "prices": prices,
            "concurrency": 5,
        }
    )
    terms = make_terms(settings)
    assert terms.prices["http:small"] == Price(1.0, 2.0)
    assert terms.concurrency == 5
    async with open_labelers(settings, ledger, terms=terms) as labelers:
        first, second = labelers[1], labelers[2]
        assert isinstance(first, RefiningLabeler)
        assert isinstance(second, LlmLabeler)
        assert first.refiner.terms is second.terms is terms
        for labeler in (first.refiner, second):
            assert labeler.asker is not None
            assert labeler.asker.budget is terms.budget
            assert labeler.asker.price == Price(1.0, 2.0)


async def test_a_budget_without_the_price_of_each_model_is_refused(ledger: Ledger):
    settings = Settings(llm=f"http:big{SERVER}", budget=1.0)
    with pytest.raises(UsageError, match="the price of http:big is not known"):
        async with open_labelers(settings, ledger):
            pass
    async with open_labelers(settings, ledger, ask=False) as labelers:
        assert set(labelers) == {1, 2}


@pytest.mark.parametrize("ask", [True, False])
async def test_who_pays_is_given_the_ledger(
    ledger: Ledger, install: Install, notes: list[str], ask: bool
):
    paying = Paying("llm", notes)
    install(**{"labelers:first": FakeLabeler(), "llm:m": paying})
    async with open_labelers(with_llm(), ledger, ask=ask):
        assert notes == []
    assert paying.given == [(ledger, ask)]
    assert notes == ["llm closed"]


async def use(labelers: Labelers, fault: BaseException) -> None:
    assert set(labelers) == {1, 2}
    raise fault


@pytest.mark.parametrize(
    "fault", [LedgerError("disk full"), ValueError("a bug"), KeyboardInterrupt()]
)
async def test_labelers_are_closed_once_after_a_fault_too(
    ledger: Ledger, install: Install, notes: list[str], fault: BaseException
):
    install(**{"labelers:first": Paying("first", notes), "llm:m": Paying("llm", notes)})
    with pytest.raises(type(fault)) as raised:
        async with open_labelers(with_llm(), ledger) as labelers:
            await use(labelers, fault)
    assert raised.value is fault
    assert sorted(notes) == ["first closed", "llm closed"]


async def test_one_that_does_not_close_does_not_keep_the_other_open(
    ledger: Ledger, install: Install, notes: list[str]
):
    first, llm = (Paying(name, notes, closes_badly=True) for name in ("first", "llm"))
    install(**{"labelers:first": first, "llm:m": llm})
    with pytest.raises(TransportError, match="did not close"):
        async with open_labelers(with_llm(), ledger):
            pass
    assert sorted(notes) == ["first closed", "llm closed"]


class Unpriced(Paying):
    """A labeler that does not get as far as to ask."""

    def with_ledger(self, ledger: Ledger, *, ask: bool = True) -> Paying:
        raise UsageError("the price is not known")


async def test_what_was_opened_is_closed_where_another_cannot_be(
    ledger: Ledger, install: Install, notes: list[str]
):
    install(**{"labelers:first": Paying("first", notes), "llm:m": Unpriced("llm", notes)})
    with pytest.raises(UsageError, match="the price is not known"):
        async with open_labelers(with_llm(), ledger):
            pass
    assert notes == ["first closed"]


async def test_nothing_is_opened_where_a_labeler_is_missing(
    ledger: Ledger, install: Install, notes: list[str]
):
    paying = Paying("first", notes)
    install(**{"labelers:first": paying})
    with pytest.raises(PluginError, match="llm:m"):
        async with open_labelers(with_llm(), ledger):
            pass
    assert (paying.given, notes) == ([], [])


async def test_cancelled_work_closes_its_labelers(
    ledger: Ledger, install: Install, notes: list[str]
):
    opened = asyncio.Event()

    async def work() -> None:
        async with open_labelers(with_llm(), ledger):
            opened.set()
            await asyncio.Event().wait()

    install(**{"labelers:first": FakeLabeler(), "llm:m": Paying("llm", notes)})
    run = asyncio.create_task(work())
    await opened.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert notes == ["llm closed"]
