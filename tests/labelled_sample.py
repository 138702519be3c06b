"""Bundled graphs with clerp's labels, made once in a run of the tests, and parts of them."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parents[1] / "graphs" / "smollm2-135m"
GRAPHS = ("capital-of-france", "counting-to-six", "east-and-west", "man-in-the-mirror")


def name_labelled(folder: Path, graph: str) -> Path:
    return folder / f"{graph}.labeled.json"


def write_part(folder: Path, name: str, step: int) -> Path:
    """Write every so many node of a bundled graph, for what more features would not show better."""
    document = json.loads((SAMPLE / f"{name}.json").read_text("utf-8"))
    document["nodes"], document["links"] = document["nodes"][::step], []
    path = folder / f"{name}.json"
    path.write_text(json.dumps(document), "utf-8")
    return path


@pytest.fixture(scope="session")
def labelled_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `GRAPHS` labelled; not to be written into."""
    own = tmp_path_factory.getbasetemp()
    # Processes that share the tests of a run have folders side by side.
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder = shared / "labelled-sample"
    with (shared / "labelled-sample.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _label(tmp_path_factory.mktemp("labelling")).rename(folder)
    return folder


def _label(folder: Path) -> Path:
    # In a process of its own, where nothing checks types at every call.
    options = ("--features", SAMPLE / "features", "--ledger", ":memory:", "--rows", "0")
    graphs = (SAMPLE / f"{name}.json" for name in GRAPHS)
    program = Path(sys.executable).with_name("clerp")
    command = [program, "label", *graphs, *options, "--out", f"{folder}/"]
    subprocess.run(command, check=True, capture_output=True)
    return folder
