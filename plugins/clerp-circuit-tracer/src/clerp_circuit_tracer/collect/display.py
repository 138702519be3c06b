"""How far a collection is, on stderr: a bar on a terminal, else a line now and then."""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from clerp.feature import FeatureId
from clerp.terminal import tell
from clerp_circuit_tracer.collect.collection import CollectionFacts
from clerp_circuit_tracer.collect.job import JobProgress, ReportJob

_LINE_SECONDS = 60.0
# Features that never fired and are named; collection.json names them all.
_N_NAMED = 10


class Watch:
    """Passes on how far a collection is, and keeps what it heard last.

    Attributes:
        last: None before the first word.
        announce: Tells what takes its time before anything can be counted.
    """

    def __init__(self, show: ReportJob, announce: Callable[[str], None]) -> None:
        self.last: JobProgress | None = None
        self.announce = announce
        self._show = show

    def __call__(self, progress: JobProgress) -> None:
        """Take note and pass on."""
        self.last = progress
        self._show(progress)


@contextmanager
def show_progress(clock: Callable[[], float] = time.monotonic) -> Generator[Watch]:
    """Show tokens, tokens per second and time left while something runs.

    Args:
        clock: Seconds that only rise.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Watch(Lines(clock), lambda stage: tell(f"clerp: {stage}"))
        return
    columns = (TextColumn("collect"), BarColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task("")

        def advance(progress: JobProgress) -> None:
            bars.update(
                task,
                description=describe(progress),
                completed=progress.tokens,
                total=progress.n_tokens,
            )

        yield Watch(advance, lambda stage: bars.update(task, description=stage))


class Lines:
    """A line a minute, and none at the start."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = clock()

    def __call__(self, progress: JobProgress) -> None:
        """Tell how far it is, if it is time."""
        if self._clock() - self._last >= _LINE_SECONDS:
            self._last = self._clock()
            tell(f"clerp: {describe(progress)}")


def describe(progress: JobProgress) -> str:
    """Say how far a collection is in one line."""
    parts = [f"{progress.tokens:,} tokens"]
    if progress.tokens_per_second:
        parts.append(f"{progress.tokens_per_second:,.0f} tokens/s")
    if progress.seconds_left is not None:
        parts.append(f"about {_say_duration(progress.seconds_left)} left")
    return ", ".join(parts)


def _say_duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes >= 120:
        return f"{minutes / 60:.1f} h"
    return f"{minutes} min" if minutes >= 2 else f"{seconds:.0f} s"


def summarize(facts: CollectionFacts, last: JobProgress) -> str:
    """Say in one line what a finished collection holds."""
    parts = [
        f"{facts.tokens:,} tokens in {facts.rows:,} rows, {last.tokens_per_second:,.0f} tokens/s",
        f"{len(facts.features):,} features, {_say_silent(facts.never_fired)}",
    ]
    if last.n_skipped:
        parts.append(f"{last.n_skipped:,} documents without text")
    return "; ".join(parts)


def _say_silent(silent: Sequence[FeatureId]) -> str:
    if not silent:
        return "all of which fired"
    more = ", ..." if len(silent) > _N_NAMED else ""
    return f"{len(silent):,} never fired: {', '.join(map(str, silent[:_N_NAMED]))}{more}"
