"""A graph of eight features with evidence in files, small enough to be labelled in no time."""

import gzip
import json
import random
import struct
from collections.abc import Iterable
from itertools import cycle
from pathlib import Path
from typing import Any

from tests.unit.graph.conftest import build_graph

from clerp.feature import FeatureId

Document = dict[str, Any]

INDEX = "index.json.gz"
N_FEATURES = 8
FEATURES = tuple(FeatureId(i, 10 + i) for i in range(N_FEATURES))

_N_EXAMPLES = 6
_N_TOKENS = 13
_PEAK = 6
_NAMES = ("Dallas", "yellow", "seven", "river", "doctor", "piano", "Monday", "bread")
_FILLERS = (
    *("the", "old", "man", "walked", "across", "a", "quiet", "street", "and", "looked", "for"),
    *("his", "lost", "keys", "while", "two", "children", "played", "near", "some", "tall"),
    *("trees", "under", "bright", "sky", "before", "rain", "began", "to", "fall", "again"),
    *("because", "nobody", "had", "seen", "it", "coming", "until", "late", "that", "night"),
)


def build_tiny_graph() -> Document:
    return build_graph(n_features=N_FEATURES)


def build_records(features: Iterable[FeatureId] = FEATURES) -> dict[FeatureId, Document]:
    """Build one record for each feature, which peaks on a word of its own in every example."""
    rng = random.Random(0)
    return {
        feature: _build_record(feature, name, rng)
        for feature, name in zip(features, cycle(_NAMES), strict=False)
    }


def _build_record(feature: FeatureId, name: str, rng: random.Random) -> Document:
    examples = [_build_example(name, rng) for _ in range(_N_EXAMPLES)]
    return {
        "layer": feature.layer,
        "index": feature.index,
        "examples_quantiles": [{"quantile_name": "Top activations", "examples": examples}],
        "top_logits": [f" {name}"],
        "bottom_logits": [],
    }


def _build_example(name: str, rng: random.Random) -> Document:
    words = rng.sample(_FILLERS, _N_TOKENS)
    words[_PEAK] = name
    activations = [0.0] * _N_TOKENS
    activations[_PEAK] = round(rng.uniform(4, 5), 3)
    return {"tokens": [f" {word}" for word in words], "tokens_acts_list": activations}


def write_graph(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document))
    return path


def write_records(folder: Path, records: dict[FeatureId, Document]) -> Path:
    folder.mkdir()
    for feature, record in records.items():
        (folder / f"{feature.cantor}.json").write_text(json.dumps(record))
    return folder


def write_bins(folder: Path, records: dict[FeatureId, Document]) -> Path:
    """Write a bin for each layer, which ends with its last record, and their index."""
    folder.mkdir()
    index: list[Document] = []
    for layer in range(1 + max(feature.layer for feature in records)):
        content, offsets = bytearray(), [0]
        for feature in sorted(f for f in records if f.layer == layer):
            offsets += [len(content)] * (feature.index - len(offsets) + 1)
            packed = gzip.compress(json.dumps(records[feature]).encode(), mtime=0)
            content += struct.pack("<I", len(packed)) + packed
            offsets.append(len(content))
        name = f"layer_{layer}.bin"
        (folder / name).write_bytes(content)
        index.append({"filename": name, "offsets": offsets})
    write_index(folder, index)
    return folder


def read_index(folder: Path) -> list[Document]:
    return json.loads(gzip.decompress((folder / INDEX).read_bytes()))


def write_index(folder: Path, index: object) -> None:
    (folder / INDEX).write_bytes(gzip.compress(json.dumps(index).encode(), mtime=0))
