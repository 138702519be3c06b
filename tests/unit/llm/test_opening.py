"""Names of models, and what is loaded for them."""

import importlib.util
import subprocess
import sys

import pytest

from clerp.errors import PluginError, UsageError
from clerp.llm.http_transport import HttpTransport
from clerp.llm.litellm_transport import LitellmTransport
from clerp.llm.opening import forget_address, open_transport
from clerp.llm.transport import Transport


def test_a_name_with_an_address_goes_over_plain_http():
    transport = open_transport("http:llama3.2@http://127.0.0.1:11434/v1")
    assert isinstance(transport, HttpTransport)
    assert isinstance(transport, Transport)
    assert transport.model == "http:llama3.2"


def test_any_other_name_is_litellms():
    transport = open_transport("anthropic/claude-sonnet-4-5")
    assert isinstance(transport, LitellmTransport)
    assert isinstance(transport, Transport)
    assert transport.model == "anthropic/claude-sonnet-4-5"


@pytest.mark.parametrize("name", ["", "http:", "http:model", "http://127.0.0.1/v1", "https://x/v1"])
def test_a_name_without_a_model_is_refused(name: str):
    with pytest.raises(UsageError):
        open_transport(name)


@pytest.mark.parametrize("name", ["https://x/v1", "https:m@https://host.example/v1"])
@pytest.mark.parametrize("ask", [True, False])
def test_what_is_mistaken_for_http_says_how_it_is_written(name: str, ask: bool):
    with pytest.raises(UsageError, match="Write http:MODEL@URL"):
        open_transport(name, ask=ask)


def test_missing_litellm_names_the_install_line_and_stops_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r"pip install 'clerp\[litellm\]'"):
        open_transport("openai/x")
    assert open_transport("http:m@https://host.example/v1").model == "http:m"


def test_nothing_heavy_is_loaded_before_a_model_is_named():
    code = (
        "import sys, clerp.llm; sys.exit(any(m in sys.modules for m in"
        " ('litellm', 'openai', 'httpx')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("http:llama3.2@http://127.0.0.1:11434/v1", "http:llama3.2"),
        ("http:org/m@v2@https://host.example/v1", "http:org/m@v2"),
        ("http:m", "http:m"),
        ("openai/m@http-v2", "openai/m@http-v2"),
    ],
)
def test_a_model_is_known_without_the_place_of_its_server(name: str, known: str):
    assert forget_address(name) == known
    assert forget_address(known) == known


def test_a_model_that_is_not_asked_needs_no_address():
    asked = open_transport("http:org/m@v2@http://127.0.0.1/v1")
    looked_up = open_transport(forget_address("http:org/m@v2@http://127.0.0.1/v1"), ask=False)
    assert looked_up.model == asked.model == "http:org/m@v2"
    assert looked_up.parameters == asked.parameters


def test_an_address_that_was_given_stays_where_nobody_is_asked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CLERP_LLM_API_KEY", "sk-canary-0123456789abcdefghij")
    with pytest.raises(UsageError, match="would travel unencrypted"):
        open_transport("http:m@http://host.example/v1", ask=False)
