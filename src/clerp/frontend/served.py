"""A graph of any flavour as circuit-tracer's page loads it; its file stays as it is."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from clerp.feature import FeatureId
from clerp.graph import AttributionGraph
from clerp.graph.viewer_faults import lacks_probability
from clerp.targets.circuit_tracer import prepare_for_circuit_tracer
from clerp.targets.given_labels import pair_nodes
from clerp.targets.graph_index import make_entry

EXAMPLES = "examples"
"""Folder under which activation examples are served."""

NameT = TypeVar("NameT", int, str)

_NO_FEATURE = -1
# The page then reads `feature` as the Cantor number, by which clerp names examples.
_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class FeatureNumbers:
    """What the page calls each feature: its Cantor number, or the index where the file has that."""

    is_cantor: bool
    features: Mapping[int, FeatureId]
    """By the number on the page, where that is of one feature only."""
    of_page: Mapping[str, str]
    """By the number in the file, for `qParams.clerps`."""
    of_file: Mapping[str, str]
    """By the number on the page."""


def prepare_to_serve(graph: AttributionGraph, slug: str) -> dict[str, Any]:
    """Return the document that the page loads.

    Beside what `--target circuit-tracer` changes: features get a number by which the page tells
    layer and index (`number_features`); `feature: null` and texts of logits without a probability,
    which stop the page, are filled; and the scan becomes an address of this server, since the page
    asks HuggingFace of any other.

    Raises:
        GraphError: Viewer settings cannot be read.
    """
    prepared = prepare_for_circuit_tracer(graph, graph.document, Path(f"{slug}.json"))
    metadata: dict[str, Any] = make_entry(prepared["metadata"])
    metadata["scan"] = name_scan(graph)
    numbers = number_features(graph)
    if numbers.is_cantor:
        metadata["schema_version"] = _SCHEMA_VERSION
    metadata.setdefault("prompt_tokens", [])
    return {
        "metadata": metadata,
        "qParams": _renumber_labels(prepared["qParams"], numbers),
        "nodes": _prepare_nodes(graph, numbers),
        "links": prepared["links"],
    }


def describe_graph(graph: AttributionGraph, slug: str) -> dict[str, object]:
    """Return what the page's list of graphs says of it.

    Where nodes have no influence, it gets no threshold, by which the page would hide them.
    """
    entry = make_entry(graph.document["metadata"]) | {"slug": slug, "prompt": graph.prompt}
    if any("influence" not in node for node in graph.document["nodes"]):
        entry.pop("node_threshold", None)
    return entry


def name_scan(graph: AttributionGraph) -> str:
    """Return the scan by which the page asks this server for examples.

    It also keeps a person's labels under this name, for all graphs of one set of transcoders.
    """
    identity = graph.transcoder_identity
    named = f"{identity.name}@{identity.revision}" if identity.revision else identity.name
    return f"./{EXAMPLES}/{hashlib.sha256(named.encode()).hexdigest()[:12]}"


def number_features(graph: AttributionGraph) -> FeatureNumbers:
    """Choose what the page calls each feature of a transcoder.

    Graphs with a schema version have the Cantor number, and the page then makes the index of it.
    Of those before, some have the index itself, which stays where no two layers share one; the
    others get the Cantor number, too.
    """
    written: dict[FeatureId, object] = {
        node.feature: raw.get("feature")
        for node, raw in pair_nodes(graph, graph.document)
        if not node.feature.kind
    }
    is_index = all(number == feature.index for feature, number in written.items())
    is_unique = len(set(written.values())) == len(written)
    is_cantor = bool(graph.metadata.schema_version) or not (is_index and is_unique)
    number = {f: f.cantor if is_cantor else f.index for f in written}
    features = _invert(number)
    pairs = _invert({feature: str(given) for feature, given in written.items()})
    of_page = {given: str(number[feature]) for given, feature in pairs.items()}
    return FeatureNumbers(is_cantor, features, of_page, {b: a for a, b in of_page.items()})


def _invert(names: Mapping[FeatureId, NameT]) -> dict[NameT, FeatureId]:
    """Return features by name, where a name is of one only."""
    n_features = Counter(names.values())
    return {name: feature for feature, name in names.items() if n_features[name] == 1}


def _prepare_nodes(graph: AttributionGraph, numbers: FeatureNumbers) -> list[dict[str, Any]]:
    cantor = {
        node.place.key: node.feature.cantor
        for node in graph.feature_nodes
        if numbers.is_cantor and not node.feature.kind
    }
    nodes: list[dict[str, Any]] = graph.document["nodes"]
    return [
        {**node, **_fill(node), **({"feature": cantor[i]} if i in cantor else {})}
        for i, node in enumerate(nodes)
    ]


def _fill(node: Mapping[str, Any]) -> dict[str, Any]:
    filled: dict[str, Any] = {}
    if node.get("feature") is None:
        filled["feature"] = _NO_FEATURE
    if lacks_probability(node):
        filled["clerp"] = f'Output "{node["clerp"]}" (p={node.get("token_prob") or 0:.3f})'
    return filled


def _renumber_labels(settings: dict[str, Any], numbers: FeatureNumbers) -> dict[str, Any]:
    if "clerps" not in settings:
        return settings
    entries: list[list[str]] = json.loads(settings["clerps"])
    renumbered = [[numbers.of_page.get(key, key), label] for key, label in entries]
    return settings | {"clerps": json.dumps(renumbered, ensure_ascii=False)}
