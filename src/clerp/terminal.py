"""What the command line shows: tables and JSON on stdout, progress and messages on stderr."""

import json
import os
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from clerp.errors import OutputError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from clerp.progress import Progress, ReportProgress

# rich takes a pipe for a terminal of 80 columns.
_PIPED_WIDTH = 120


def show(renderable: "RenderableType") -> None:
    """Print to stdout, as far as somebody reads it.

    Raises:
        OutputError: It cannot be written.
    """
    from rich.console import Console

    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPED_WIDTH
    # What rich does about a stream that fails is not what a command should do.
    with console.capture() as rendered:
        console.print(renderable)
    with _writing():
        sys.stdout.write(rendered.get())


def tell(message: str) -> None:
    """Print one line to stderr, whatever it holds."""
    sys.stderr.write(f"{make_line(message)}\n")


def make_line(text: str) -> str:
    """Make one line of a text, without characters that act on a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def wants_json(asked: bool) -> bool:
    """Say whether to write JSON: where it was asked for, and where no person looks."""
    return asked or not sys.stdout.isatty()


def write_json(records: Iterable[object]) -> None:
    """Write one JSON object a line to stdout, as far as somebody reads them.

    Raises:
        OutputError: It cannot be written.
    """
    lines = [_dump(record) for record in records]
    with _writing():
        sys.stdout.writelines(f"{line}\n" for line in lines)


@contextmanager
def progress_bar() -> "Generator[ReportProgress]":
    """Show a bar and notes on stderr while something runs; no bar where that is no terminal."""
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.text import Text

    console = Console(stderr=True)
    with Bars(console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks: dict[str, Any] = {}

        def advance(progress: "Progress") -> None:
            if progress.stage not in tasks:
                tasks[progress.stage] = bars.add_task(progress.stage)
            bars.update(tasks[progress.stage], completed=progress.done, total=progress.total)
            if progress.note:
                console.print(Text(make_line(progress.note)), soft_wrap=True)

        yield advance


def _dump(record: object) -> str:
    line = json.dumps(record, ensure_ascii=False)
    try:
        line.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(record)
    return line


@contextmanager
def _writing() -> Generator[None]:
    try:
        yield
        sys.stdout.flush()
    except UnicodeEncodeError as fault:
        raise OutputError(
            f"{fault.encoding} cannot write {fault.object[fault.start]!a}",
            where="stdout",
            remedy="Set PYTHONIOENCODING=utf-8",
        ) from fault
    except BrokenPipeError:
        # The reader has seen enough, as `head` does. What else there is to do or tell goes on.
        _forget_rest()
    except OSError as fault:
        _forget_rest()
        raise OutputError(f"could not be written: {fault.strerror}", where="stdout") from fault


def _forget_rest() -> None:
    # Python flushes once more when it ends, and would have the last word.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
