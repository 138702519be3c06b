import asyncio
import logging
import traceback
from typing import Any

import pytest
from tests.fake_llm import make_request
from tests.outcomes import make_label
from tests.strangers import Stranger, raising, returning

from clerp.errors import LabelerError, LedgerError
from clerp.labelers import LabelRequest
from clerp.labelers.guard import ask_labeler
from clerp.labels import Abstention, Label


@pytest.mark.parametrize("answer", [make_label(), Abstention("stranger", "none")])
async def test_a_label_or_an_abstention_is_passed_on(answer: Label | Abstention):
    assert await ask_labeler(returning(answer), make_request()) is answer


@pytest.mark.parametrize("fault", [LabelerError("no label"), LedgerError("disk full")])
async def test_an_error_of_clerp_is_passed_on(fault: Exception):
    with pytest.raises(type(fault)) as raised:
        await ask_labeler(raising(fault), make_request())
    assert raised.value is fault


class LockedError(Exception):
    def __str__(self) -> str:
        return "  locked\r\n\tagain\u2028" + "x" * 10_000


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (ZeroDivisionError("a\nfault"), "ZeroDivisionError: a fault"),
        (TimeoutError(), "TimeoutError:"),
        (AssertionError("no"), "AssertionError: no"),
        (StopAsyncIteration(), "StopAsyncIteration:"),
        (asyncio.CancelledError("its own task"), "CancelledError: its own task"),
        (ExceptionGroup("several", [ValueError("v")]), "ExceptionGroup: several"),
        (LockedError(), "LockedError: locked again xxx"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
async def test_any_other_exception_is_one_short_line(fault: BaseException, said: str):
    with pytest.raises(LabelerError) as raised:
        await ask_labeler(raising(fault), make_request())
    start = "the labeler 'stranger' broke: "
    assert raised.value.what.startswith(start + said)
    assert len(raised.value.what.splitlines()) == 1
    assert len(raised.value.what) <= len(start) + 200
    assert raised.value.__cause__ is None


async def test_a_key_in_a_strangers_fault_is_told_nowhere(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FOO_API_KEY", "canary-foo-0123456")
    fault = ValueError("no access with canary-foo-0123456")
    with caplog.at_level(logging.DEBUG, "clerp"), pytest.raises(LabelerError) as raised:
        await ask_labeler(raising(fault), make_request())
    told = "".join(traceback.format_exception(raised.value)) + caplog.text
    assert "no access with [key]" in told
    assert "canary" not in told


async def test_a_strangers_traceback_is_kept_for_whoever_debugs(caplog: pytest.LogCaptureFixture):
    request = make_request()
    with caplog.at_level(logging.DEBUG, "clerp"), pytest.raises(LabelerError):
        await ask_labeler(raising(ZeroDivisionError("deep")), request)
    assert "ZeroDivisionError: deep" in caplog.text
    assert f"stranger broke at {request.evidence.feature}" in caplog.text


@pytest.mark.parametrize(
    ("answer", "kind"), [(None, "NoneType"), ("Texas", "str"), ({"text": "Texas"}, "dict")]
)
async def test_an_answer_of_another_type_is_a_failure(answer: object, kind: str):
    with pytest.raises(LabelerError, match=f"the labeler 'stranger' answered {kind}, which is"):
        await ask_labeler(returning(answer), make_request())


async def test_a_cancellation_from_outside_is_no_failure_of_the_labeler():
    asked = asyncio.Event()

    async def answer(_: LabelRequest) -> Any:
        asked.set()
        await asyncio.Event().wait()

    asking = asyncio.create_task(ask_labeler(Stranger(answer), make_request()))
    await asked.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
