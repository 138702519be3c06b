"""One server for all tests of this folder, and the table of what it made of the features."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real_model.llama_server import LlamaServer, serve_model
from tests.real_model.summary import collect_summaries


@pytest.fixture(scope="session")
def materials() -> Path:
    given = os.environ.get("CLERP_REAL_LLM")
    if not given:
        pytest.skip("builds llama.cpp and fetches 100 MB; run make test-llm")
    return Path(given).resolve()


@pytest.fixture(scope="session")
def server(materials: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    log = tmp_path_factory.mktemp("server") / "log"
    with serve_model(materials, log) as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    summaries = collect_summaries(
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        if report.when == "call"
    )
    if summaries:
        terminalreporter.section("a real model")
    for line in summaries:
        terminalreporter.write_line(line)
