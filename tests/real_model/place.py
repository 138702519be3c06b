"""A part of the bundled graph in a folder, the command line there, and what a run left behind."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from clerp.evidence.bins import Bins
from clerp.evidence.storage import RawRecord
from clerp.feature import FeatureId

Document = dict[str, Any]

SAMPLE = Path(__file__).parents[2] / "graphs" / "smollm2-135m"
MODEL = "smollm2-135m"

_GRAPH = SAMPLE / "capital-of-france.json"
_FEATURE = "cross layer transcoder"
# A slow machine takes a quarter of an hour for what takes two minutes otherwise.
_MAX_SECONDS = 1800.0
_SETTINGS = ("CLERP_", "OPENAI_", "LITELLM_")


@dataclass(frozen=True)
class Way:
    """A transport, as a user names it."""

    transport: str
    model: str
    """What `--llm` is given."""
    environment: Mapping[str, str]

    @property
    def priced_as(self) -> str:
        """Name of the model in `[prices]`: without its address."""
        return self.model.partition("@")[0]


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    code: int
    out: str
    err: str
    seconds: float


@dataclass(frozen=True)
class Asked:
    """An answer in the ledger."""

    model: str
    prompt_hash: str
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    format: str
    complaint: str


@dataclass(frozen=True)
class Place:
    """A folder with a graph of some features, which is asked about in one way."""

    folder: Path
    features: Path
    way: Way

    @property
    def out(self) -> Path:
        return self.folder / "graph.labeled.json"

    def label(self, *flags: str) -> Ended:
        """Have the model label every feature."""
        return self.run(
            *("label", "graph.json", "--features", str(self.features), "--llm-all"),
            *("--llm", self.way.model, "--concurrency", "2"),
            # A machine that does other work, too, may take a minute for an answer.
            *("--llm-timeout", "300", "--rows", "1000", *flags),
        )

    def explain(self, feature: str) -> Ended:
        return self.run("why", self.out.name, feature, "--features", str(self.features))

    def run(self, *arguments: str) -> Ended:
        started = time.monotonic()
        done = subprocess.run(
            [Path(sys.executable).with_name("clerp"), *arguments],
            cwd=self.folder,
            env={**_leave_out_settings(os.environ), **self.way.environment},
            capture_output=True,
            text=True,
            timeout=_MAX_SECONDS,
        )
        return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - started)

    def read_record(self) -> Document:
        return json.loads(self.out.read_text("utf-8"))["metadata"]["clerp"]

    def read_names(self) -> dict[str, str]:
        """Return what each feature is called, by feature; every node of one says the same."""
        nodes = json.loads(self.out.read_text("utf-8"))["nodes"]
        return {
            node["node_id"].rpartition("_")[0]: node["clerp"]
            for node in nodes
            if node["feature_type"] == _FEATURE
        }

    def read_answers(self) -> list[Asked]:
        """Return what the ledger holds, by key."""
        columns = ", ".join(Asked.__dataclass_fields__)
        with closing(sqlite3.connect(self.folder / "clerp.db")) as ledger:
            rows = ledger.execute(f"SELECT {columns} FROM answers ORDER BY key").fetchall()
        return [Asked(*row) for row in rows]


def name_ways(address: str) -> dict[str, Way]:
    """Name the model of a server in both ways that clerp knows."""
    endpoint = {"OPENAI_API_BASE": address, "OPENAI_API_KEY": "not-needed"}
    return {
        "http": Way("http", f"http:{MODEL}@{address}", {}),
        "litellm": Way("litellm", f"openai/{MODEL}", endpoint),
    }


def make_place(folder: Path, n: int, way: Way, features: Path = SAMPLE / "features") -> Place:
    """Write a graph of n features that a model would be asked about, early and late ones."""
    folder.mkdir()
    (folder / "graph.json").write_text(json.dumps(_cut_graph(choose_features(n))), "utf-8")
    return Place(folder, features, way)


def choose_features(n: int) -> list[FeatureId]:
    """Return n features of the bundled graph that are no artefacts, spread over the layers."""
    known = _list_meaningful()
    return [known[i * len(known) // n] for i in range(n)]


def read_evidence(feature: FeatureId) -> Document:
    """Return the bundled record of a feature."""
    found = Bins(SAMPLE / "features").fetch(feature)
    assert isinstance(found, RawRecord)
    return json.loads(found.content)


@cache
def _list_meaningful() -> list[FeatureId]:
    done = subprocess.run(
        [Path(sys.executable).with_name("clerp"), "route", _GRAPH, "--json"],
        env=_leave_out_settings(os.environ),
        capture_output=True,
        text=True,
        check=True,
        timeout=_MAX_SECONDS,
    )
    routes = [json.loads(line) for line in done.stdout.splitlines()]
    return sorted(FeatureId(r["layer"], r["index"]) for r in routes if r["role"] != "artefact")


def _cut_graph(features: Iterable[FeatureId]) -> Document:
    kept = {str(feature) for feature in features}
    graph = json.loads(_GRAPH.read_text("utf-8"))
    nodes = [
        node
        for node in graph["nodes"]
        if node["feature_type"] != _FEATURE or node["node_id"].rpartition("_")[0] in kept
    ]
    ids = {node["node_id"] for node in nodes}
    links = [link for link in graph["links"] if {link["source"], link["target"]} <= ids]
    assert Counter(node["feature_type"] for node in nodes)[_FEATURE] >= len(kept)
    return {**graph, "nodes": nodes, "links": links}


def _leave_out_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out what would decide which model is asked, or how, and every key."""
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(_SETTINGS) and not name.endswith("_API_KEY")
    }
