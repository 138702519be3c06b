"""A labelled graph and the folder of records that it was labelled from."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fake_llm import GOOD_ANSWER, chat, run_fake_llm

from clerp.evidence.bins import INDEX, Bins
from clerp.evidence.storage import RawRecord
from clerp.feature import FeatureId, unpair

HOSTILE_ANSWER = '<img src=x onerror=alert(1) & "x"'
"""What the language model calls every feature that it is asked about. A tag that ends is refused; a
page that puts this before a `>` of its own makes a tag of it."""

_GRAPHS = Path(__file__).parents[2] / "graphs" / "smollm2-135m"
_FEATURE = "cross layer transcoder"


@dataclass(frozen=True)
class Source:
    """A graph and the folder of `index.json.gz` and bins that has records of its features."""

    graph: Path
    features: Path


BUNDLED = Source(_GRAPHS / "capital-of-france.json", _GRAPHS / "features")


@dataclass(frozen=True)
class Node:
    id: str
    feature: FeatureId
    label: str


@dataclass(frozen=True)
class Sample:
    """A graph as `clerp label --target circuit-tracer` wrote it into a folder."""

    folder: Path
    features: Path
    document: dict[str, Any]

    @property
    def slug(self) -> str:
        return self.document["metadata"]["slug"]

    @property
    def _shown(self) -> list[dict[str, Any]]:
        """Feature nodes that the page does not prune; it hides the last one above the threshold."""
        threshold = self.document["metadata"]["node_threshold"]
        return [
            node
            for node in self.document["nodes"]
            if node["feature_type"] == _FEATURE and node["influence"] <= threshold
        ]

    def list_nodes(self) -> list[Node]:
        """Return the shown feature nodes whose ids no other node has, by layer and index."""
        n_same_id = Counter(node["node_id"] for node in self.document["nodes"])
        nodes = [
            Node(node["node_id"], unpair(node["feature"]), node["clerp"])
            for node in self._shown
            if n_same_id[node["node_id"]] == 1
        ]
        return sorted(nodes, key=lambda node: node.feature)

    def pick(self, wanted: Callable[[Node], bool]) -> list[Node]:
        """Return the first, the middle and the last node that is wanted, of different features."""
        found = [node for node in self.list_nodes() if wanted(node)]
        picked = [found[0], found[len(found) // 2], found[-1]]
        assert len({node.feature for node in picked}) == len(picked)
        return picked

    def list_sources(self, target: str) -> list[str]:
        """Return the labels of the shown feature nodes with a link to a node."""
        sources = {link["source"] for link in self.document["links"] if link["target"] == target}
        return [node["clerp"] for node in self._shown if node["node_id"] in sources]

    def read_record(self, feature: FeatureId) -> dict[str, Any]:
        found = Bins(self.features).fetch(feature)
        assert isinstance(found, RawRecord)
        return json.loads(found.content)

    def move(self, folder: Path, **metadata: Any) -> "Sample":
        """Write a copy whose metadata differs."""
        copy = {**self.document, "metadata": {**self.document["metadata"], **metadata}}
        shutil.copytree(self.folder, folder)
        (folder / f"{self.slug}.json").write_text(json.dumps(copy), "utf-8")
        return Sample(folder, self.features, copy)


def label(source: Source, folder: Path) -> Sample:
    """Label a graph, the features of tier 2 by a language model that answers with markup."""
    answer = chat({**GOOD_ANSWER, "label": HOSTILE_ANSWER, "evidence": ["0.0"]})
    with run_fake_llm() as llm:
        llm.answers(*[answer] * 1000)
        done = subprocess.run(
            [
                *(Path(sys.executable).with_name("clerp"), "label", source.graph),
                *("--features", source.features, "--llm", "openai/gpt-4o-mini"),
                *("--out", f"{folder}/", "--ledger", folder / "clerp.db"),
                *("--target", "circuit-tracer"),
            ],
            cwd=folder,
            env={**os.environ, "OPENAI_API_BASE": llm.address, "OPENAI_API_KEY": "unused"},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    written = folder / f"{source.graph.stem}.labeled.json"
    return Sample(folder, source.features, json.loads(written.read_text("utf-8")))


def copy_without_record(features: Path, feature: FeatureId, to: Path) -> Path:
    """Copy a folder of bins, with an index that knows no record of a feature."""
    copy = shutil.copytree(features, to)
    index = json.loads(gzip.decompress((copy / INDEX).read_bytes()))
    layer, place, _ = feature
    offsets = (index[layer] if isinstance(index, list) else index[str(layer)])["offsets"]
    # The record before it then reaches further; its own length says where it ends.
    offsets[place] = offsets[place + 1]
    (copy / INDEX).write_bytes(gzip.compress(json.dumps(index).encode()))
    return copy
