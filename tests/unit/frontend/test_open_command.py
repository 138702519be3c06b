import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.unit.graph.conftest import build_graph

pytest.importorskip("circuit_tracer")

_PROGRAM = """
import sys, typer
from clerp.errors import ClerpError
from clerp.frontend.command import open_graph
app = typer.Typer(pretty_exceptions_enable=False)
app.command()(open_graph)
try:
    app()
except KeyboardInterrupt:
    sys.exit(130)
except ClerpError as fault:
    sys.exit(f"clerp: {fault}")
"""


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_tells_the_link_and_ends_by_a_signal(tmp_path: Path):
    path = tmp_path / "g.json"
    path.write_text(json.dumps(build_graph()))
    with start(path, "--no-browser", "--port", 0) as program:
        assert program.stderr is not None
        told = program.stderr.readline()
        assert told.startswith("Graph: http://127.0.0.1:")
        link = told.split()[1]
        once = "The address lets one browser in, once. Ctrl-C ends the page."
        assert program.stderr.readline() == f"{once}\n"
        with httpx.Client(timeout=30, follow_redirects=True) as client:
            assert client.get(link).status_code == 200
            page = client.get(httpx.URL(link).join("/"))
        assert page.status_code == 200
        assert page.url.path == "/index.html"
        assert "Attribution Graphs" in page.text
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=30)
    assert program.returncode == 130
    assert (out, err) == ("", "")


@pytest.mark.parametrize(
    ("name", "flags", "fault"),
    [
        ("none.json", (), "no such file"),
        ("g.json", ("--features", "none"), "No such file"),
        ("g.json", ("--max-graph-bytes", 10), "more than 10 bytes"),
    ],
)
def test_what_cannot_be_opened_is_said_before_a_server_starts(
    tmp_path: Path, name: str, flags: tuple[object, ...], fault: str
):
    (tmp_path / "g.json").write_text(json.dumps(build_graph()))
    with start(tmp_path / name, "--no-browser", "--port", 0, *flags) as program:
        out, err = program.communicate(timeout=60)
    assert program.returncode == 1
    assert fault in err
    assert "127.0.0.1" not in out + err
