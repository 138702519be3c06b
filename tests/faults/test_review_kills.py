"""A review page that is killed, or whose server crashes, loses nothing that it acknowledged."""

import os
import random
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

import httpx
import pytest
from tests.faults.figures import Figures
from tests.faults.review_pages import Page, Pages, Visitor, start_pages
from tests.postgres import Postgres, run_postgres
from tests.unit.ledger.databases import ask
from tests.unit.ledger.records import make_item, queue
from tests.unit.review.fold import check_fold
from tests.unit.review.web.visitor import SHOWN

from clerp.ledger import open_ledger
from clerp.ledger.queue import hash_key

pytestmark = pytest.mark.slow

FULL = os.environ.get("CLERP_FAULTS") == "full"
KILLS = 200 if FULL else 8
CRASHES = 5
MOST_BETWEEN = 30
"""Most decisions between two kills."""
PEOPLE = ("ada", "bob")
LABEL = "US geography"
ITEMS = [make_item(n, label=LABEL, share=0.1) for n in range(1, 13)]
KEYS = [hash_key(item.key) for item in ITEMS]
ACTS = ("accept", "edit", "reject", "role", "skip", "flag", "comment", "undo", "redo")


@pytest.fixture(scope="module")
def frail() -> Iterator[Postgres]:
    """A server that tests may crash."""
    with run_postgres() as server:
        yield server


@pytest.fixture
def url(frail: Postgres) -> Iterator[str]:
    with frail.make_database() as made:
        yield made


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Pages]:
    with start_pages(tmp_path) as started:
        yield started


@dataclass(frozen=True)
class Kept:
    """What a ledger holds of what was acknowledged."""

    n_acknowledged: int
    n_lost: int
    n_more: int
    """Decisions on disk that nobody was told about."""

    def note(self, figures: Figures, row: str) -> None:
        told = f"{self.n_acknowledged:,} acknowledged, {self.n_lost} lost"
        figures.note(row, "no acknowledged decision lost", told)


@dataclass
class Reviewer:
    """Decides as fast as the page answers, whatever it is, and notes what was acknowledged."""

    ledger: str
    draw: random.Random
    acknowledged: list[str] = field(default_factory=list)
    """Comments of decisions, each its own."""
    taken_back: int = 0
    """How often `undo` and `redo` were acknowledged."""
    refused: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    """That acknowledged decisions took."""
    numbers: Iterator[int] = field(default_factory=count)

    def act(self, visitor: Visitor) -> bool:
        """Do one thing; say whether it was acknowledged."""
        act = self.draw.choice(ACTS)
        begun = perf_counter()
        if act in ("undo", "redo"):
            answer = visitor.post(f"/{act}")
            # Which feature that changes is known only now.
            visitor.seen.clear()
            self.taken_back += answer.is_success and answer.json()["next"] is not None
        else:
            comment = f"number {next(self.numbers)}"
            answer = visitor.decide(
                self.draw.choice(KEYS),
                act,
                label={"accept": LABEL, "edit": f"label {self.draw.randrange(3)}"}.get(act, ""),
                role=self.draw.choice(("input", "cross")) if act == "role" else "",
                comment=comment,
            )
            if answer.is_success:
                self.acknowledged.append(comment)
        if answer.is_success:
            self.seconds.append(perf_counter() - begun)
        else:
            self.refused.append(answer.text)
        return answer.is_success

    def compare(self) -> Kept:
        """Check that the ledger is whole, and hold it against what was acknowledged."""
        with open_ledger(self.ledger) as ledger:
            made = [made for decisions in check_fold(ledger).values() for made in decisions]
        comments = [d.comment for d in made if d.comment]
        assert len(set(comments)) == len(comments)
        n_back = sum(d.act in ("undo", "redo") for d in made)
        n_acknowledged = len(self.acknowledged) + self.taken_back
        n_lost = len(set(self.acknowledged) - set(comments)) + max(0, self.taken_back - n_back)
        return Kept(n_acknowledged, n_lost, len(made) - n_acknowledged)


def begin(ledger: str, seed: int) -> Reviewer:
    with open_ledger(ledger) as opened:
        queue(opened, *ITEMS)
    return Reviewer(ledger, random.Random(seed))


