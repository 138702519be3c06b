"""OpenAI's bodies: what is sent, and what is made of what comes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import BusyError, DeniedError, TransportError
from clerp.llm.answer import LabelAnswer
from clerp.llm.chat_completion import read_completion, read_refusal, write_request
from clerp.llm.prompt import AnswerFormat, Prompt
from clerp.llm.transport import clean_completion, find_complaint

PROMPT = Prompt("Name it.", "Texas, Ohio", LabelAnswer)
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
GOOD = {
    "id": "chatcmpl-1",
    "model": "m-2026",
    "choices": [CHOICE],
    "usage": {"prompt_tokens": 6, "completion_tokens": 4},
}


def read(body: Any):
    return read_completion(json.dumps(body).encode(), "json_schema", where="m")


def write(answer_format: AnswerFormat) -> dict[str, Any]:
    return json.loads(write_request("m", PROMPT, answer_format, {"temperature": 0}))


def test_a_schema_is_sent_as_openai_wants_it():
    body = write("json_schema")
    assert (body["model"], body["temperature"]) == ("m", 0)
    assert body["response_format"]["type"] == "json_schema"
    sent = body["response_format"]["json_schema"]
    assert sent == {
        "name": "LabelAnswer",
        "schema": LabelAnswer.model_json_schema(),
        "strict": True,
    }


def test_the_lower_forms_put_the_schema_into_the_text():
    assert write("json_object")["response_format"] == {"type": "json_object"}
    assert "response_format" not in write("text")
    assert write("json_object_schema")["response_format"] == {
        "type": "json_object",
        "schema": LabelAnswer.model_json_schema(),
    }
    for answer_format in ("json_object_schema", "json_object", "text"):
        assert "abstain_reason" in write(answer_format)["messages"][-1]["content"]


def test_half_a_surrogate_pair_in_a_token_can_be_sent():
    prompt = Prompt("s", "\ud800", LabelAnswer)
    assert json.loads(write_request("m", prompt, "json_schema", {}))["messages"]


def test_a_good_answer_is_read():
    read_ = read(GOOD)
    assert (read_.text, read_.model, read_.finish_reason) == ("x", "m-2026", "stop")
    assert (read_.prompt_tokens, read_.completion_tokens, read_.cost_usd) == (6, 4, None)
    assert read_.request_id == "chatcmpl-1"


def test_a_text_in_parts_is_put_together():
    parts = [{"type": "text", "text": "US "}, {"type": "image"}, {"type": "text", "text": "states"}]
    assert read({**GOOD, "choices": [{"message": {"content": parts}}]}).text == "US states"


@pytest.mark.parametrize(
    "usage", [None, 3, {}, {"prompt_tokens": 0, "completion_tokens": "4"}, {"prompt_tokens": -1}]
)
def test_usage_that_says_nothing_is_unknown(usage: Any):
    completion = read({**GOOD, "usage": usage})
    assert (completion.prompt_tokens, completion.completion_tokens) == (None, None)


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        ([], "no choices"),
        ([{"message": {"content": None}, "finish_reason": "length"}], "length"),
        ([{"message": {"content": ""}}], "unknown"),
        ([{"message": {"content": None, "refusal": "I cannot"}}], "refusal"),
    ],
)
def test_no_text_says_why(choices: list[Any], reason: str):
    completion = read({**GOOD, "choices": choices})
    assert (completion.text, completion.finish_reason) == ("", reason)


@pytest.mark.parametrize(
    "body", [[], 3, "x", {"hello": 1}, {"choices": None}, {"choices": [{"message": "x"}]}]
)
def test_json_that_is_no_chat_completion_ends_the_asking_and_may_be_billed(body: Any):
    with pytest.raises(DeniedError, match="no chat completion") as caught:
        read(body)
    assert caught.value.may_be_billed
    assert "OpenAI-compatible" in caught.value.remedy


@pytest.mark.parametrize("content", [b"<html>", b"", b'{"choices": [', b"\xff", b"[" * 100_000])
def test_what_is_no_json_may_pass(content: bytes):
    with pytest.raises(BusyError, match="no JSON") as caught:
        read_completion(content, "text", where="m")
    assert caught.value.may_be_billed


def test_an_error_with_a_good_status_is_an_error():
    with pytest.raises(BusyError, match="rate limit") as caught:
        read({"error": {"code": 429, "message": "slow down"}})
    # It may have broken off an answer.
    assert caught.value.may_be_billed
    with pytest.raises(DeniedError, match="used up"):
        read({"error": {"code": 402, "message": "no credits"}})
    with pytest.raises(BusyError, match="overloaded"):
        read({"error": "overloaded"})


@pytest.mark.parametrize(
    ("body", "message", "codes"),
    [
        ({"error": {"message": "no", "type": "t", "code": "c"}}, "no", "t c"),
        ({"error": "model not found"}, '"model not found"', ""),
        ({"object": "error", "message": "no", "type": "BadRequestError", "code": 400}, "no", "400"),
        ({"detail": [{"loc": ["body", "response_format"]}]}, "response_format", ""),
        ({"detail": "Not Found"}, '"Not Found"', ""),
    ],
)
def test_an_error_is_found_in_every_servers_form(body: Any, message: str, codes: str):
    refusal = read_refusal(400, json.dumps(body).encode(), None)
    assert message in refusal.message
    assert codes in refusal.codes


def test_a_page_says_nothing():
    assert read_refusal(502, b"<html>bad gateway</html>", 3.0).message == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "content", "error", "code", "usage", "model"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.binary() | JSON.map(lambda body: json.dumps(body).encode()))
def test_anything_is_a_completion_or_a_typed_fault(content: bytes):
    read_refusal(400, content, None)
    try:
        said = read_completion(content, "json_schema", where="m")
        said = clean_completion(said).text or find_complaint(said)
    except TransportError as fault:
        said = str(fault)
    assert said


@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=40))
def test_a_text_of_any_characters_is_read(text: str):
    choice = {"message": {"content": text}, "finish_reason": "stop"}
    checked = clean_completion(read({**GOOD, "choices": [choice]}))
    assert checked.text == text.encode(errors="replace").decode()
