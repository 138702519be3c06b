"""What keeps circuit-tracer's local frontend from opening a graph, or from showing all of it."""

from collections.abc import Mapping
from typing import Any

from clerp.graph.document import Document
from clerp.graph.flavour import KIND_OF_TYPE, NodeKind


def list_viewer_faults(document: Document) -> tuple[str, ...]:
    """Say why circuit-tracer's frontend would not open a document or hide parts of it."""
    faults = {
        "its frontend does not open graphs with `feature: null`": any(
            node.get("feature") is None for node in document["nodes"]
        ),
        "its frontend does not open graphs with a logit text without `(p=`": any(
            map(lacks_probability, document["nodes"])
        ),
        "its frontend hides nodes without `influence` when `node_threshold` is set": (
            document["metadata"].get("node_threshold") is not None
            and any("influence" not in node for node in document["nodes"])
        ),
        # It leaves out what is active at more than two thirds of the tokens.
        "its frontend shows nothing of a prompt of one token": (
            len(document["metadata"].get("prompt_tokens") or ()) <= 1
        ),
    }
    return tuple(fault for fault, present in faults.items() if present)


def lacks_probability(node: Mapping[str, Any]) -> bool:
    """Say whether a node is a logit whose text stops frontends, which look for `(p=` in it."""
    if KIND_OF_TYPE.get(node["feature_type"]) is not NodeKind.LOGIT:
        return False
    return bool(node.get("clerp")) and "(p=" not in node["clerp"]
