"""Labelers that break one rule each; a check that cannot fail checks nothing."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from clerp.errors import LabelerError
from clerp.feature import FeatureId
from clerp.labelers import LabelRequest
from clerp.labels import Abstention, Label
from clerp.ledger import Answer, Ledger
from clerp.testing import (
    ContractError,
    FakeLabeler,
    check_labeler,
    make_evidence,
    make_request,
)

Change = Callable[[Label, LabelRequest], Any]


@dataclass
class ChangingLabeler(FakeLabeler):
    """Answers what `change` makes of a good label and the request."""

    change: Change = lambda label, _: label

    async def label(self, request: LabelRequest) -> Any:
        answer = await super().label(request)
        assert isinstance(answer, Label)
        return self.change(answer, request)


def test_a_labeler_that_keeps_the_contract_passes():
    check_labeler(FakeLabeler())


async def test_it_can_be_checked_inside_a_running_event_loop():
    check_labeler(FakeLabeler())


def test_declining_everything_is_allowed():
    check_labeler(ChangingLabeler(change=lambda *_: Abstention("fake", "not mine")))


def test_breaking_on_what_is_not_ordinary_is_allowed():
    labeler = FakeLabeler(breaks=[FeatureId(0, 0)])
    check_labeler(labeler)
    assert any(request.evidence.feature == FeatureId(0, 0) for request in labeler.asked)


def raise_fault(fault: Exception) -> Change:
    def change(*_: object) -> None:
        raise fault

    return change


def spoil(request: LabelRequest) -> None:
    for example in request.evidence.top:
        example.activations[:] = 0


BROKEN: dict[str, tuple[Change, str]] = {
    "no answer": (lambda *_: None, "returned None: it returns a Label or an Abstention"),
    "error as text": (lambda *_: "error: timed out", "raises LabelerError when it broke"),
    "another error": (raise_fault(KeyError("x")), "'ordinary, input', raised KeyError: 'x'"),
    "breaks on the ordinary": (raise_fault(LabelerError("no")), r"broke \(no\): such a feature"),
    "empty label": (lambda label, _: replace(label, text=" "), "labels ' ': a label is one line"),
    "long label": (lambda label, _: replace(label, text="a" * 41), "41 characters: at most 40"),
    "two lines": (lambda label, _: replace(label, text="a\nb"), "a label is one line of text"),
    "markup": (
        lambda label, _: replace(label, text="<b>x"),
        "labels '<b>x', which is not clean: clerp.labels.clean_label makes it 'bx'",
    ),
    "placeholder": (lambda label, _: replace(label, text="F12"), "makes it 'F 12'"),
    "invisible": (lambda label, _: replace(label, text="a\u202e"), "not clean"),
    "other method": (lambda label, _: replace(label, method="x"), "by the method 'x'"),
    "other method, declining": (lambda *_: Abstention("x", "no"), "by the method 'x'"),
    "unknown evidence": (
        lambda label, _: replace(label, evidence=("9.9",)),
        r"rests on the examples \['9.9'\], which the request does not have",
    ),
    "no explanation": (lambda label, _: replace(label, explanation=""), "gives the explanation ''"),
    "no reason": (lambda *_: Abstention("fake", ""), "gives the reason ''"),
    "half a character": (
        lambda *_: Abstention("fake", "\ud83d"),
        r"gives the reason '\\ud83d'",
    ),
    "not a number": (
        lambda label, _: replace(label, details={"cost_usd": float("nan")}),
        "the detail 'cost_usd': nan, which JSON cannot hold",
    ),
    "path": (
        lambda label, _: replace(label, details={"weights": f"{Path.cwd()}/w.bin"}),
        "a folder of this machine, in its answer",
    ),
    "changed request": (
        lambda label, request: spoil(request) or label,
        "changed the request",
    ),
}


@pytest.mark.parametrize(("change", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_rule_is_named(change: Change, message: str):
    with pytest.raises(ContractError, match=message):
        check_labeler(ChangingLabeler(change=change))


def test_confidence_is_one_of_three():
    # Run-time type checks would stop it earlier.
    label = Label("a", "fake", "high", "because")
    object.__setattr__(label, "confidence", "very")
    with pytest.raises(ContractError, match="is 'very' confident"):
        check_labeler(ChangingLabeler(change=lambda *_: label))


def test_details_are_plain_values():
    label = Label("a", "fake", "high", "because")
    object.__setattr__(label, "details", {"examples": ["0.0"]})
    with pytest.raises(ContractError, match="the detail 'examples'"):
        check_labeler(ChangingLabeler(change=lambda *_: label))


def test_details_are_a_dict():
    label = Label("a", "fake", "high", "because")
    object.__setattr__(label, "details", [("rule", "one word")])
    with pytest.raises(ContractError, match="details that are no dict"):
        check_labeler(ChangingLabeler(change=lambda *_: label))


def test_a_path_that_the_evidence_holds_is_no_fault():
    folder = str(Path.cwd())
    request = make_request(make_evidence([("in", folder)]))

    def quote(label: Label, asked: LabelRequest) -> Label:
        return replace(label, explanation=f"all in {folder}") if asked is request else label

    check_labeler(ChangingLabeler(change=quote), requests=[request])


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (LabelerError("no weights", where=f"{Path.cwd()}/w.bin"), "a folder of this machine"),
        (LabelerError(""), "broke with '': the reason is one line of text"),
    ],
)
def test_an_error_can_stand_in_a_graph(fault: LabelerError, message: str):
    def change(label: Label, request: LabelRequest) -> Label:
        if request.evidence.feature == FeatureId(0, 0):
            raise fault
        return label

    with pytest.raises(ContractError, match=message):
        check_labeler(ChangingLabeler(change=change))


def test_the_same_request_gets_the_same_answer():
    numbers = itertools.count()

    def number(label: Label, _: LabelRequest) -> Label:
        return replace(label, explanation=f"the {next(numbers)}th")

    with pytest.raises(ContractError, match="the same request gets the same answer"):
        check_labeler(ChangingLabeler(change=number))
    check_labeler(ChangingLabeler(change=number), deterministic=False)


def test_more_requests_must_be_answered():
    request = make_request(make_evidence([("in", "Texas")]))

    def change(label: Label, asked: LabelRequest) -> Label:
        if asked is request:
            raise LabelerError("not today")
        return label

    with pytest.raises(ContractError, match=r"requests\[0\].*not today"):
        check_labeler(ChangingLabeler(change=change), requests=[request])


@dataclass
class SharedState(FakeLabeler):
    """Mixes up requests that it is asked at the same time."""

    async def label(self, request: LabelRequest) -> Label:
        self.current = request
        await asyncio.sleep(0)  # the others take their turn
        return Label(f"feature {self.current.evidence.feature}", "fake", "high", "it is")


def test_requests_at_the_same_time_are_not_mixed_up():
    with pytest.raises(ContractError, match="the same request gets the same answer"):
        check_labeler(SharedState())


class Synchronous:
    name = "sync"

    def label(self, request: LabelRequest) -> Label:
        return Label("a", self.name, "high", "it is")


class Nameless:
    async def label(self, request: LabelRequest) -> Label:
        return Label("a", "", "high", "it is")


@pytest.mark.parametrize(
    ("labeler", "message"),
    [
        (FakeLabeler, r"FakeLabeler is a class: check an object, FakeLabeler\(argument\)"),
        (object(), "object is no labeler: it has no name and no label"),
        (Nameless(), "Nameless is no labeler: it has no name"),
        (Synchronous(), "is not asynchronous: write `async def`"),
        (FakeLabeler(name=""), "needs a name of one line, not ''"),
        (FakeLabeler(name="a\nb"), "needs a name of one line"),
        (FakeLabeler(name="weights:/data/w.bin"), "must hold no path of a machine"),
        (FakeLabeler(name=r"C:\w.bin"), "must hold no path of a machine"),
    ],
)
def test_what_is_no_labeler_is_told_so(labeler: object, message: str):
    with pytest.raises(ContractError, match=message):
        check_labeler(labeler)


@pytest.mark.parametrize("name", ["http:m@https://host/v1", "a/b", "owner/model@1.0"])
def test_addresses_and_repositories_are_no_paths(name: str):
    check_labeler(FakeLabeler(name=name))


@dataclass
class PaidLabeler(FakeLabeler):
    """Keeps its answers in a ledger; each flag breaks one rule of that."""

    ledger: Ledger | None = None
    ask: bool = True
    records: bool = True
    reads: bool = True
    obeys: bool = True
    closed: list[bool] = field(default_factory=list)
    prompt: Any = "What is it?"

    def with_ledger(self, ledger: Ledger, *, ask: bool = True) -> "PaidLabeler":
        return replace(self, ledger=ledger, ask=ask)

    def show_prompt(self, request: LabelRequest) -> str:
        return self.prompt

    async def label(self, request: LabelRequest) -> Label | Abstention:
        assert self.ledger is not None
        key = request.evidence.digest
        if not (self.reads and self.ledger.find_answer(key)):
            if self.obeys and not self.ask:
                raise LabelerError("was not asked yet")
            if self.records:
                self.ledger.record_answer(Answer(key, "{}", "m", None, None, None, "stop"))
        return await super().label(request)

    async def aclose(self) -> None:
        self.closed.append(True)


def test_a_labeler_with_a_ledger_is_closed_once():
    labeler = PaidLabeler()
    check_labeler(labeler)
    assert labeler.closed == [True]


def test_it_is_closed_also_when_it_fails():
    labeler = PaidLabeler(records=False)
    with pytest.raises(ContractError):
        check_labeler(labeler)
    assert labeler.closed == [True]


class Renamed(PaidLabeler):
    def with_ledger(self, ledger: Ledger, *, ask: bool = True) -> PaidLabeler:
        return PaidLabeler(name="other", ledger=ledger, ask=ask)


class LosesLedger(PaidLabeler):
    def with_ledger(self, ledger: Ledger, *, ask: bool = True) -> Any:
        return FakeLabeler()


class NeverClosed(FakeLabeler):
    def with_ledger(self, ledger: Ledger, *, ask: bool = True) -> "NeverClosed":
        return self


class OnlyOpens(FakeLabeler):
    def with_ledger(self, ledger: Ledger, *, ask: bool = True) -> PaidLabeler:
        return PaidLabeler(ledger=ledger, ask=ask)


class HidesThatItAsked(PaidLabeler):
    """Asks with ask=False, and then says that it did not."""

    async def label(self, request: LabelRequest) -> Label | Abstention:
        assert self.ledger is not None
        is_known = self.ledger.find_answer(request.evidence.digest) is not None
        answer = await super().label(request)
        if is_known or self.ask:
            return answer
        raise LabelerError("was not asked yet")


class BreaksOnClosing(PaidLabeler):
    async def aclose(self) -> None:
        raise OSError("gone")


@pytest.mark.parametrize(
    ("labeler", "message"),
    [
        (PaidLabeler(records=False), "recorded nothing in the ledger"),
        (PaidLabeler(reads=False), r"said first .* and then 'broke'"),
        (PaidLabeler(reads=False, obeys=False), "asked despite ask=False"),
        (PaidLabeler(obeys=False), "answered .* from an empty ledger"),
        (PaidLabeler(prompt=""), "shows the prompt ''"),
        (Renamed(), "with_ledger renames the labeler 'fake'"),
        (LosesLedger(), "FakeLabeler is no labeler with a ledger: it has no with_ledger"),
        (NeverClosed(), "it has no show_prompt and no aclose"),
        (OnlyOpens(), "OnlyOpens is no labeler with a ledger: it has no show_prompt"),
        (HidesThatItAsked(obeys=False), "asked despite ask=False"),
        (BreaksOnClosing(), "aclose of the labeler 'fake' raised OSError: gone"),
    ],
)
def test_a_broken_rule_of_ledgers_is_named(labeler: object, message: str):
    with pytest.raises(ContractError, match=message):
        check_labeler(labeler)
