"""Groupings that ask for no idea: what a grouper has to be better than."""

from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType

from clerp.feature import FeatureId
from clerp.graph import FeatureNode
from clerp.grouping import Named

Key = Callable[[FeatureNode, Mapping[FeatureId, Named]], Hashable]


def _by_name(node: FeatureNode, names: Mapping[FeatureId, Named]) -> Hashable:
    named = names.get(node.feature)
    # A node without a name shares none.
    return ("name", named.text) if named is not None and named.text else ("node", node.node_id)


BASELINES: Mapping[str, Key] = MappingProxyType(
    {
        "exact name": _by_name,
        "position": lambda node, _: node.ctx_idx,
        "layer and position": lambda node, _: (node.feature.layer, node.ctx_idx),
        "one group": lambda _node, _names: None,
        "singletons": lambda node, _: node.node_id,
    }
)
"""What nodes of one group share."""
