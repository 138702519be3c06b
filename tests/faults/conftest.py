"""A place to label in, a server to ask, and the table of figures at the end of the run."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.command_line import Outcome, make_runner
from tests.fake_llm import FakeLlm, run_fake_llm
from tests.faults.figures import Figures, collect_figures, draw_table
from tests.faults.place import Place, make_place, name_by_prompt

Label = Callable[..., Outcome]


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    return Figures(request.node)


@pytest.fixture
def fake() -> Iterator[FakeLlm]:
    with run_fake_llm(name_by_prompt, latency=0.01) as running:
        yield running


@pytest.fixture
def n_features() -> int:
    """Of the graph of `place`; a module may say another number."""
    return 24


@pytest.fixture
def place(tmp_path: Path, fake: FakeLlm, n_features: int) -> Place:
    return make_place(tmp_path / "place", n_features, fake.address)


@pytest.fixture
def label(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Label:
    """Label in this process; takes more flags, and `concurrency`."""
    monkeypatch.chdir(place.folder)
    run = make_runner(capsys, monkeypatch)
    return lambda *flags, concurrency=16: run(
        *place.list_arguments(*flags, concurrency=concurrency)
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    noted = collect_figures(terminalreporter.getreports("passed"))
    if noted:
        terminalreporter.section("faults")
        for line in draw_table(noted):
            terminalreporter.write_line(line)
