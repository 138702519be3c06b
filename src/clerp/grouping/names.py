"""What a graph says of its features."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from clerp.feature import FeatureId
from clerp.graph import AttributionGraph
from clerp.grouping.label_form import read_form, strip_style
from clerp.grouping.supernode import Named
from clerp.targets.given_labels import name_node, pair_nodes, read_given_labels

# With any other status the text on a node is a hint, or there is none.
_LABELLED = frozenset({"labeled", "reviewed"})


def read_names(graph: AttributionGraph) -> dict[FeatureId, Named]:
    """Read every feature's label and role, whoever wrote them.

    A label that a person gave in a frontend, in `qParams.clerps`, comes before the node's own.

    A feature whose nodes have different labels goes by the one on most of them. What clerp shows
    of a feature without a label, a hint, is none. Where no node has a role, labels tell it: `say
    Austin` is an output, and in a graph where somebody labels like that `Austin` is an input.

    Returns:
        By feature, for every feature of the graph.

    Raises:
        GraphError: `qParams.clerps` cannot be read.
    """
    given = read_given_labels(graph, graph.document)
    texts: defaultdict[FeatureId, Counter[str]] = defaultdict(Counter)
    roles: defaultdict[FeatureId, Counter[str]] = defaultdict(Counter)
    for node, written in pair_nodes(graph, graph.document):
        keys = name_node(written)
        theirs = given.get(keys.occurrence) or given.get(keys.feature) or node.foreign_label
        text = _read_text(theirs, written)
        texts[node.feature][text] += 1
        roles[node.feature][_read_role(theirs, written, text)] += 1
    chosen = {feature: _choose(counts) for feature, counts in texts.items()}
    says = any(read_form(text).side == "output" for text in chosen.values())
    return {
        feature: Named(text, _choose(roles[feature]) or ("input" if text and says else ""))
        for feature, text in chosen.items()
    }


def _read_text(theirs: str | None, written: Mapping[str, Any]) -> str:
    if theirs:
        return strip_style(theirs)
    own = written.get("clerp_status") in _LABELLED
    return strip_style(written.get("clerp") or "") if own else ""


def _read_role(theirs: str | None, written: Mapping[str, Any], text: str) -> str:
    # clerp's own label speaks of the role that it found; what others wrote may speak of another.
    role = written.get("clerp_role")
    if isinstance(role, str) and not theirs:
        return role
    if read_form(text).side:
        return "output"
    return role if isinstance(role, str) else ""


def _choose(counts: Counter[str]) -> str:
    texts = [text for text in counts if text]
    return min(texts, key=lambda text: (-counts[text], text), default="")
