"""The command line in this process, and what it does to the files around it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from clerp.cli import main

_SHOWN_BYTES = 2**20


@dataclass(frozen=True)
class Outcome:
    """How a run ended and what it said."""

    code: object
    out: str
    err: str


Run = Callable[..., Outcome]


def make_runner(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr("sys.argv", ["clerp", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        written = capsys.readouterr()
        return Outcome(stopped.value.code, written.out, written.err)

    return run


def take_stock(folder: Path) -> dict[str, object]:
    """Describe everything below a folder; large files by their size."""
    return {str(path.relative_to(folder)): _describe(path) for path in sorted(folder.rglob("*"))}


def _describe(path: Path) -> object:
    if path.is_symlink():
        return path.readlink()
    if not path.is_file():
        return "folder" if path.is_dir() else "neither file nor folder"
    size = path.stat().st_size
    return path.read_bytes() if size <= _SHOWN_BYTES else size


def assert_refused(outcome: Outcome, *parts: str) -> None:
    """Assert that a run ended with one line that holds the parts, in this order."""
    assert (outcome.code, outcome.out) == (1, ""), outcome
    line = outcome.err.removesuffix("\n")
    assert line.startswith("clerp: "), outcome
    assert "\n" not in line, outcome
    start = 0
    for part in parts:
        assert part in line[start:], (part, line)
        start = line.index(part, start) + len(part)
