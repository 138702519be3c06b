"""What nodes read from and what they act on, compared by the cosine of their edges."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Float64, Int64

from clerp.graph import AttributionGraph, FeatureNode
from clerp.grouping.link_table import LinkTable, list_ends, read_links

DECIMALS = 6
"""Of a similarity; what comes after is the noise of adding numbers up, and decides nothing."""


def compare_profiles(
    graph: AttributionGraph, nodes: Sequence[FeatureNode]
) -> Float64[np.ndarray, "node node"]:
    """Compare the signed edges of nodes.

    A node has two profiles: what it reads, its edges from features and tokens, and what it acts on,
    its edges to features and logits. An edge counts by its share of all that its target reads, as
    in circuit-tracer's influence. Errors are no part of a profile: one stands for whatever the
    transcoders missed, and two nodes that read it need have nothing in common. Links whose ends do
    not tell which node is meant count for none.

    Returns:
        The mean of the two cosines, -1 to 1, of each pair of nodes. Edges that two nodes have with
        opposite signs count against them; a profile without any edge agrees with none.
    """
    links = read_links(graph)
    ends = (*(node.node_id for node in graph.feature_nodes), *list_ends(graph))
    end_of = links.number({node_id: number for number, node_id in enumerate(sorted(set(ends)))})
    row_of = links.number({node.node_id: row for row, node in enumerate(nodes)})
    shares = _share_out(links, end_of)
    shape = (len(nodes), len(ends))
    read = _lay_out(row_of[links.targets], end_of[links.sources], shares, shape)
    acted_on = _lay_out(row_of[links.sources], end_of[links.targets], shares, shape)
    return np.round((_compare_rows(read) + _compare_rows(acted_on)) / 2, DECIMALS)


def _share_out(links: LinkTable, end_of: Int64[np.ndarray, " id"]) -> Float64[np.ndarray, " link"]:
    """Divide every weight by the sum of |weight| that its target reads from the ends."""
    counted = end_of[links.sources] >= 0
    totals = np.bincount(links.targets[counted], np.abs(links.weights[counted]), len(links.place))
    per_link = totals[links.targets]
    return np.divide(links.weights, per_link, out=np.zeros(len(per_link)), where=per_link > 0)


def _lay_out(
    rows: Int64[np.ndarray, " link"],
    columns: Int64[np.ndarray, " link"],
    shares: Float64[np.ndarray, " link"],
    shape: tuple[int, int],
) -> Float32[np.ndarray, "node end"]:
    """Put the edges of each node into its row."""
    kept = (rows >= 0) & (columns >= 0)
    profiles = np.zeros(shape, dtype=np.float32)
    np.add.at(profiles, (rows[kept], columns[kept]), shares[kept].astype(np.float32))
    return profiles


def _compare_rows(
    profiles: Float32[np.ndarray, "node end"],
) -> Float64[np.ndarray, "node node"]:
    norms = np.linalg.norm(profiles, axis=1, keepdims=True)
    unit = np.divide(profiles, norms, out=np.zeros_like(profiles), where=norms > 0)
    return (unit @ unit.T).astype(np.float64)
