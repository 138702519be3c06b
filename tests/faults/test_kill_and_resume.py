"""A run that is killed again and again ends as one that never was."""

import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from tests.fake_llm import Asked, FakeLlm, run_fake_llm
from tests.faults.figures import Figures
from tests.faults.place import Kept, Place, end, fingerprint, make_place, name_by_prompt

pytestmark = pytest.mark.slow

N, CONCURRENCY, LATENCY = 500, 16, 0.02
KILLS = 200 if os.environ.get("CLERP_FAULTS") == "full" else 10
MOST_BETWEEN = 120
"""Most requests between two kills."""
EVERY = ("--llm-all",)


@dataclass
class Course:
    """One graph, labelled by runs that are killed until one comes to its end."""

    place: Place
    fake: FakeLlm
    draw: random.Random
    checks: list[object] = field(default_factory=list)
    """What SQLite said of the ledger, after every kill."""
    known: dict[str, Kept] = field(default_factory=dict)
    """On record after the last kill."""
    in_flight: list[int] = field(default_factory=list)
    """Calls whose answer was not on record yet, at every kill."""

    @property
    def repeated(self) -> int:
        asked = Counter(map(fingerprint, self.fake.received))
        return asked.total() - len(asked)

    def kill_once(self) -> bool:
        """Start a run and kill it; say whether it was killed before it was done."""
        before = len(self.fake.received)
        process = self.place.start(*EVERY, concurrency=CONCURRENCY)
        try:
            self._await_moment()
            process.kill()
        finally:
            _, err = process.communicate()
        self._check_kept(self.fake.received[before:])
        assert process.returncode in (0, -9), err
        return process.returncode == -9

    def _await_moment(self) -> None:
        """Wait until a random call has come in and then a little; or only some time."""
        left = N - len(self.known)
        n = min(self.draw.randint(1, MOST_BETWEEN), left)
        by_time = n == 0 or self.draw.random() < 0.15
        if not by_time:
            asked = len(self.fake.received) + n
            assert self.fake.await_requests(asked, timeout=60.0)
        # While it starts or all the way; while it writes; between two calls.
        most = 2.5 if by_time else 0.8 if n == left else 2 * LATENCY
        time.sleep(self.draw.uniform(0, most))

    def _check_kept(self, asked: list[Asked]) -> None:
        kept = self.place.read_answers()
        # There is nothing to check before it has its tables.
        self.checks += self.place.query("PRAGMA integrity_check")
        assert self.checks == [("ok",)] * len(self.checks)
        assert kept.items() >= self.known.items()
        assert kept.keys() >= self.place.acknowledged
        prompts = set(map(fingerprint, asked))
        assert len(prompts) == len(asked)
        assert not prompts & {answer.request_id for answer in self.known.values()}
        self.in_flight.append(len(prompts - {answer.request_id for answer in kept.values()}))
        assert self.in_flight[-1] <= CONCURRENCY
        self.known = kept

    def finish(self) -> bytes:
        """Run to the end; return the graph."""
        process = self.place.start(*EVERY, concurrency=CONCURRENCY)
        err = end(process)
        assert process.returncode == 0, err
        return self.place.out.read_bytes()


@pytest.mark.timeout(3600)
def test_a_run_killed_at_random_points_ends_as_one_that_was_not(
    tmp_path: Path, figures: Figures
) -> None:
    with run_fake_llm(name_by_prompt, latency=LATENCY) as fake:
        whole = begin(tmp_path, fake, 0).finish()
        kills = in_flight = repeated = lost = checked = 0
        ends = list[bytes]()
        seeds = count(1)
        while kills < KILLS:
            course = begin(tmp_path, fake, next(seeds))
            while kills < KILLS and course.kill_once():
                kills += 1
                assert not course.place.out.exists() or course.place.out.read_bytes() == whole
            ends.append(course.finish())
            check_finished(course.place)
            checked += len(course.checks)
            in_flight += sum(course.in_flight)
            repeated += course.repeated
            lost += len(course.place.acknowledged - course.place.read_answers().keys())
    row = f"kill -9 at {kills} points, {N} features"
    outputs = {whole, *ends}
    figures.note(
        row, "the same bytes in the end", f"{len(outputs)} output of {1 + len(ends)} whole runs"
    )
    figures.note(row, "the ledger is whole after each", f"integrity_check ok {checked} times")
    figures.note(row, "no acknowledged answer lost", f"{lost} lost")
    figures.note(row, "repeated <= in flight", f"{repeated} of {in_flight}")
    assert outputs == {whole}
    assert repeated <= in_flight
    assert lost == 0


def begin(folder: Path, fake: FakeLlm, seed: int) -> Course:
    fake.received.clear()
    return Course(make_place(folder / str(seed), N, fake.address), fake, random.Random(seed))


def check_finished(place: Place) -> None:
    answers = place.read_answers()
    assert len(answers) == N
    assert len({answer.request_id for answer in answers.values()}) == N
    assert place.query("PRAGMA integrity_check") == [("ok",)]
    assert place.query("SELECT * FROM leases") == []
