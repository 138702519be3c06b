"""What circuit-tracer's local frontend asks of a graph beyond the format."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from clerp.errors import OutputError, UsageError
from clerp.graph.document import Document
from clerp.graph.flavour import KIND_OF_TYPE, NodeKind
from clerp.graph.writing import write_atomically

INDEX_NAME = "graph-metadata.json"

_VIEWER_SETTINGS: dict[str, object] = {
    "pinnedIds": [],
    "supernodes": [],
    "linkType": "both",
    "clickedId": "",
    "sg_pos": "",
}


class _Entry(msgspec.Struct):
    slug: str


class _Index(msgspec.Struct):
    graphs: list[_Entry]


def prepare_for_circuit_tracer(document: Mapping[str, object], path: Path) -> dict[str, Any]:
    """Return the document as `circuit_tracer`'s local frontend loads it from `path`.

    The slug becomes the file's stem, since the frontend asks for `<slug>.json`. `qParams.clerps`
    goes: the frontend parses it as text, stops on anything else, and prefers it to node labels.
    Viewer settings that are missing get circuit-tracer's defaults.

    Raises:
        UsageError: The frontend would not find a file of that name.
    """
    check_viewer_name(path)
    prepared: dict[str, Any] = dict(document)
    prepared["metadata"] = {**prepared["metadata"], "slug": path.name.removesuffix(".json")}
    settings: dict[str, object] = {**(prepared.get("qParams") or {})}
    settings.pop("clerps", None)
    prepared["qParams"] = settings | {
        key: value for key, value in _VIEWER_SETTINGS.items() if key not in settings
    }
    return prepared


def check_viewer_name(path: Path) -> None:
    """Check that circuit-tracer's frontend, which asks for `<slug>.json`, finds a file.

    Raises:
        UsageError: It would not.
    """
    if path.suffix != ".json":
        raise UsageError(
            "circuit-tracer's frontend opens only plain files whose names end in .json",
            where=str(path),
            remedy="Name the output NAME.json",
        )


def list_viewer_faults(document: Document) -> tuple[str, ...]:
    """Say why circuit-tracer's frontend would not open a document or hide parts of it."""
    faults = {
        "its frontend does not open graphs with `feature: null`": any(
            node.get("feature") is None for node in document["nodes"]
        ),
        "its frontend does not open graphs with a logit text without `(p=`": any(
            node.get("clerp") and "(p=" not in node["clerp"]
            for node in document["nodes"]
            if KIND_OF_TYPE.get(node["feature_type"]) is NodeKind.LOGIT
        ),
        "its frontend hides nodes without `influence` when `node_threshold` is set": (
            document["metadata"].get("node_threshold") is not None
            and any("influence" not in node for node in document["nodes"])
        ),
    }
    return tuple(fault for fault, present in faults.items() if present)


def check_graph_index(folder: Path) -> None:
    """Find out whether a graph could be entered, before the graph itself is written.

    Raises:
        OutputError: The index that is there is not one.
    """
    _read_index(folder / INDEX_NAME)


def update_graph_index(folder: Path, metadata: Mapping[str, object]) -> None:
    """Enter a graph into the list that the frontend shows, in place of one with the same slug.

    Entries of other graphs are kept as they are. clerp's own record stays in the graph.

    Raises:
        OutputError: The index that is there is not one, or could not be written.
    """
    path = folder / INDEX_NAME
    index = _read_index(path)
    entry = {key: value for key, value in metadata.items() if key != "clerp"}
    slugs = [graph["slug"] for graph in index["graphs"]]
    if entry["slug"] in slugs:
        index["graphs"][slugs.index(entry["slug"])] = entry
    else:
        index["graphs"].append(entry)
    write_atomically(msgspec.json.format(msgspec.json.encode(index), indent=2) + b"\n", path)


def _read_index(path: Path) -> dict[str, Any]:
    try:
        index = msgspec.json.decode(path.read_bytes())
        msgspec.convert(index, _Index)
    except FileNotFoundError:
        return {"graphs": []}
    except (OSError, ValueError, RecursionError) as error:
        raise OutputError(
            f"the list of graphs cannot be read: {error}",
            where=str(path),
            remedy="Repair it or move it away, then write the graph again",
        ) from error
    return index
