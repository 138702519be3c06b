"""Other people's text without keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.llm.redaction import hide_keys, redact, write_line


@pytest.mark.parametrize(
    "key",
    ["sk-proj-abcdefghij0123456789", "sk-abc***************wxyz", "AIzaSyA1234567890abcdef"],
)
def test_what_looks_like_a_key_goes(key: str):
    assert redact(f"Incorrect key {key} given") == "Incorrect key [key] given"


@pytest.mark.parametrize(
    "name",
    [
        "OTHER_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "HF_TOKEN",
        "x_secret",
        "WATSONX_APIKEY",
        "PGPASSWORD",
    ],
)
def test_secrets_of_the_environment_go_whatever_they_look_like(
    monkeypatch: pytest.MonkeyPatch, name: str
):
    monkeypatch.setenv(name, "plain words")
    assert redact("refused: plain words!") == "refused: [key]!"
    assert hide_keys("refused:\n plain words!") == "refused:\n [key]!"


def test_a_secret_inside_another_leaves_nothing_of_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("A_API_KEY", "12345678")
    monkeypatch.setenv("B_API_KEY", "12345678-canary")
    assert hide_keys("say 12345678-canary") == "say [key]"


def test_a_secret_that_was_read_from_a_file_goes_without_its_line_break(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("A_API_KEY", "sesame-2026-open\n")
    assert redact("key sesame-2026-open refused") == "key [key] refused"


def test_a_stand_in_for_a_key_is_no_secret(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "ollama")
    assert redact("ollama has no such model") == "ollama has no such model"


def test_a_bearer_token_goes():
    assert redact("Authorization: Bearer abc.def, sent") == "Authorization: [key] sent"


def test_ordinary_words_stay():
    text = "the task-force of model gpt-4o-mini was not found"
    assert redact(text) == text


def test_a_key_is_gone_before_the_line_is_cut(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OTHER_API_KEY", "k" * 40)
    assert "kk" not in redact("x" * 180 + "k" * 40)


@given(st.text())
def test_a_fault_is_one_short_line(text: str):
    line = redact(text)
    assert len(line) <= 200
    assert line.isprintable()


@given(st.text(), st.integers(1, 30))
def test_a_line_keeps_to_its_length(text: str, max_chars: int):
    assert len(write_line(text, max_chars)) <= max_chars
