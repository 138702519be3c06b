import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import OutputError
from clerp.progress import Progress
from clerp.terminal import make_line, progress_bar, show, tell, wants_json, write_json

Captured = pytest.CaptureFixture[str]


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "LINES", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def shown_width(capsys: Captured) -> int:
    show("word " * 100)
    return max(len(line.rstrip()) for line in capsys.readouterr().out.splitlines())


def test_a_pipe_is_wider_than_the_terminal_that_rich_takes_it_for(capsys: Captured):
    assert 110 < shown_width(capsys) <= 120


def test_columns_decide_where_they_are_set(capsys: Captured, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert 50 < shown_width(capsys) <= 60


def test_a_terminal_keeps_its_own_width(monkeypatch: pytest.MonkeyPatch):
    shown = Terminal()
    monkeypatch.setattr("sys.stdout", shown)
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((70, 20)))
    show("word " * 100)
    assert 60 < max(len(line.rstrip()) for line in shown.getvalue().splitlines()) <= 70


def test_json_is_one_object_a_line_as_people_read_it(capsys: Captured):
    records = [{"name": "größe\n日本", "value": None}, {"value": [1, "a b"]}]
    write_json(iter(records))
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == records
    assert "größe\\n日本" in lines[0]


def test_no_record_is_no_line(capsys: Captured):
    write_json([])
    assert capsys.readouterr().out == ""


def write_to(path: Path, encoding: str, monkeypatch: pytest.MonkeyPatch, text: str) -> str:
    with path.open("w", encoding=encoding) as stdout:
        monkeypatch.setattr("sys.stdout", stdout)
        write_json([{"text": text}])
    return json.loads(path.read_text(encoding))["text"]


@pytest.mark.parametrize(
    ("encoding", "text"), [("ascii", "größe 日本"), ("utf-8", "name \udcff"), ("cp1252", "é日")]
)
def test_json_escapes_what_the_stream_cannot_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, text: str
):
    assert write_to(tmp_path / "out", encoding, monkeypatch, text) == text


def test_a_table_that_the_stream_cannot_write_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with (tmp_path / "out").open("w", encoding="ascii") as stdout:
        monkeypatch.setattr("sys.stdout", stdout)
        with pytest.raises(OutputError) as raised:
            show("größe")
    assert str(raised.value) == (r"stdout: ascii cannot write '\xf6'. Set PYTHONIOENCODING=utf-8")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("write", [lambda: show("text"), lambda: write_json([{"a": 1}])])
def test_a_full_disk_is_one_error_and_the_end_of_python_none(
    monkeypatch: pytest.MonkeyPatch, write: object
):
    assert callable(write)
    stdout = Path("/dev/full").open("w")  # noqa: SIM115 - closed below, after the fault
    monkeypatch.setattr("sys.stdout", stdout)
    with pytest.raises(OutputError, match="could not be written: No space left on device") as fault:
        write()
    assert fault.value.where == "stdout"
    # What is left in the buffer goes nowhere, without another fault.
    stdout.close()


@pytest.mark.parametrize("write", [lambda: show("text"), lambda: write_json([{"a": 1}])])
def test_a_reader_that_has_gone_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, write: Callable[[], None]
):
    reader, writer = os.pipe()
    os.close(reader)
    stdout = os.fdopen(writer, "w")
    monkeypatch.setattr("sys.stdout", stdout)
    write()
    write()
    # What is left in the buffer goes nowhere, without a fault.
    stdout.close()


@given(st.text())
def test_any_text_becomes_one_line_that_acts_on_nothing(text: str):
    line = make_line(text)
    assert line.isprintable()
    assert len(line.splitlines()) <= 1
    assert line == " ".join(line.split())
    assert make_line(line) == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb\r\n\tc", "a b c"),
        ("a\x1b[31mb", "a [31mb"),
        ("a\u202eb\u200bc", "a b c"),
        ("größe 日本", "größe 日本"),
        ("bad \udcff name", "bad name"),
        ("", ""),
    ],
)
def test_of_a_text_all_that_can_be_read_is_left(text: str, line: str):
    assert make_line(text) == line


def test_a_message_is_one_line_on_stderr(capsys: Captured):
    tell("first\nsecond\x07")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "first second\n")


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize(("stream", "looked_at"), [(Terminal(), True), (io.StringIO(), False)])
def test_json_is_for_who_asks_and_for_pipes(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, looked_at: bool, asked: bool
):
    monkeypatch.setattr("sys.stdout", stream)
    assert wants_json(asked) == (asked or not looked_at)


def run_bar() -> None:
    with progress_bar() as report:
        for done in range(3):
            report(Progress("label", done, 2))
        report(Progress("read", 1, 1))


def test_no_bar_is_drawn_where_nobody_looks(capsys: Captured):
    run_bar()
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_a_bar_is_drawn_on_stderr_for_who_looks(capsys: Captured, monkeypatch: pytest.MonkeyPatch):
    stderr = Terminal()
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    run_bar()
    assert "label" in stderr.getvalue()
    assert "read" in stderr.getvalue()
    assert "100%" in stderr.getvalue()
    assert capsys.readouterr().out == ""


def test_a_note_is_one_line_on_stderr_whoever_looks(capsys: Captured):
    with progress_bar() as report:
        report(Progress("evidence", 0, 2, "Asked: [red]hf.co\x1b[2J\nnow"))
        report(Progress("evidence", 2, 2))
    captured = capsys.readouterr()
    assert captured.err.splitlines() == ["Asked: [red]hf.co [2J now"]
    assert captured.out == ""


def break_under_bar() -> None:
    with progress_bar() as report:
        report(Progress("read", 0, 1))
        raise ValueError("its own")


def test_a_fault_under_a_bar_is_raised_as_it_is():
    with pytest.raises(ValueError, match="its own"):
        break_under_bar()
