"""What one line of a table says of a supernode, for terminals and notebooks alike."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from clerp.graph import AttributionGraph, FeatureNode
from clerp.grouped.document import list_added
from clerp.grouping import Grouping, Supernode
from clerp.report.rows import make_visible, percent
from clerp.targets.given_labels import name_node, pair_nodes, read_given_labels
from clerp.word_names import name_word

_MAX_LABELS = 3


@dataclass(frozen=True, slots=True)
class SupernodeRow:
    """One supernode, in words that are safe to show on one line."""

    name: str
    by: str
    """`person` or `clerp`."""
    members: str
    """How many; `9 +3` where clerp added 3 to a person's 9."""
    n_added: int
    """Members that clerp added to a person's; 0 for its own."""
    layers: str
    """Lowest and highest: `3-7`."""
    positions: str
    """The first token of the prompt that its members stand on, and how many more."""
    share: str
    """Of the influence in the graph, `2.5%`; `-` where the graph does not say."""
    labels: str
    """What most members are called, apart from the name of the supernode itself."""
    warnings: tuple[str, ...]


def list_rows(graph: AttributionGraph, grouping: Grouping) -> list[SupernodeRow]:
    """Describe supernodes in their order."""
    labels = read_labels(graph)
    nodes = {node.node_id: node for node in graph.feature_nodes}
    return [
        _describe(group, len(added) if group.origin == "person" else 0, nodes, labels)
        for group, added in zip(grouping.supernodes, list_added(graph, grouping), strict=True)
    ]


def read_labels(graph: AttributionGraph) -> Mapping[str, str]:
    """Read what frontends show for every feature node, by `node_id`; "" where nothing."""
    given = read_given_labels(graph, graph.document)
    labels: dict[str, str] = {}
    for node, raw in pair_nodes(graph, graph.document):
        keys = name_node(raw)
        label = given.get(keys.occurrence) or given.get(keys.feature) or raw.get("clerp")
        labels[node.node_id] = label or ""
    return labels


def count_reasons(grouping: Grouping) -> list[tuple[str, int]]:
    """Count the nodes that are in no supernode by the reason, most frequent first."""
    counts = Counter(make_visible(member.reason) for member in grouping.ungrouped)
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def _describe(
    group: Supernode, n_added: int, nodes: Mapping[str, FeatureNode], labels: Mapping[str, str]
) -> SupernodeRow:
    members = [nodes[i] for i in group.node_ids if i in nodes]
    shares = [node.share for node in members if node.share is not None]
    called = (labels.get(i, "") for i in group.node_ids)
    return SupernodeRow(
        name=make_visible(group.name),
        by=group.origin,
        members=f"{len(group.members) - n_added}{f' +{n_added}' if n_added else ''}",
        n_added=n_added,
        layers=_show_range([node.feature.layer for node in members]),
        positions=_show_positions(members),
        share=percent(fsum(shares) if shares else None),
        labels=_show_labels(label for label in called if label != group.name),
        warnings=tuple(map(make_visible, group.warnings)),
    )


def _show_range(layers: Sequence[int]) -> str:
    if not layers:
        return "-"
    low, high = min(layers), max(layers)
    return str(low) if low == high else f"{low}-{high}"


def _show_positions(members: Sequence[FeatureNode]) -> str:
    tokens = {node.ctx_idx: node.token for node in members}
    if not tokens:
        return "-"
    first = min(tokens)
    token = name_word(tokens[first].strip() or tokens[first]) if tokens[first] else str(first)
    more = f" +{len(tokens) - 1}" if len(tokens) > 1 else ""
    return make_visible(f"{token}{more}")


def _show_labels(labels: Iterable[str]) -> str:
    counts = Counter(label for label in labels if label)
    shown = sorted(counts, key=lambda label: (-counts[label], label))
    more = f" +{len(shown) - _MAX_LABELS}" if len(shown) > _MAX_LABELS else ""
    return make_visible(f"{' · '.join(shown[:_MAX_LABELS])}{more}")
