"""A labelled graph: what `clerp.label` returns, and how it is written."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clerp.config import Existing
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.graph import (
    AttributionGraph,
    FeatureNode,
    NodeAnnotation,
    annotate,
    write_document,
)
from clerp.labels import Style, in_style, names_supernode
from clerp.llm.costs import NOTHING_LOST, CostRow, LostCalls
from clerp.outcome import LabeledFeature, Status
from clerp.report.notebook import build_html
from clerp.report.occurrence import list_occurrences
from clerp.report.summary import Summary, summarize
from clerp.targets import find_target

if TYPE_CHECKING:
    from networkx import MultiDiGraph

    from clerp.grouped import GroupedGraph
    from clerp.report.html.recorded import RecordedGraph

Target = str
"""A target by name: `circuit-tracer`, `neuronpedia`, `neuronpedia:MODEL` or `table`."""

NOTEBOOK_ROWS = 50
"""Features that a notebook shows of a graph."""


@dataclass(frozen=True)
class LabeledGraph:
    """A graph with the outcome of every feature.

    `labeled[14, 2268]` is one feature; iterating gives all, sorted by layer and index.
    """

    graph: AttributionGraph
    features: Sequence[LabeledFeature]
    act_pct: Mapping[str, float]
    """Place of a node's activation in its feature's range, 0 to 100, by node id."""
    existing: Existing
    style: Style
    show_hints: bool
    record: Mapping[str, object]
    """What goes under `metadata.clerp`."""
    notes: tuple[str, ...] = ()
    """What a reader of the graph and its labels should know, one sentence each."""
    costs: tuple[CostRow, ...] = ()
    """What models were paid for the labels of all graphs that were labelled together."""
    lost: LostCalls = NOTHING_LOST
    """What they may be owed beside that, for calls of this run that no answer came of."""
    known: Mapping[FeatureId, FeatureEvidence | EvidenceGap] = field(
        default_factory=dict[FeatureId, FeatureEvidence | EvidenceGap], repr=False, compare=False
    )
    """The evidence that the labels rest on, of the features of all graphs that shared it."""

    def __getitem__(self, feature: tuple[int, int] | FeatureId | str) -> LabeledFeature:
        """Return a feature by layer and index, or as it is written (`14_2268`).

        Raises:
            KeyError: The graph has no such feature.
            UsageError: The text is not a feature.
        """
        if isinstance(feature, str):
            return self._by_feature[FeatureId.parse(feature)]
        return self._by_feature[feature if isinstance(feature, FeatureId) else FeatureId(*feature)]

    def __iter__(self) -> Iterator[LabeledFeature]:
        return iter(self.features)

    def __len__(self) -> int:
        return len(self.features)

    @cached_property
    def document(self) -> dict[str, Any]:
        """The labelled graph as parsed JSON; nothing but labels differs from the input."""
        annotations = {
            node.place: self._annotate(node)
            for node in self.graph.feature_nodes
            if node.feature in self._by_feature
        }
        return annotate(self.graph, annotations, self.record)

    @cached_property
    def summary(self) -> Summary:
        """Counts and shares of influence by tier, and what the review queue would add."""
        return summarize(self.graph, self.features)

    def write(self, path: str | Path, target: Target | None = None) -> None:
        """Write the labelled graph, atomically.

        Args:
            path: A suffix `.gz` or `.zst` compresses.
            target: What is to open it; see `clerp.targets`. None changes labels only.

        Raises:
            OutputError: The file could not be written; what was there before is unchanged.
            UsageError: There is no such target, or it needs to know more of the graph.
        """
        destination = Path(path)
        if target is None:
            write_document(self.document, destination)
        else:
            find_target(target).write(self.graph, self.document, destination)

    def group(self, grouper: str = "semantic") -> "GroupedGraph":
        """Propose supernodes.

        Args:
            grouper: NAME or NAME:ARGUMENT of a grouper: `semantic`, `edges` or `name`.

        Raises:
            PluginError: There is no such grouper, or it cannot be made.
            GraphError: What the graph holds about supernodes cannot be read.
        """
        from clerp.grouped import group_graph
        from clerp.plugins import find

        return group_graph(self._read_back(), find("groupers", grouper))

    def report(self, path: str | Path, compare: "LabeledGraph | None" = None) -> None:
        """Write what `clerp report` writes of the labelled graph, atomically.

        Every feature has the examples that its label rests on.

        Args:
            path: Of the HTML file.
            compare: Another run over the same graph: the report says what changed since.

        Raises:
            UsageError: The name of the file does not end in .html.
            ClerpError: Supernodes of the graph cannot be read, or the runs have nothing in common.
            OutputError: The file could not be written; what was there before is unchanged.
        """
        from clerp.report.html.writing import write_report

        before = None if compare is None else compare._record()
        write_report([self._record()], Path(path), before=before)

    def to_networkx(self) -> "MultiDiGraph[tuple[str, str]]":
        """Return the labelled graph as a networkx MultiDiGraph (see `AttributionGraph`)."""
        from clerp.graph.view import build_networkx

        return build_networkx(self.document)

    def to_records(self) -> list[dict[str, object]]:
        """Return one flat dictionary for each feature node, ready for a data frame."""
        return [
            {
                "node_id": node.node_id,
                "layer": node.feature.layer,
                "index": node.feature.index,
                "position": node.ctx_idx,
                "token": node.token,
                "activation": node.activation,
                "share": node.share,
                **self._describe(node),
            }
            for node in self.graph.feature_nodes
        ]

    def _repr_html_(self) -> str:
        return build_html(self.features, list_occurrences(self.graph), limit=NOTEBOOK_ROWS)

    def _read_back(self) -> AttributionGraph:
        from clerp.graph import read_graph

        return replace(read_graph(self.document, max_bytes=sys.maxsize), name=self.graph.name)

    def _record(self) -> "RecordedGraph":
        from clerp.report.html.recorded import read_recorded

        known = {f: e for f, e in self.known.items() if isinstance(e, FeatureEvidence)}
        return replace(read_recorded(self._read_back()), known=known)

    @cached_property
    def _by_feature(self) -> Mapping[FeatureId, LabeledFeature]:
        return {labeled.feature: labeled for labeled in self.features}

    def _describe(self, node: FeatureNode) -> dict[str, object]:
        annotation = self._annotate(node)
        return {
            "label": annotation.clerp,
            "role": annotation.role,
            "tier": annotation.tier,
            "method": annotation.method,
            "status": annotation.status,
            "act_pct": annotation.act_pct,
            "hint": annotation.hint,
            "reason": self._by_feature[node.feature].reason,
            "candidates": [c.text for c in self._by_feature[node.feature].candidates],
        }

    def _replaces(self, foreign_label: str, labeled: LabeledFeature) -> bool:
        # Whoever names a supernode is a person.
        if names_supernode(foreign_label):
            return False
        is_reviewed = labeled.status == "reviewed" and labeled.label is not None
        return self.existing == "replace" or (is_reviewed and self.existing != "keep")

    def _annotate(self, node: FeatureNode) -> NodeAnnotation:
        labeled = self._by_feature[node.feature]
        own = shown_text(labeled, self.style, show_hints=self.show_hints)
        kept = bool(node.foreign_label) and not self._replaces(node.foreign_label, labeled)
        status: Status = "kept" if kept else labeled.status
        proposes = kept and self.existing == "compare" and labeled.label is not None
        return NodeAnnotation(
            clerp=node.foreign_label if kept else own,
            role=labeled.route.role,
            tier=labeled.route.tier,
            method="" if kept else labeled.method,
            status=status,
            act_pct=self.act_pct.get(node.node_id),
            hint=labeled.hint or None,
            proposal=own if proposes else None,
        )


def shown_text(labeled: LabeledFeature, style: Style, *, show_hints: bool) -> str:
    """Return what a node shows: the label in its style, a marked hint if asked for, or nothing."""
    if labeled.label is not None:
        return in_style(labeled.label.text, style)
    return f"? {labeled.hint}" if show_hints and labeled.hint else ""
