"""Bad input costs one clear line and nothing else: no file, no ledger, no other feature's label."""

import os
from pathlib import Path

import pytest
from tests.command_line import make_runner
from tests.integration.bad_input.workplace import Workplace
from tests.tiny_graph import build_records, build_tiny_graph, write_graph, write_records

from clerp.ledger import open_ledger


@pytest.fixture
def place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Workplace:
    for variable in [name for name in os.environ if name.startswith("CLERP_")]:
        monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
    made = Workplace(tmp_path, make_runner(capsys, monkeypatch))
    write_graph(made.graph, build_tiny_graph())
    write_records(made.features, build_records())
    made.out.write_bytes(b"labels of last week")
    open_ledger(str(made.ledger)).close()
    return made
