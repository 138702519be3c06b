"""A graph and its supernodes, in the forms that other tools take."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from clerp.graph import AttributionGraph, FeatureNode, write_document
from clerp.grouped.document import RECORD, drop_own_groups, write_groups
from clerp.grouped.notebook import build_html
from clerp.grouped.notes import list_notes
from clerp.grouped.rows import list_rows, read_labels
from clerp.grouping import Grouping, Supernode, group_nodes, read_names
from clerp.plugins import Grouper
from clerp.targets import find_target
from clerp.targets.neuronpedia import name_model, prepare_for_neuronpedia
from clerp.viewer_address import DEFAULT_BASE, write_address

DEFAULT_GROUPER = "semantic"


class Feature(NamedTuple):
    """A feature at a position, as `circuit_tracer.utils.decode_url_features` has it; equal to it.

    circuit-tracer's intervention demos take supernodes of these.
    """

    layer: int
    pos: int
    feature_idx: int


@dataclass(frozen=True)
class GroupedGraph:
    """A graph with supernodes: people's, and those that a grouper proposes."""

    graph: AttributionGraph
    """Without what clerp grouped in it before."""
    grouping: Grouping

    def __iter__(self) -> Iterator[Supernode]:
        return iter(self.grouping.supernodes)

    def __len__(self) -> int:
        return len(self.grouping.supernodes)

    @cached_property
    def document(self) -> dict[str, Any]:
        """The grouped graph as parsed JSON; see `write_groups` for what differs from the input."""
        return write_groups(self.graph, self.grouping)

    @property
    def record(self) -> Mapping[str, Any]:
        """What `metadata.clerp.grouping` says: who grouped what, and why."""
        return self.document["metadata"]["clerp"][RECORD]

    def write(self, path: str | Path, target: str | None = None) -> None:
        """Write the grouped graph, atomically.

        Args:
            path: A suffix `.gz` or `.zst` compresses.
            target: As for `LabeledGraph.write`.

        Raises:
            OutputError: The file could not be written; what was there before is unchanged.
            UsageError: There is no such target, or it has no place for this graph.
        """
        if target is None:
            write_document(self.document, Path(path))
        else:
            find_target(target).write(self.graph, self.document, Path(path))

    def address(self, base: str = DEFAULT_BASE, slug: str = "") -> str:
        """Return the address under which circuit-tracer's frontend shows pins and supernodes.

        `circuit_tracer.utils.decode_url_features` reads the same from it as `features` returns,
        unless a person grouped something else than features of a transcoder: there it stops.

        Args:
            base: Where the frontend is served.
            slug: Name of the file without `.json`, where it is not that of the graph.
        """
        supernodes = [(group.name, *group.node_ids) for group in self]
        return write_address(slug or self.graph.slug, self.grouping.pins, supernodes, base)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What whoever opens the graph should know, one sentence each."""
        return list_notes(self.graph, self.grouping, self.address())

    def subgraph(self, model: str = "") -> dict[str, Any]:
        """Return what Neuronpedia's `POST /api/graph/subgraph/save` takes, as parsed JSON.

        Args:
            model: Neuronpedia's id of the model; empty for what the graph says.

        Raises:
            UsageError: Nothing says which model it is.
        """
        prepared = prepare_for_neuronpedia(
            self.graph, self.document, model or name_model(self.graph)
        )
        settings = prepared["qParams"]
        return {
            "modelId": prepared["metadata"]["scan"],
            "slug": prepared["metadata"]["slug"],
            "pinnedIds": settings["pinnedIds"],
            "supernodes": settings["supernodes"],
            "clerps": settings["clerps"],
            "pruningThreshold": None,
            "densityThreshold": None,
        }

    def features(self) -> dict[str, list[Feature]]:
        """Return the features of every supernode by its name, ready for an intervention.

        Members that are no features of a transcoder are left out, and so are supernodes without
        any. A name that people gave twice gets a number, as circuit-tracer does it.
        """
        found: dict[str, list[Feature]] = {}
        seen: Counter[str] = Counter()
        for group in self:
            members = [self._nodes[i] for i in group.node_ids if i in self._nodes]
            listed = [_make_feature(node) for node in members if not node.feature.kind]
            seen[group.name] += 1
            number = f" ({seen[group.name]})" if seen[group.name] > 1 else ""
            if listed:
                found[f"{group.name}{number}"] = listed
        return found

    def to_records(self) -> list[dict[str, object]]:
        """Return one flat dictionary for each member, ready for a data frame.

        Layer, index and position are None for members that are no feature nodes.
        """
        return [
            {
                "name": group.name,
                "node_id": member.node_id,
                **self._describe(member.node_id),
                "reason": member.reason,
            }
            for group in self
            for member in group.members
        ]

    def _repr_html_(self) -> str:
        return build_html(list_rows(self.graph, self.grouping))

    def _describe(self, node_id: str) -> dict[str, object]:
        node = self._nodes.get(node_id)
        return {
            "layer": node.feature.layer if node else None,
            "index": node.feature.index if node else None,
            "position": node.ctx_idx if node else None,
            "label": self._labels.get(node_id, ""),
        }

    @cached_property
    def _nodes(self) -> Mapping[str, FeatureNode]:
        return {node.node_id: node for node in self.graph.feature_nodes}

    @cached_property
    def _labels(self) -> Mapping[str, str]:
        return read_labels(self.graph)


def group_graph(graph: AttributionGraph, grouper: Grouper) -> GroupedGraph:
    """Propose supernodes for a graph.

    What clerp grouped before is proposed anew; what people grouped is kept.

    Args:
        graph: Labelled, by clerp or by people.
        grouper: Which nodes belong together.

    Raises:
        GraphError: Its viewer settings, or the record of the last grouping, cannot be read.
    """
    ungrouped = drop_own_groups(graph)
    return GroupedGraph(ungrouped, group_nodes(ungrouped, read_names(ungrouped), grouper))


def _make_feature(node: FeatureNode) -> Feature:
    return Feature(node.feature.layer, node.ctx_idx, node.feature.index)
