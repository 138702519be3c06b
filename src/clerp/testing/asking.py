"""Requests to a labeler, and what comes of them."""

import inspect
from asyncio import Semaphore, gather
from collections.abc import Awaitable, Mapping, Sequence
from typing import Literal, cast

from clerp.errors import LabelerError
from clerp.labelers import LabelRequest
from clerp.labels import Abstention, Label
from clerp.plugins import Labeler
from clerp.testing.answers import check_answer, check_fault, write_request
from clerp.testing.cases import Case
from clerp.testing.contract import blaming, require

Outcome = Label | Abstention | Literal["broke"]

_AT_ONCE = 8


async def ask_at_once(labeler: Labeler, cases: Sequence[Case]) -> dict[str, Outcome]:
    """Ask about every case, eight at the same time, as clerp does.

    Returns:
        What came of each case, by its name.

    Raises:
        ContractError: An answer, or an error, is not as the contract asks.
    """
    free = Semaphore(_AT_ONCE)

    async def ask(case: Case) -> Outcome:
        async with free:
            return await _ask(labeler, case)

    outcomes = await gather(*map(ask, cases))
    return {case.name: outcome for case, outcome in zip(cases, outcomes, strict=True)}


async def ask_again(
    labeler: Labeler, cases: Sequence[Case], first: Mapping[str, Outcome], *, deterministic: bool
) -> None:
    """Ask about every case, one by one and the last one first.

    Raises:
        ContractError: As above, or, if it is to be deterministic, something else comes of a case.
    """
    for case in reversed(cases):
        again = await _ask(labeler, case)
        require(
            not deterministic or again == first[case.name],
            f"{name_case(labeler, case)} said first {first[case.name]!r} and then {again!r}: the"
            " same request gets the same answer",
        )


def name_case(labeler: Labeler, case: Case) -> str:
    """Begin a sentence about a labeler and what it was asked."""
    return f"the labeler {labeler.name!r}, asked about {case.name!r},"


async def _ask(labeler: Labeler, case: Case) -> Outcome:
    subject = name_case(labeler, case)
    given = write_request(case.request)
    with blaming(subject):
        outcome = await _call(labeler, case.request, subject)
    require(write_request(case.request) == given, f"{subject} changed the request")
    if not isinstance(outcome, LabelerError):
        return check_answer(outcome, labeler.name, case.request, subject)
    require(
        not case.is_ordinary,
        f"{subject} broke ({outcome}): such a feature it must label or decline",
    )
    check_fault(outcome, case.request, subject)
    return "broke"


async def _call(labeler: Labeler, request: LabelRequest, subject: str) -> object:
    try:
        answer: object = labeler.label(request)
        require(inspect.isawaitable(answer), f"{subject} is not asynchronous: write `async def`")
        return await cast(Awaitable[object], answer)
    except LabelerError as fault:
        return fault
