"""What is kept of a completion."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import AnswerError
from clerp.llm.transport import Completion, check_completion

GOOD = Completion('{"label": "x"}', "m-2026", "stop", 600, 40, 0.001, "req-1", "json_object")


def test_a_good_completion_stays_as_it_is():
    assert check_completion(GOOD, where="m") == GOOD


@pytest.mark.parametrize(
    ("text", "reason", "what"),
    [
        ("", "length", r"the answer is empty \(length\)"),
        ("", "refusal", r"the answer is empty \(refusal\)"),
        ("x" * 20_001, "stop", "the answer has 20,001 characters"),
    ],
)
def test_no_answer_says_what_it_cost(text: str, reason: str, what: str):
    with pytest.raises(AnswerError, match=f"^m: {what}$") as caught:
        check_completion(replace(GOOD, text=text, finish_reason=reason), where="m")
    assert caught.value.details == {
        "model": "m-2026",
        "cost_usd": 0.001,
        "prompt_tokens": 600,
        "completion_tokens": 40,
    }


def test_a_key_is_in_no_part_of_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOME_API_KEY", "canary-words")
    said = "canary-words"
    checked = check_completion(Completion(said, said, said, 1, 1, None, said), where="m")
    assert (checked.text, checked.model, checked.finish_reason, checked.request_id) == (
        "[key]",
        "[key]",
        "[key]",
        "[key]",
    )


# `st.text` draws no halves of surrogate pairs unless it is told to.
@given(st.text(st.characters(exclude_categories=()), min_size=1))
def test_whatever_comes_can_be_written_to_a_file(said: str):
    checked = check_completion(Completion(said, said, said, None, None, None, said), where="m")
    assert checked.text.encode()
    for line in (checked.model, checked.finish_reason, checked.request_id):
        assert line.encode().decode().isprintable()
        assert len(line) <= 200
