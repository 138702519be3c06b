"""`graph-metadata.json`: the list of graphs that circuit-tracer's frontend shows of a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from clerp.errors import OutputError
from clerp.graph.writing import write_atomically

INDEX_NAME = "graph-metadata.json"


class _Entry(msgspec.Struct):
    slug: str


class _Index(msgspec.Struct):
    graphs: list[_Entry]


def make_entry(metadata: Mapping[str, object]) -> dict[str, object]:
    """Return what the list says of a graph; clerp's own record stays in the graph."""
    return {key: value for key, value in metadata.items() if key != "clerp"}


def check_graph_index(folder: Path) -> None:
    """Find out whether a graph could be entered, before the graph itself is written.

    Raises:
        OutputError: The index that is there is not one.
    """
    _read_index(folder / INDEX_NAME)


def update_graph_index(folder: Path, metadata: Mapping[str, object]) -> None:
    """Enter a graph, in place of one with the same slug; other entries are kept as they are.

    Raises:
        OutputError: The index that is there is not one, or could not be written.
    """
    path = folder / INDEX_NAME
    index = _read_index(path)
    entry = make_entry(metadata)
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
