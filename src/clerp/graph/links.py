"""Edges by node id: ids that name two nodes, ends that name none, and edges into logits."""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, cast

import msgspec

from clerp.errors import GraphError
from clerp.feature import FeatureId
from clerp.graph.document import Document
from clerp.graph.flavour import NodeKind, kind_of, shorten
from clerp.graph.shape import LinkShape, LinksShape, NodePlace, NodeShape, check

# Three writers spell it `Output "x" (p=.3)`, `Logit "x" (p=.3)` and `output: "x" (p=.3)`.
_LOGIT_TEXT = re.compile(
    r'[^"]*"(?P<token>.*)"(?:\s*\(p=(?P<p>[0-9]*\.?[0-9]+(?:e-?[0-9]+)?)\))?\s*', re.DOTALL
)


@dataclass(frozen=True, slots=True)
class LogitEdge:
    """A direct edge from a feature node to a logit."""

    token: str
    """The logit's token as text."""
    weight: float
    """Direct effect on the logit, signed."""
    probability: float | None
    """What the model gives the token, 0 to 1."""
    ctx_idx: int
    """Position of the feature node."""


class NodeIds(NamedTuple):
    """The ids of a graph's nodes."""

    known: AbstractSet[str]
    ambiguous: AbstractSet[str]
    """Those that nodes of different kinds share."""
    logits: AbstractSet[str]


class NotedLinks(NamedTuple):
    """The few links that something is read from."""

    into_logits: tuple[LinkShape, ...]
    n_ambiguous: int
    """Links that start or end at an ambiguous id."""


def find_ambiguous(nodes: Mapping[NodePlace, NodeShape], where: str) -> frozenset[str]:
    """Find the ids that nodes of different kinds share.

    circuit-tracer names the error of layer 3 at position 5 `0_3_5`, which is also feature 3 of
    layer 0 at position 5, so this is normal.

    Raises:
        GraphError: Two nodes of one kind share an id.
    """
    first: dict[tuple[str, str], NodePlace] = {}
    owners: defaultdict[str, int] = defaultdict(int)
    for place, node in nodes.items():
        kind = kind_of(node)
        if kind is NodeKind.OTHER:
            kind = node.feature_type
        twin = first.setdefault((kind, node.node_id), place)
        if twin is not place:
            raise GraphError(
                f"node_id {shorten(node.node_id)!r} is already that of the {kind} {twin}",
                where=f"{where}, {place}",
                remedy="Export the graph again",
            )
        owners[node.node_id] += 1
    return frozenset(node_id for node_id, n in owners.items() if n > 1)


def read_links(document: Document, ids: NodeIds, where: str) -> NotedLinks:
    """Check that every link joins two nodes of the graph, and pick those that matter.

    Raises:
        GraphError: A key is missing or has the wrong type, or links name unknown nodes (counted,
            with the first as example).
    """
    links = _read_odd(document, ids, where)
    _check_ends(links, document, ids.known, where)
    return NotedLinks(
        into_logits=tuple(link for link in links if link.target in ids.logits),
        n_ambiguous=sum(
            link.source in ids.ambiguous or link.target in ids.ambiguous for link in links
        ),
    )


def _read_odd(document: Document, ids: NodeIds, where: str) -> list[LinkShape]:
    links: object = document.get("links")
    if isinstance(links, list):
        with suppress(KeyError, TypeError, msgspec.ValidationError):
            return msgspec.convert(_pick_odd(cast("list[object]", links), ids), list[LinkShape])
    # Again with all links: the index in the message is then that in the file.
    return check(document, LinksShape, where).links


def _pick_odd(links: list[object], ids: NodeIds) -> list[object]:
    """Return the links to look at closely, among them all that are no objects.

    Graphs have millions of links. Nearly all join two nodes that nothing is asked about, by a
    float, and one pass is all they get.

    Raises:
        KeyError: A link lacks a key.
        TypeError: The end of a link is a list or an object.
    """
    plain = ids.known - ids.ambiguous - ids.logits
    return [
        link
        for link in links
        if not isinstance(link, dict)
        or link["source"] not in plain
        or link["target"] not in plain
        or not isinstance(link["weight"], float)
    ]


def _check_ends(
    links: Collection[LinkShape], document: Document, known: AbstractSet[str], where: str
) -> None:
    loose = [link for link in links if link.source not in known or link.target not in known]
    if not loose:
        return
    first = loose[0]
    listed = check(document, LinksShape, where).links
    raise GraphError(
        f"{len(loose)} of {len(listed)} links name nodes that are not in the graph, "
        f"first {shorten(first.target if first.source in known else first.source)!r}",
        where=f"{where}, links[{listed.index(first)}]",
        remedy="Export the graph again",
    )


def list_logit_edges(
    into_logits: Collection[LinkShape],
    logits: Mapping[str, NodeShape],
    sources: Mapping[str, tuple[FeatureId, int]],
) -> dict[FeatureId, tuple[LogitEdge, ...]]:
    """Gather each feature's edges to logits, strongest by absolute weight first.

    Args:
        into_logits: Links that end at a logit.
        logits: Logit nodes by unambiguous id.
        sources: Feature and position of every feature node with an unambiguous id.
    """
    edges: defaultdict[FeatureId, list[LogitEdge]] = defaultdict(list)
    for link in into_logits:
        if link.source not in sources or link.target not in logits:
            continue
        logit = logits[link.target]
        token = read_token(logit.clerp or "")
        if token:
            feature, ctx_idx = sources[link.source]
            edges[feature].append(LogitEdge(token, link.weight, _probability(logit), ctx_idx))
    return {
        feature: tuple(sorted(found, key=lambda edge: (-abs(edge.weight), edge.token)))
        for feature, found in edges.items()
    }


def read_token(logit_text: str) -> str:
    """Return the quoted token of a logit's text, or "" when nothing is quoted."""
    match = _LOGIT_TEXT.fullmatch(logit_text)
    return match["token"] if match else ""


def _probability(logit: NodeShape) -> float | None:
    if logit.token_prob:
        return logit.token_prob
    match = _LOGIT_TEXT.fullmatch(logit.clerp or "")
    return float(match["p"]) if match and match["p"] else None
