"""A place to run clerp in, which shows what a run changed."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.command_line import Outcome, Run, assert_refused, take_stock
from tests.tiny_graph import FEATURES, N_FEATURES, Document, build_records, build_tiny_graph

DAMAGED = FEATURES[2]
RECORD = f"{DAMAGED.cantor}.json"
GOOD = json.dumps(build_tiny_graph(), indent=1).encode()

# What messages tell to do.
AGAIN = "Export the graph again"
CHECK = "Check that it is an attribution graph, then export it again"
CORRECT = "Correct it there, or export the graph again"
CAP = "Raise the cap with --max-graph-bytes if you trust the file"

Change = Callable[[Document], object]


@dataclass(frozen=True)
class Workplace:
    """A folder with a graph, its evidence, and an output and a ledger from before."""

    folder: Path
    run: Run

    @property
    def graph(self) -> Path:
        return self.folder / "graph.json"

    @property
    def features(self) -> Path:
        return self.folder / "features"

    @property
    def out(self) -> Path:
        return self.folder / "out.json"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.db"

    def label(self, *flags: object, graph: Path | None = None) -> Outcome:
        """Label with the files of this place, unless flags name others."""
        given = dict(zip(flags[::2], flags[1::2], strict=True))
        usual = {"--features": self.features, "--out": self.out, "--ledger": self.ledger}
        chosen = [part for flag in (usual | given).items() for part in flag]
        return self.run("label", graph or self.graph, *chosen)

    def assert_label_refused(
        self, *parts: str, flags: tuple[object, ...] = (), graph: Path | None = None
    ) -> None:
        before = take_stock(self.folder)
        assert_refused(self.label(*flags, graph=graph), *parts)
        assert take_stock(self.folder) == before

    def read_features(self) -> dict[str, Document]:
        return json.loads(self.out.read_bytes())["metadata"]["clerp"]["features"]


def drop(*path: str | int) -> Change:
    def change(document: Document) -> None:
        *outer, last = path
        _reach(document, outer).pop(last)

    return change


def set_to(value: object, *path: str | int) -> Change:
    def change(document: Document) -> None:
        *outer, last = path
        _reach(document, outer)[last] = value

    return change


def _reach(document: Any, path: list[Any]) -> Any:
    for key in path:
        document = document[key]
    return document


def flip_middle(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


def examples_of(record: Document) -> list[Document]:
    return record["examples_quantiles"][0]["examples"]


def change_examples(change: Callable[[Document], object]) -> Callable[[Document], None]:
    def change_all(record: Document) -> None:
        for example in examples_of(record):
            change(example)

    return change_all


def set_activations(*values: float) -> Callable[[Document], None]:
    def change(example: Document) -> None:
        example["tokens_acts_list"][: len(values)] = values

    return change


def assert_only_damaged_waits(place: Workplace, outcome: Outcome, reason: str) -> None:
    """Assert that one feature is for review, for this reason, and all others have their labels."""
    assert outcome.code == 0, outcome
    labeled = place.read_features()
    damaged = labeled.pop(str(DAMAGED))
    assert (damaged["status"], damaged["clerp"]) == ("needs_review", ""), damaged
    assert reason in damaged["reason"]
    assert len(labeled) == N_FEATURES - 1
    words = {str(f): r["top_logits"][0].strip() for f, r in build_records().items()}
    assert {name: f["clerp"] for name, f in labeled.items()} == {
        name: words[name] for name in labeled
    }
