"""The command line with a ledger on a server does what it does with one in a file."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.command_line import Run, assert_refused, make_runner, take_stock
from tests.fake_llm import run_fake_llm
from tests.faults.place import fingerprint, make_place, name_by_prompt
from tests.postgres import Postgres, find_port
from tests.postgres import postgres as postgres
from tests.unit.ledger.databases import dump

from clerp.ledger import open_ledger

pytestmark = pytest.mark.slow

FRANCE = Path(__file__).parents[2] / "graphs" / "smollm2-135m" / "capital-of-france.json"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return make_runner(capsys, monkeypatch)


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    with postgres.make_database() as made:
        yield made


def label_sample(ledger: str, out: Path) -> bytes:
    """Label a bundled graph in a process that does not check the types of every call."""
    command = [sys.executable, "-c", "from clerp.cli import main; main()", "label", FRANCE]
    flags = ["--ledger", ledger, "--out", out, "--llm", ""]
    subprocess.run([*command, *flags], capture_output=True, check=True, timeout=200)
    return out.read_bytes()


def test_a_bundled_graph_is_labelled_alike_and_a_second_run_writes_nothing(
    url: str, tmp_path: Path
) -> None:
    file, out = str(tmp_path / "clerp.db"), tmp_path / "out.json"
    in_file, on_server = label_sample(file, out), label_sample(url, out)
    assert in_file == on_server
    # Also who wrote each row, and where it lies.
    before = dump(url)
    assert label_sample(url, out) == on_server
    assert dump(url) == before
    with open_ledger(file) as ours, open_ledger(url) as theirs:
        assert ours.queued() == theirs.queued()
        assert len(ours.queued()) > 0


def test_answers_of_a_model_are_asked_for_once(
    run: Run, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run_fake_llm(name_by_prompt) as fake:
        place = make_place(tmp_path / "place", 60, fake.address)
        monkeypatch.chdir(place.folder)
        outputs: list[bytes] = []
        dumps: list[object] = []
        for ledger in ("clerp.db", url, url):
            outcome = run(*place.list_arguments("--llm-all", "--ledger", ledger))
            assert outcome.code == 0, outcome
            outputs.append(place.out.read_bytes())
            dumps.append(dump(ledger))
    assert outputs[0] == outputs[1] == outputs[2]
    assert dumps[1] == dumps[2]
    # Once for each of the two ledgers.
    assert len(fake.received) == 2 * len(set(map(fingerprint, fake.received))) == 120


def test_a_server_that_does_not_run_is_told_in_one_line_without_the_password(
    run: Run, tmp_path: Path
) -> None:
    place = make_place(tmp_path / "place", 4, "")
    before = take_stock(tmp_path)
    url = f"postgresql://clerp:S3CRET@127.0.0.1:{find_port()}/ledger"
    outcome = run("label", place.folder / "graph.json", "--ledger", url, "--llm", "")
    assert_refused(outcome, "postgresql://clerp:***@127.0.0.1", "does not answer", "Check that it")
    assert "S3CRET" not in outcome.err
    assert take_stock(tmp_path) == before
