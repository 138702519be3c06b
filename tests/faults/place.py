"""A folder with a graph of many features, and what a run of `clerp label` leaves there."""

import hashlib
import json
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.fake_llm import GOOD_ANSWER, Asked, Reply, chat
from tests.tiny_graph import Document, build_records, write_graph, write_records
from tests.unit.graph.conftest import build_graph

from clerp.feature import FeatureId

# Of two features the first peaks on one word throughout, the second on many: tiers 1 and 2.
TIERED = ("--rule", "protocol", "--threshold", "0.22")
MODEL = "m"

_PEAK = 6
_WORDS = ("Dallas", "yellow", "seven", "river", "doctor", "piano", "Monday", "bread", "blue")
_TELLING_RUN = Path(__file__).with_name("telling_run.py")


@dataclass(frozen=True)
class Kept:
    """An answer on record."""

    text: str
    request_id: str
    """As `name_by_prompt` gives it: the fingerprint of what was asked."""


@dataclass(frozen=True)
class Place:
    """A graph, its evidence, and a run's output and ledger."""

    folder: Path
    address: str
    """Of the server that is asked."""

    @property
    def out(self) -> Path:
        return self.folder / "graph.labeled.json"

    @property
    def ledger(self) -> Path:
        return self.folder / "clerp.db"

    @property
    def acknowledged(self) -> frozenset[str]:
        """Keys of the answers that a run of `start` was told are on disk."""
        return self._read_told("acknowledged")

    @property
    def taken(self) -> frozenset[str]:
        """Keys of the answers that a run of `start` wanted while another one asked for them."""
        return self._read_told("taken")

    def list_arguments(self, *flags: object, concurrency: int = 16) -> list[str]:
        """Return the arguments of a run that asks about tier 2, unless flags say more."""
        model = ("--llm", f"http:{MODEL}@{self.address}", "--concurrency", concurrency)
        return ["label", "graph.json", *TIERED, "--rows", "0", *map(str, (*model, *flags))]

    def start(
        self, *flags: object, concurrency: int = 16, **environment: str
    ) -> "subprocess.Popen[str]":
        """Start a run in a process of its own, which tells what is acknowledged."""
        return subprocess.Popen(
            [sys.executable, _TELLING_RUN, *self.list_arguments(*flags, concurrency=concurrency)],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def read_nodes(self) -> dict[FeatureId, Document]:
        """Return the labelled feature nodes; every feature has one."""
        nodes = json.loads(self.out.read_text())["nodes"]
        return {
            FeatureId.parse(node["node_id"].rpartition("_")[0]): node
            for node in nodes
            if node["feature_type"] == "cross layer transcoder"
        }

    def list_tier(self, tier: int) -> list[str]:
        """Return the status of every feature of a tier."""
        nodes = self.read_nodes().values()
        return [node["clerp_status"] for node in nodes if node["clerp_tier"] == tier]

    def read_record(self) -> Document:
        return json.loads(self.out.read_text())["metadata"]["clerp"]

    def read_answers(self) -> dict[str, Kept]:
        """Return the answers on record by key; none before there is a ledger."""
        rows = self.query("SELECT key, text, request_id FROM answers")
        return {key: Kept(text, request_id) for key, text, request_id in rows}

    def query(self, statement: str) -> list[Any]:
        """Ask the ledger's file; nothing before it has its tables."""
        if not self.ledger.exists():
            return []
        with closing(sqlite3.connect(self.ledger, timeout=30.0)) as connection:
            made = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'answers'")
            return connection.execute(statement).fetchall() if made.fetchall() else []

    def _read_told(self, name: str) -> frozenset[str]:
        told = self.folder / name
        return frozenset(told.read_text().split()) if told.exists() else frozenset()


def make_place(folder: Path, n: int, address: str) -> Place:
    """Write a graph of n features and their evidence."""
    folder.mkdir(exist_ok=True)
    write_graph(folder / "graph.json", build_graph(n_features=n))
    write_records(folder / "features", build_mixed_records(n))
    return Place(folder, address)


def build_mixed_records(n: int) -> dict[FeatureId, Document]:
    """Build evidence whose every second feature has no word in common (see `TIERED`)."""
    records = build_records(list_features(n))
    draw = random.Random(1)
    for record in list(records.values())[1::2]:
        examples = record["examples_quantiles"][0]["examples"]
        for example, word in zip(examples, draw.sample(_WORDS, len(examples)), strict=True):
            example["tokens"][_PEAK] = f" {word}"
    return records


def end(process: "subprocess.Popen[str]", *, seconds: float = 120.0) -> str:
    """Wait for a run's end, and kill it if that does not come; return what it said on stderr."""
    try:
        return process.communicate(timeout=seconds)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise


def list_features(n: int) -> tuple[FeatureId, ...]:
    """Return the features of `build_graph`."""
    return tuple(FeatureId(i, 10 + i) for i in range(n))


def fingerprint(asked: Asked) -> str:
    """Tell requests apart by all that they ask."""
    return fingerprint_messages(asked.body["messages"])


def fingerprint_messages(messages: object) -> str:
    return hashlib.sha256(json.dumps(messages).encode()).hexdigest()[:16]


def name_by_prompt(asked: Asked) -> Reply:
    """Answer with a name that no other prompt gets, so that answers cannot be mixed up unseen."""
    told = fingerprint(asked)
    word = "".join(chr(ord("a") + int(digit, 16)) for digit in told)
    reply = chat({**GOOD_ANSWER, "label": f"group {word}", "evidence": []})
    return replace(reply, headers={"X-Request-Id": told})


def write_settings(folder: Path, prices: Mapping[str, tuple[float, float]]) -> None:
    """Write prices of prompt and answer, in US dollars per million tokens."""
    (folder / "clerp.toml").write_text(
        "".join(
            f'[prices."{model}"]\ninput = {asked}\noutput = {answered}\n'
            for model, (asked, answered) in prices.items()
        )
    )
