"""Decisions on the review page while a call of the system fails, at every point where one can."""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from tests.faults.figures import Figures
from tests.faults.review_pages import EndedError, Pages, start_pages
from tests.faults.shim import BROKEN, FULL, KILL, NONE, READ_ONLY, Fault, build_shim
from tests.unit.ledger.databases import ask
from tests.unit.ledger.records import make_item, queue
from tests.unit.review.fold import check_fold
from tests.unit.review.web.visitor import find_text

from clerp.ledger import open_ledger
from clerp.ledger.queue import hash_key

pytestmark = pytest.mark.slow

STEP = 1 if os.environ.get("CLERP_FAULTS") == "full" else 9
ITEMS = [make_item(n, share=0.1) for n in range(1, 5)]
DECIDED = [hash_key(item.key) for item in ITEMS[:3]]


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def pages(tmp_path: Path, shim: Path) -> Iterator[Pages]:
    with start_pages(tmp_path, LD_PRELOAD=str(shim)) as started:
        yield started


@dataclass
class Shelf:
    """The folder of a ledger, which can be as it was before."""

    path: Path
    before: bytes = b""

    def fill(self) -> None:
        self.path.parent.mkdir()
        with open_ledger(str(self.path)) as ledger:
            queue(ledger, *ITEMS)
        self.before = self.path.read_bytes()

    def begin_anew(self) -> None:
        shutil.rmtree(self.path.parent)
        self.path.parent.mkdir()
        self.path.write_bytes(self.before)

    def list_comments(self) -> list[str]:
        """Check that the ledger is whole; return the comments in it."""
        assert ask(str(self.path), "PRAGMA integrity_check") == [("ok",)]
        with open_ledger(str(self.path)) as ledger:
            kept = check_fold(ledger)
        return sorted(made.comment for decisions in kept.values() for made in decisions)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    made = Shelf(tmp_path / "shelf" / "clerp.db")
    made.fill()
    return made


@dataclass
class Course:
    """What became of three decisions."""

    acknowledged: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """What the page said."""
    ended: str | None = None
    """What was said instead of an address."""
    n_points: int = 0
    """Calls that could fail."""


def decide(pages: Pages, shelf: Shelf, nth: int, fault: Fault) -> Course:
    """Open the page and decide thrice, while the call number nth, from 1, fails."""
    told = pages.folder / "points"
    order = {
        "below": str(shelf.path.parent),
        "nth": nth,
        "code": fault.code,
        "lasts": fault.lasts,
        "points": str(told),
    }
    course = Course()
    with pages.open(shelf.path, "--as", "ada", fault=order) as page:
        try:
            with page.enter() as visitor:
                for number, item in enumerate(DECIDED):
                    answer = visitor.decide(item, "reject", comment=str(number))
                    if answer.is_success:
                        course.acknowledged.append(str(number))
                    else:
                        course.refused.append(find_text(answer.text))
        except EndedError as ended:
            course.ended = str(ended)
        except httpx.TransportError:
            assert fault is KILL
    course.n_points = len(told.read_text().split())
    return course


def check_told(course: Course, fault: Fault) -> None:
    """Check that what failed was said, in one line each."""
    if course.ended is not None:
        assert fault is KILL or re.fullmatch(r"clerp: .*the (disk|ledger) .*\n", course.ended)
        return
    for said in course.refused:
        assert re.search(r"the (disk|ledger) ", said), said
        assert "Traceback" not in said
    if fault is BROKEN:
        # It was one call only, and the page goes on.
        assert len(course.acknowledged) >= len(DECIDED) - 1, course


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fault", [FULL, KILL, BROKEN, READ_ONLY], ids=str)
def test_no_decision_is_lost_wherever_a_call_fails(
    shelf: Shelf, pages: Pages, fault: Fault, figures: Figures
) -> None:
    course = decide(pages, shelf, 0, NONE)
    assert course.acknowledged == shelf.list_comments() == ["0", "1", "2"]
    points = range(1, course.n_points + 1, STEP)
    assert len(points) > 5
    n_lost = n_said = 0
    for nth in points:
        shelf.begin_anew()
        course = decide(pages, shelf, nth, fault)
        check_told(course, fault)
        n_said += len(course.refused) + bool(course.ended)
        n_lost += len(set(course.acknowledged) - set(shelf.list_comments()))
    row = f"{fault} at {len(points)} of {points.stop - 1} calls of a review page"
    figures.note(row, "no acknowledged decision lost", f"{n_lost} lost, {n_said} refusals said")
    assert n_lost == 0
    assert n_said > 0 or fault is KILL
