"""What people left in a graph's `qParams`: supernodes and pins, in any frontend's spelling.

Neuronpedia and Anthropic write arrays. The Save of circuit-tracer's frontend writes the parameters
of its address, which are texts: JSON for supernodes, ids between commas for pins, null for none.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from clerp.errors import GraphError
from clerp.graph.model import AttributionGraph

MAX_IDS = 100_000
"""Ids that are read of one graph's supernodes, or pins; frontends show 200."""

# A name and the members; frontends write none without the name.
_Entry = Annotated[list[str], Meta(min_length=1)]
_REMEDY_SUPERNODES = 'Write [["name", "node_id", ...], ...] there, or remove the key'
_REMEDY_PINS = "Write a list of node ids there, or remove the key"


@dataclass(frozen=True, slots=True)
class NamedNodes:
    """A supernode as a person left it."""

    name: str
    """As it stands in the file; not always unique, nor fit for an address."""
    node_ids: tuple[str, ...]
    """`node_id` of every member, in the order of the file, each once; `unknown` ones as written."""
    unknown: tuple[str, ...] = ()
    """Those of `node_ids` that name no node of the graph: pruned since, or of another graph."""


def read_supernodes(graph: AttributionGraph) -> tuple[NamedNodes, ...]:
    """Read `qParams.supernodes`.

    Anthropic's files name members by `jsNodeId`, which says something where one node alone has it.

    Returns:
        In the order of the file; none where the key is missing, null or "".

    Raises:
        GraphError: Not a list of texts for each supernode, or more than `MAX_IDS` ids.
    """
    where = f"{graph.name}, qParams.supernodes"
    entries = _parse_supernodes(_read_setting(graph, "supernodes"), where)
    _check_size(sum(map(len, entries)), where, _REMEDY_SUPERNODES)
    names = _list_names(graph) if entries else {}
    return tuple(_resolve_supernode(entry, names) for entry in entries)


def read_pins(graph: AttributionGraph) -> tuple[str, ...]:
    """Read `qParams.pinnedIds`.

    Returns:
        `node_id` of every pinned node, in the order of the file, each once. Pins that name no node
        stay as they are: circuit-tracer's frontend ignores them.

    Raises:
        GraphError: Neither a list of texts nor a text, or more than `MAX_IDS` ids.
    """
    where = f"{graph.name}, qParams.pinnedIds"
    pins = _parse_pins(_read_setting(graph, "pinnedIds"), where)
    _check_size(len(pins), where, _REMEDY_PINS)
    return _resolve(pins, _list_names(graph)) if pins else ()


def _read_setting(graph: AttributionGraph, key: str) -> object:
    settings: Mapping[str, object] = graph.document.get("qParams") or {}
    value = settings.get(key)
    return [] if value is None else value


def _parse_supernodes(value: object, where: str) -> list[list[str]]:
    try:
        if isinstance(value, str):
            return msgspec.json.decode(value or "[]", type=list[_Entry] | None) or []
        return msgspec.convert(value, list[_Entry])
    except msgspec.DecodeError as error:
        raise _explain(error, where, _REMEDY_SUPERNODES) from error


def _parse_pins(value: object, where: str) -> list[str]:
    if isinstance(value, str):
        return [pin for pin in value.split(",") if pin]
    try:
        return msgspec.convert(value, list[str])
    except msgspec.ValidationError as error:
        raise _explain(error, where, _REMEDY_PINS) from error


def _explain(error: Exception, where: str, remedy: str) -> GraphError:
    fault, _, path = str(error).partition(" - at `$")
    return GraphError(
        f"cannot be read: {fault}", where=where + path.removesuffix("`"), remedy=remedy
    )


def _check_size(n_ids: int, where: str, remedy: str) -> None:
    if n_ids > MAX_IDS:
        raise GraphError(f"{n_ids:,} ids are more than {MAX_IDS:,}", where=where, remedy=remedy)


def _list_names(graph: AttributionGraph) -> dict[str, str]:
    """Map whatever names one node to its id; a `node_id` comes before a `jsNodeId`."""
    more: Mapping[str, dict[str, Any]] = graph.document.get("qk_only_nodes") or {}
    nodes: list[dict[str, Any]] = [*graph.document["nodes"], *more.values()]
    named = [(node.get("jsNodeId", ""), node["node_id"]) for node in nodes]
    n_nodes = Counter(name for name, _ in named)
    others = {name: node_id for name, node_id in named if n_nodes[name] == 1}
    return others | {node_id: node_id for _, node_id in named}


def _resolve_supernode(entry: list[str], names: Mapping[str, str]) -> NamedNodes:
    name, *written = entry
    unknown = dict.fromkeys(node_id for node_id in written if node_id not in names)
    return NamedNodes(name, _resolve(written, names), tuple(unknown))


def _resolve(written: Iterable[str], names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names.get(name, name) for name in written))
