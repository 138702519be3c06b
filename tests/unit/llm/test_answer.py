"""What counts as an answer."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import AnswerError
from clerp.llm.answer import LabelAnswer, parse_answer

GOOD = {
    "label": "US states",
    "explanation": "All texts name a state.",
    "evidence": ["0.0"],
    "abstain": False,
    "abstain_reason": "",
}


def write(**changes: object) -> str:
    return json.dumps({**GOOD, **changes})


def test_a_good_answer_is_read():
    assert parse_answer(write()) == LabelAnswer(**GOOD)


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{write()}\n```",
        f"```\n{write()}\n```\n",
        f"Here it is:\n```json\n{write()}\n```\nAnything else?",
        f"\n  {write()}\n",
    ],
)
def test_a_fence_or_space_around_it_does_not_matter(text: str):
    assert parse_answer(text).label == "US states"


def test_the_label_is_cleaned():
    assert parse_answer(write(label=" <US>\u202e  states ")).label == "US states"


def test_an_abstention_needs_no_label():
    answer = parse_answer(write(abstain=True, label="", abstain_reason="nothing\nis shared"))
    assert (answer.abstain, answer.abstain_reason) == (True, "nothing is shared")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "EOF"),
        ("I cannot help with that.", "Invalid JSON"),
        (write()[:-9], "EOF"),
        ("[]", "the answer: Input should be an object"),
        ("{}", "label: Field required"),
        (write(confidence=1), "another key: Extra inputs"),
        (write(abstain="false"), "abstain: Input should be a valid boolean"),
        (write(evidence=[0.1]), "evidence: Input should be a valid string"),
        (write(label=None), "label: Input should be a valid string"),
        (write(label=" \u200b "), "the label is empty"),
        (write(label="one two three four five six seven"), "7 words, not 1 to 6"),
        (write(explanation="x" * 401), "explanation is longer than 400"),
        (write(abstain=True, abstain_reason="x" * 401), "abstain_reason is longer than 400"),
        (f"```\n{write()}\n```\n```\n{write()}\n```", "Invalid JSON"),
    ],
)
def test_an_unusable_answer_is_explained(text: str, complaint: str):
    with pytest.raises(AnswerError, match=complaint):
        parse_answer(text)


def test_a_label_that_repeats_the_prompt_is_an_echo():
    with pytest.raises(AnswerError, match="repeats a line of the prompt"):
        parse_answer(write(label="Name this feature"), asked="Look well.\nname this Feature\n")


@pytest.mark.parametrize("text", ["CANARY", '{"CANARY": 1}', write(label={"CANARY": 1})])
def test_a_complaint_quotes_nothing_of_the_answer(text: str):
    with pytest.raises(AnswerError) as caught:
        parse_answer(text)
    assert "CANARY" not in str(caught.value)
    assert caught.value.__context__ is None


@given(st.text() | st.dictionaries(st.sampled_from([*GOOD, "x"]), st.text()).map(json.dumps))
def test_any_text_is_an_answer_or_an_answer_error(text: str):
    try:
        answer = parse_answer(text)
    except AnswerError:
        return
    assert answer.abstain or 1 <= len(answer.label) <= 41


@given(st.text())
def test_a_label_is_short_and_of_one_line(label: str):
    try:
        answer = parse_answer(write(label=label))
    except AnswerError:
        return
    assert 1 <= len(answer.label) <= 41
    assert answer.label.splitlines() == [answer.label]


def test_the_schema_has_nothing_that_providers_refuse():
    schema = json.dumps(LabelAnswer.model_json_schema())
    assert not any(word in schema for word in ("$ref", "$defs", "anyOf", "oneOf", "maxLength"))
