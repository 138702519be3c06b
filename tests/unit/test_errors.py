import copy
import inspect
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp import errors
from clerp.errors import (
    AnswerError,
    ClerpError,
    EvidenceError,
    LabelerError,
    LedgerBusyError,
    NotAvailableError,
    RemoteError,
    VerbalizerError,
)

ERRORS = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, ClerpError)
]


def read_drawn_tree(drawing: str) -> dict[str, str | None]:
    """Read names and their parents from a tree drawn with `├──`."""
    parents: dict[str, str | None] = {}
    above: list[str] = []
    for indent, name in re.findall(r"^([ │├└─]*)(\w+Error) {2,}\S", drawing, re.MULTILINE):
        depth = len(indent) // 4
        parents[name] = above[depth - 1] if depth else None
        above[depth:] = [name]
    return parents


def test_the_tree_that_is_drawn_is_the_tree_of_the_classes():
    assert read_drawn_tree(errors.__doc__ or "") == {
        error.__name__: None if error is ClerpError else error.__base__.__name__
        for error in ERRORS
        if error.__base__ is not None
    }


def test_a_message_says_where_what_and_what_to_do():
    error = EvidenceError(
        "no field `tokens`", where="3_7.json: examples[2]", remedy="Use another file"
    )

    assert str(error) == "3_7.json: examples[2]: no field `tokens`. Use another file"
    assert (error.what, error.where, error.remedy) == (
        "no field `tokens`",
        "3_7.json: examples[2]",
        "Use another file",
    )


def test_a_message_without_place_or_remedy_is_the_fault_alone():
    assert str(ClerpError("the disk is full")) == "the disk is full"
    assert str(ClerpError("the disk is full", where="a.json")) == "a.json: the disk is full"
    assert str(ClerpError("the disk is full", remedy="Free some")) == "the disk is full. Free some"


@given(st.text(), st.text(), st.text())
def test_a_message_is_one_line_that_keeps_every_word(what: str, where: str, remedy: str):
    message = str(ClerpError(what, where=where, remedy=remedy))

    assert len(message.splitlines()) <= 1
    for part in (what, where, remedy):
        assert all(word in message for word in part.split())


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_survives_copies_and_pickles(error: type[ClerpError]):
    raised = error("the fault", where="a.json", remedy="Mend it")

    for again in (copy.copy(raised), pickle.loads(pickle.dumps(raised))):
        assert type(again) is error
        assert str(again) == str(raised) == "a.json: the fault. Mend it"


def test_a_labelers_error_keeps_what_was_paid():
    paid = {"model": "m", "cost_usd": 0.002, "prompt_tokens": None}
    raised = AnswerError("no JSON", details=paid)
    paid.clear()

    for again in (raised, copy.copy(raised), pickle.loads(pickle.dumps(raised))):
        assert again.details == {"model": "m", "cost_usd": 0.002, "prompt_tokens": None}
    assert str(raised) == "no JSON"
    assert LabelerError("broke").details == {}


@pytest.mark.parametrize("error", ERRORS)
def test_only_unfinished_work_exits_with_2(error: type[ClerpError]):
    unfinished = issubclass(error, LabelerError | RemoteError | LedgerBusyError | VerbalizerError)
    may_mend = unfinished and not issubclass(error, NotAvailableError)
    assert error("x").exit_code == (2 if may_mend else 1)
