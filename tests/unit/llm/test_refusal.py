"""What a provider's error means."""

import ssl
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import BusyError, DeniedError, FormatError, TransportError
from clerp.llm.prompt import AnswerFormat
from clerp.llm.refusal import Refusal, explain, explain_loss

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


@pytest.mark.parametrize(
    "message",
    [
        "maximum context length exceeded by: the rules of English grammar say that",
        "x" * 500 + " failed to compile grammar",
    ],
)
def test_a_prompt_about_grammar_is_no_complaint_about_the_format(message: str):
    fault = explain(Refusal(400, message), "json_schema", where="m")
    assert type(fault) is TransportError


@pytest.mark.parametrize(
    "message",
    ["Input was flagged for violence", "rejected by moderation", "violates our content policy"],
)
def test_a_text_that_is_moderated_concerns_itself_alone(message: str):
    fault = explain(Refusal(403, message), "json_schema", where="m")
    assert type(fault) is TransportError
    assert not fault.may_be_billed
    assert isinstance(explain(Refusal(403, "bad key"), "text", where="m"), DeniedError)


@pytest.mark.parametrize(
    ("refusal", "may_be_billed"),
    [
        *((Refusal(status, ""), False) for status in (307, 400, 401, 402, 403, 404, 413, 429)),
        *((Refusal(status, ""), True) for status in (200, 408, 409, 418, 500, 502, 503, 504, 529)),
        (Refusal(503, "", retry_after=1.0), False),
        (Refusal(500, "", retry_after=1.0), True),
        (Refusal(429, "", follows_answer=True), True),
        (Refusal(400, "insufficient_quota", follows_answer=True), True),
    ],
)
def test_only_what_was_turned_away_is_surely_not_billed(refusal: Refusal, may_be_billed: bool):
    assert explain(refusal, "text", where="m").may_be_billed is may_be_billed


def test_a_form_that_is_refused_was_not_used():
    quoted = Refusal(500, "response_format must be text")
    assert not explain(quoted, "json_schema", where="m").may_be_billed


@pytest.mark.parametrize(
    "message",
    [
        "<ssl.SSLContext object at 0x7f3a2c>",
        'Traceback (most recent call last): File "/usr/lib/x.py", line 3, in send',
        "cannot connect to host gpu-box.example:8000",
        "see https://user@host.example/v1?x=1 or unix://host.example",
        "upstream 10.0.0.7 and 127.0.0.1:8080 and [::1]:8080 and localhost:80",
    ],
)
def test_what_hangs_on_the_machine_or_the_address_is_left_out(message: str):
    said = str(explain(Refusal(500, f"broke: {message}"), "text", where="m"))
    assert said.startswith("m: the provider answered (500): broke:")
    assert not any(
        m in said for m in ("0x", "/", "Traceback", "example", "127", "10.0", "::1", ":80")
    )


def test_a_connection_that_failed_is_named_by_its_kind_alone():
    lost = ConnectionError("host.example:80 after 17 bytes")
    assert str(explain_loss(lost, where="m")) == "m: the connection failed: ConnectionError"
    lost.__cause__ = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version (_ssl.c:1006)")
    lost.__cause__.reason = "WRONG_VERSION_NUMBER"
    fault = explain_loss(lost, where="m")
    assert fault.what == "the connection failed: [SSL: WRONG_VERSION_NUMBER]"
    assert fault.may_be_billed


def test_half_a_key_at_the_end_of_what_is_read_is_not_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOME_API_KEY", "canary-0123456789")
    message = "no" + " " * 3990 + "canary-0123456789"
    assert "canary" not in str(explain(Refusal(500, message), "text", where="m"))


def test_words_that_are_not_the_providers_are_not_shown():
    refusal = Refusal(400, "insides", name="it broke", is_quotable=False)
    assert explain(refusal, "text", where="m").what == "it broke (400)"


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