def kill_while_deciding(page: Page, reviewer: Reviewer) -> None:
    """Decide for a while, then kill the page at some moment of a decision."""
    with page.enter() as visitor:
        for _ in range(reviewer.draw.randint(1, MOST_BETWEEN)):
            assert reviewer.act(visitor), reviewer.refused
        most = 1.5 * median(reviewer.seconds)
        with ThreadPoolExecutor(1) as pool:
            last: Future[bool] = pool.submit(reviewer.act, visitor)
            sleep(reviewer.draw.uniform(0, most))
            page.kill()
            # Where it hangs up, nobody knows whether the decision is on disk.
            with suppress(httpx.TransportError):
                assert last.result(60), reviewer.refused
    assert page.await_end() == ""


def kill_again_and_again(pages: Pages, reviewer: Reviewer) -> None:
    for _ in range(KILLS):
        person = reviewer.draw.choice(PEOPLE)
        with pages.open(reviewer.ledger, "--as", person) as page:
            kill_while_deciding(page, reviewer)
    with pages.open(reviewer.ledger, "--as", "ada") as page, page.enter() as visitor:
        assert reviewer.act(visitor)


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "SQLite":
        return str(tmp_path / "clerp.db")
    made: str = request.getfixturevalue("url")
    return made


@pytest.mark.timeout(3600)
def test_a_page_that_is_killed_loses_no_decision(
    ledger: str, pages: Pages, figures: Figures
) -> None:
    reviewer = begin(ledger, seed=1)
    kill_again_and_again(pages, reviewer)
    kept = reviewer.compare()
    in_file = "://" not in ledger
    whole = ask(ledger, "PRAGMA integrity_check") if in_file else [("ok",)]
    row = f"kill -9 of {KILLS} review pages, {'SQLite' if in_file else 'PostgreSQL'}"
    kept.note(figures, row)
    figures.note(row, "at most one a kill in flight", f"{kept.n_more} on disk")
    assert whole == [("ok",)]
    assert kept.n_lost == 0
    assert 0 <= kept.n_more <= KILLS


def test_a_page_outlives_crashes_of_its_server_and_loses_no_decision(
    frail: Postgres, url: str, pages: Pages, figures: Figures
) -> None:
    reviewer = begin(url, seed=3)
    with pages.open(url, "--as", "ada") as page:
        with page.enter() as visitor:
            for _ in range(CRASHES):
                crash_while_deciding(frail, reviewer, visitor)
                check_said(visitor, reviewer.refused, frail)
                frail.start()
                assert reviewer.act(visitor), reviewer.refused
        page.kill()
        # Nothing but what the page says is said.
        assert page.await_end() == ""
    kept = reviewer.compare()
    kept.note(figures, f"a server that crashes {CRASHES} times under a review page")
    assert kept.n_lost == 0
    assert 0 <= kept.n_more <= CRASHES


def crash_while_deciding(server: Postgres, reviewer: Reviewer, visitor: Visitor) -> None:
    """Decide until the page refuses, and let its server crash meanwhile."""
    reviewer.refused.clear()
    for _ in range(reviewer.draw.randint(1, MOST_BETWEEN)):
        assert reviewer.act(visitor), reviewer.refused
    with ThreadPoolExecutor(1) as pool:
        deciding = pool.submit(_decide_until_refused, reviewer, visitor)
        # As a power cut: what is not flushed to the disk is gone.
        server.stop(signal.SIGQUIT)
        deciding.result(60)


def _decide_until_refused(reviewer: Reviewer, visitor: Visitor) -> None:
    while reviewer.act(visitor):
        pass


def check_said(visitor: Visitor, refused: list[str], server: Postgres) -> None:
    """Check that decisions and pages are refused in one line that names the place."""
    answers = [visitor.post(f"/item/{KEYS[0]}/decision", act="reject", **SHOWN)]
    answers += [visitor.client.get(path) for path in ("/", f"/item/{KEYS[0]}", "/list")]
    assert all(answer.status_code in (500, 503) for answer in answers)
    for said in (*refused, *(answer.text for answer in answers)):
        assert f"127.0.0.1:{server.port}/" in said
        assert server.password not in said
        assert "Traceback" not in said
