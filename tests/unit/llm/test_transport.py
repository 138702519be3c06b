"""What needs no server: prompts, redaction and the missing dependency."""

import importlib.util
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import PluginError
from clerp.llm.answer import LabelAnswer
from clerp.llm.transport import LitellmTransport, Prompt, Transport, redact

PROMPT = Prompt("system", "user", LabelAnswer)


def test_the_hash_covers_all_that_is_sent():
    assert PROMPT.hash == Prompt("system", "user", LabelAnswer).hash
    others = [
        Prompt("systemu", "ser", LabelAnswer),
        Prompt("system", "another", LabelAnswer),
        PROMPT.with_complaint("too long"),
    ]
    assert len({PROMPT.hash, *(other.hash for other in others)}) == 4


def test_a_complaint_is_added_to_the_question():
    assert PROMPT.with_complaint("too long").user.startswith("user\n\n")
    assert "too long" in PROMPT.with_complaint("too long").user


def test_litellm_is_a_transport():
    assert isinstance(LitellmTransport("openai/x"), Transport)


async def test_a_transport_that_was_never_used_closes():
    transport = LitellmTransport("openai/x")
    await transport.aclose()
    assert transport.model == "openai/x"


async def test_missing_litellm_names_the_install_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r"pip install 'clerp\[litellm\]'"):
        await LitellmTransport("openai/x").complete(PROMPT)


def test_importing_the_transport_does_not_import_litellm():
    code = "import sys, clerp.llm; sys.exit('litellm' in sys.modules or 'openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "key",
    ["sk-proj-abcdefghij0123456789", "sk-abc***************wxyz", "AIzaSyA1234567890abcdef"],
)
def test_what_looks_like_a_key_goes(key: str):
    assert redact(f"Incorrect key {key} given") == "Incorrect key [key] given"


def test_keys_of_the_environment_go_whatever_they_look_like(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OTHER_API_KEY", "plain words")
    assert redact("refused: plain words!") == "refused: [key]!"


def test_a_bearer_token_goes():
    assert redact("Authorization: Bearer abc.def, sent") == "Authorization: [key] sent"


def test_ordinary_words_stay():
    text = "the task-force of model gpt-4o-mini was not found"
    assert redact(text) == text


@given(st.text())
def test_a_fault_is_one_short_line(text: str):
    line = redact(text)
    assert len(line) <= 200
    assert line.isprintable()
