"""Ledgers to review, and what is found in them afterwards."""

import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.browser.sample import BUNDLED
from tests.unit.ledger.records import SET, make_item
from tests.unit.review.web.review_session import make_proposal, make_snapshot

from clerp.ledger import QueueItem, open_ledger
from clerp.ledger.decision import Act, Decision, GivenRole
from clerp.ledger.queue import hash_key
from clerp.ledger.record import Shown, Snapshot
from clerp.ledger.review_reads import QueueFilter
from clerp.ledger.terms import ReviewTerms
from clerp.review.snapshot import (
    Content,
    FeatureSnapshot,
    GraphSnapshot,
    NeighbourView,
    NodeView,
    OccurrenceSnapshot,
    encode,
)
from clerp.review.web.pages import address_item

_MADE_AT = datetime(2026, 1, 2, 3, 4)


@dataclass(frozen=True)
class Queued:
    """A feature to review, in one graph."""

    item: QueueItem
    feature: FeatureSnapshot
    occurrence: OccurrenceSnapshot
    graph: GraphSnapshot


@dataclass(frozen=True)
class Made:
    """A decision, without when it was made."""

    feature: str
    act: Act
    label: str = ""
    role: GivenRole = ""
    comment: str = ""
    annotator: str = "ada"


def name_feature(number: int) -> str:
    """Name the feature that stands at a place of `write_queue`'s, from 1."""
    return f"3_{number}"


def find_path(number: int) -> str:
    """Return the address of its page."""
    return address_item(hash_key(make_item(number).key)).removeprefix("/")


def name_label(number: int) -> str:
    """Return what clerp proposes for it."""
    return f"animal {number:02d}"


def write_queue(path: Path, n_features: int) -> Path:
    """Write a ledger whose features come in the order of their numbers, from 1."""
    return write_ledger(path, [make_queued(n, n_features) for n in range(1, n_features + 1)])


def write_ledger(path: Path, queued: Iterable[Queued]) -> Path:
    """Write a ledger that holds these features."""
    rows = list(queued)
    shown = Shown(
        features={row.item.key: _keep(row.feature) for row in rows},
        occurrences={(row.item.key, row.graph.name): _keep(row.occurrence) for row in rows},
        graphs={row.graph.name: _keep(row.graph) for row in rows},
    )
    with open_ledger(str(path)) as ledger:
        ledger.queue_features(
            [row.item for row in rows],
            transcoders=SET,
            graphs=sorted(shown.graphs),
            run_id="run",
            shown=shown,
        )
    return path


def label_bundled(folder: Path) -> Path:
    """Label the bundled graph as it comes, and return the ledger."""
    path = folder / "clerp.db"
    subprocess.run(
        [
            *(Path(sys.executable).with_name("clerp"), "label", BUNDLED.graph, "--offline"),
            *("--features", BUNDLED.features, "--out", folder / "labeled.json", "--ledger", path),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return path


def copy_ledger(path: Path, folder: Path) -> Path:
    return Path(shutil.copy(path, folder / "clerp.db"))


def list_decisions(path: Path) -> list[Made]:
    """List all decisions, feature by feature, first to last."""
    with open_ledger(str(path)) as ledger, ledger.reading_review() as reads:
        return [
            Made(
                str(made.key.feature),
                made.act,
                made.label,
                made.role,
                made.comment,
                made.annotator,
            )
            for made in reads.list_all_decisions()
        ]


def list_items(path: Path) -> list[QueueItem]:
    """List the features of a queue, in its order."""
    with open_ledger(str(path)) as ledger, ledger.reading_review() as reads:
        return reads.find_items([entry.item for entry in reads.list_entries(QueueFilter())])


def decide(path: Path, decisions: Iterable[Made]) -> None:
    """Record decisions as they are, which are not made in sight of one another."""
    keys = {str(item.key.feature): item.key for item in list_items(path)}
    with open_ledger(str(path)) as ledger, ledger.reviewing() as writes:
        for made in decisions:
            before = writes.list_decisions(keys[made.feature])
            decision = Decision(
                uid=uuid.uuid4().hex,
                key=keys[made.feature],
                annotator=made.annotator,
                act=made.act,
                made_at=_MADE_AT,
                label=made.label,
                role=made.role,
                comment=made.comment,
            )
            writes.decide(decision, seen=before[-1].number if before else 0)


def agree_on(path: Path, terms: ReviewTerms) -> None:
    """Set what holds for everybody at a ledger."""
    with open_ledger(str(path)) as ledger, ledger.reviewing() as writes:
        writes.agree_on(terms)


def make_queued(number: int, n_features: int) -> Queued:
    label = name_label(number)
    item = make_item(
        number,
        status="labeled",
        label=label,
        method="token-frequency",
        uncertainty=0.5,
        share=(n_features - number + 1) / n_features**2,
    )
    node = NodeView(f"3_{number}_2", 2, 7.5, 41.0, item.share)
    return Queued(
        item,
        make_snapshot(proposal=make_proposal(label=label)),
        OccurrenceSnapshot((node,), (NeighbourView("feature", name_feature(number + 1), 2.5),)),
        GraphSnapshot("dallas", ("The", " capital", " of", " Texas", " is")),
    )


def _keep(content: Content) -> Snapshot:
    return Snapshot(repr(content), lambda: encode(content))
