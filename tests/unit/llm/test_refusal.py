"""What a provider's error means."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import BusyError, DeniedError, FormatError, TransportError
from clerp.llm.prompt import AnswerFormat
from clerp.llm.refusal import Refusal, explain

OPENAI_FORMAT = (
    "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."
)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 529])
def test_what_may_pass_is_busy(status: int):
    fault = explain(Refusal(status, "slow down", retry_after=7.0), "json_schema", where="m")
    assert isinstance(fault, BusyError)
    assert fault.retry_after == 7.0


def test_a_wait_that_was_not_asked_for_is_unknown_and_a_long_one_is_capped():
    short = explain(Refusal(429, ""), "text", where="m")
    long = explain(Refusal(429, "", retry_after=1e9), "text", where="m")
    assert isinstance(short, BusyError)
    assert isinstance(long, BusyError)
    assert (short.retry_after, long.retry_after) == (None, 3600.0)


@pytest.mark.parametrize("status", [301, 307, 401, 402, 403, 404, 405])
def test_what_will_not_pass_is_denied(status: int):
    assert isinstance(explain(Refusal(status, "no"), "text", where="m"), DeniedError)


@pytest.mark.parametrize(
    ("status", "message", "codes"),
    [
        (429, "You exceeded your current quota, please check your plan", "insufficient_quota"),
        (400, "Your credit balance is too low to access the Anthropic API", ""),
        (402, "Insufficient Balance", ""),
        (429, "Billing hard limit has been reached", "billing_hard_limit_reached"),
    ],
)
def test_an_exhausted_account_is_denied_whatever_its_status(status: int, message: str, codes: str):
    fault = explain(Refusal(status, message, codes), "json_schema", where="m")
    assert isinstance(fault, DeniedError)
    assert "used up" in fault.what


def test_a_quota_for_each_minute_is_not_an_exhausted_account():
    message = "You exceeded your current quota, please retry in 13 s. RESOURCE_EXHAUSTED"
    assert isinstance(explain(Refusal(429, message), "text", where="m"), BusyError)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, OPENAI_FORMAT),
        (400, "This response_format type is unavailable now"),
        (400, "'response_format.type' must be 'json_schema' or 'text'"),
        (422, "response_format.type: unknown variant `json_schema`"),
        (400, "Failed to compile grammar"),
        (500, 'response_format type must be one of "text" or "json_object", but got: json_schema'),
        (
            500,
            "1 validation error: {'type': 'literal_error', 'loc': ('body', 'response_format', "
            "'type'), 'msg': \"Input should be 'text' or 'json_object'\"}",
        ),
    ],
)
def test_a_complaint_about_the_format_is_known(status: int, message: str):
    assert isinstance(explain(Refusal(status, message), "json_schema", where="m"), FormatError)


def test_nobody_can_complain_of_a_format_that_was_not_sent():
    assert not isinstance(explain(Refusal(400, OPENAI_FORMAT), "text", where="m"), FormatError)


def test_a_server_that_broke_over_a_request_may_have_quoted_it():
    quoted = Refusal(500, 'worker died: {"response_format": {"type": "json_schema"}}')
    assert isinstance(explain(quoted, "json_schema", where="m"), BusyError)


def test_what_concerns_one_prompt_is_neither():
    fault = explain(Refusal(400, "maximum context length is 4096"), "json_schema", where="m")
    assert type(fault) is TransportError
    assert str(fault) == "m: the provider answered (400): maximum context length is 4096"


STATUSES = st.integers(100, 999)
FORMATS = st.sampled_from(get_args(AnswerFormat))


@given(STATUSES, st.text(), st.text(), FORMATS)
def test_any_refusal_is_one_short_line(
    status: int, message: str, codes: str, answer_format: AnswerFormat
):
    line = str(explain(Refusal(status, message, codes), answer_format, where="m"))
    assert len(line) < 400
    assert line.isprintable()
