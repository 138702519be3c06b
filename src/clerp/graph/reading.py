"""A file or a parsed dict to an attribution graph."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path, PurePath
from typing import Any, Protocol, runtime_checkable

from clerp.errors import GraphError
from clerp.feature import FeatureId
from clerp.graph.digest import digest_graph
from clerp.graph.document import DEFAULT_MAX_BYTES, Document, copy_document, load_document
from clerp.graph.flavour import (
    KIND_OF_TYPE,
    Flavour,
    NodeKind,
    detect_flavour,
    identify,
    kind_of,
    shorten,
)
from clerp.graph.influence import InfluenceShares, measure_shares
from clerp.graph.links import (
    LogitEdge,
    NodeIds,
    NotedLinks,
    find_ambiguous,
    list_logit_edges,
    read_links,
)
from clerp.graph.model import AttributionGraph, FeatureNode
from clerp.graph.shape import (
    GraphShape,
    NodePlace,
    NodeShape,
    RecordShape,
    VersionShape,
    check,
    check_graph,
)
from clerp.graph.transcoder import identify_transcoders
from clerp.labels import is_placeholder
from clerp.plugins import find_reader
from clerp.tokens import readable

SCHEMA_VERSION = 1
"""Of `metadata.clerp`, clerp's own record in a labelled graph."""

JSON_SUFFIXES = (".gz", ".zst", ".json")
"""In the order in which a name ends with them, last first."""

_SHOWN_IDS = 5


@runtime_checkable
class GraphObject(Protocol):
    """A graph as its maker holds it in memory; `circuit_tracer.Graph` is one."""

    def to_pt(self, path: str) -> None:
        """Save it."""
        ...


GraphInput = str | Path | Mapping[str, Any] | GraphObject


def read_graph(source: GraphInput, *, max_bytes: int = DEFAULT_MAX_BYTES) -> AttributionGraph:
    """Read an attribution graph of any flavour.

    Args:
        source: Path of a JSON file, plain, gzip or zstd; or a parsed graph, which is copied. With
            a plugin that reads them (`clerp.plugins.Reader`) also other files and objects.
        max_bytes: Cap on the bytes of JSON, in the file and decompressed.

    Raises:
        GraphError: It cannot be read, or is no attribution graph with at least one feature.
        PluginError: Its reader is not installed.
    """
    if isinstance(source, str | Path):
        return _read_file(source, max_bytes)
    where = "the given graph"
    document = source if isinstance(source, Mapping) else _convert(source)
    return _build(copy_document(document, where, max_bytes), where, "")


def _read_file(source: str | Path, max_bytes: int) -> AttributionGraph:
    _refuse_text(source)
    path = Path(source)
    if path.suffix.lower() in JSON_SUFFIXES or (reader := find_reader(path)) is None:
        return _build(load_document(path, max_bytes), str(path), name_stem(path))
    document = copy_document(reader.read(path), str(path), max_bytes)
    return _build(document, str(path), name_stem(path))


def _convert(source: object) -> Mapping[str, object]:
    reader = find_reader(source)
    if reader is None:
        raise GraphError(
            f"{type(source).__module__}.{type(source).__qualname__} is no graph that clerp reads",
            remedy="Pass a path, a parsed graph or a circuit_tracer.Graph",
        )
    return reader.read(source)


def _refuse_text(source: str | Path) -> None:
    if isinstance(source, str) and source.lstrip()[:1] in ("{", "["):
        raise GraphError(
            "this is the text of a graph, neither its path nor a parsed graph",
            remedy="Pass json.loads(text), or the path of the file",
        )


def _build(document: Document, where: str, name: str) -> AttributionGraph:
    shape = check_graph(document, where)
    metadata = shape.metadata
    nodes = shape.read_nodes(where)
    ids = _collect_ids(nodes, where)
    noted = read_links(document, ids, where)
    flavour = detect_flavour(metadata, nodes.values())
    shares = measure_shares(nodes, where)
    record = _read_record(shape, where)
    tokens = readable(metadata.prompt_tokens)
    features = _list_features(nodes, flavour, shares, tokens, record, where)
    return AttributionGraph(
        name=name or PurePath(metadata.slug or "graph").name,
        document=document,
        flavour=flavour,
        slug=metadata.slug or "",
        scan=metadata.scan or "",
        prompt=metadata.prompt or "",
        prompt_tokens=tokens,
        feature_nodes=features,
        shares=shares,
        notes=(*_note_ambiguous(ids.ambiguous, noted.n_ambiguous), *_note_types(nodes)),
        digest=digest_graph(metadata, nodes, noted.into_logits),
        transcoder_identity=identify_transcoders(metadata),
        metadata=metadata,
        record=record,
        _by_feature=_group(features),
        _logit_edges=_list_logit_edges(noted, nodes, features, ids.ambiguous),
    )


def _collect_ids(nodes: Mapping[NodePlace, NodeShape], where: str) -> NodeIds:
    return NodeIds(
        known={node.node_id for node in nodes.values()},
        ambiguous=find_ambiguous(nodes, where),
        logits={node.node_id for node in nodes.values() if kind_of(node) is NodeKind.LOGIT},
    )


def _list_logit_edges(
    noted: NotedLinks,
    nodes: Mapping[NodePlace, NodeShape],
    features: tuple[FeatureNode, ...],
    ambiguous: AbstractSet[str],
) -> dict[FeatureId, tuple[LogitEdge, ...]]:
    logits = {
        node.node_id: node
        for node in nodes.values()
        if kind_of(node) is NodeKind.LOGIT and node.node_id not in ambiguous
    }
    sources = {
        node.node_id: (node.feature, node.ctx_idx)
        for node in features
        if node.node_id not in ambiguous
    }
    return list_logit_edges(noted.into_logits, logits, sources)


def name_stem(path: Path) -> str:
    """Return the name of a graph file without what says how it is stored."""
    name = path.name
    for suffix in (*JSON_SUFFIXES, ".pt"):
        name = name.removesuffix(suffix)
    return name


def _list_features(
    nodes: Mapping[NodePlace, NodeShape],
    flavour: Flavour,
    shares: InfluenceShares | None,
    tokens: Sequence[str],
    record: RecordShape | None,
    where: str,
) -> tuple[FeatureNode, ...]:
    found = [
        _make_feature_node(
            place, node, identify(node, flavour, where, place), shares, tokens, record
        )
        for place, node in nodes.items()
        if kind_of(node) is NodeKind.FEATURE
    ]
    if not found:
        types = ", ".join(sorted({shorten(node.feature_type) for node in nodes.values()}))
        raise GraphError(
            f"no feature nodes among {len(nodes)} nodes (types: {types or 'none'})",
            where=where,
            remedy="Export the graph with a higher node_threshold, which keeps more nodes",
        )
    return tuple(found)


def _make_feature_node(
    place: NodePlace,
    node: NodeShape,
    feature: FeatureId,
    shares: InfluenceShares | None,
    tokens: Sequence[str],
    record: RecordShape | None,
) -> FeatureNode:
    return FeatureNode(
        place=place,
        node_id=node.node_id,
        feature=feature,
        ctx_idx=node.ctx_idx,
        token=tokens[node.ctx_idx] if 0 <= node.ctx_idx < len(tokens) else "",
        activation=node.activation,
        share=shares.by_place.get(place) if shares else None,
        foreign_label="" if _is_own(node, feature, record) else _label_of(node),
    )


def _label_of(node: NodeShape) -> str:
    text = node.clerp or ""
    return "" if is_placeholder(text) else text


def _is_own(node: NodeShape, feature: FeatureId, record: RecordShape | None) -> bool:
    """Say whether the text is as clerp wrote it; a text that was edited since is not."""
    if record is None or node.clerp_status in (None, "kept"):
        return False
    recorded = record.features.get(str(feature))
    return recorded is not None and recorded.clerp == node.clerp


def _read_record(shape: GraphShape, where: str) -> RecordShape | None:
    """Return what clerp wrote of itself, or None for a graph that it did not label."""
    record: Any = shape.metadata.clerp
    if record is None:
        return None
    place = "metadata.clerp"
    version = check(record, VersionShape, where, place).schema_version
    if version > SCHEMA_VERSION:
        raise GraphError(
            f"labelled by a newer clerp (schema {version}, this one reads {SCHEMA_VERSION})",
            where=f"{where}, {place}",
            remedy="Run: pip install --upgrade clerp",
        )
    return check(record, RecordShape, where, place)


def _group(features: tuple[FeatureNode, ...]) -> dict[FeatureId, tuple[FeatureNode, ...]]:
    groups: defaultdict[FeatureId, list[FeatureNode]] = defaultdict(list)
    for node in features:
        groups[node.feature].append(node)
    return {feature: tuple(group) for feature, group in groups.items()}


def _note_ambiguous(ambiguous: AbstractSet[str], n_links: int) -> tuple[str, ...]:
    if not ambiguous:
        return ()
    shown = sorted(ambiguous)[:_SHOWN_IDS]
    more = f" and {len(ambiguous) - len(shown)} more" if len(ambiguous) > len(shown) else ""
    return (
        f"node ids shared by nodes of different types: {', '.join(map(shorten, shown))}{more}; "
        f"{n_links} links could mean either node",
    )


def _note_types(nodes: Mapping[NodePlace, NodeShape]) -> tuple[str, ...]:
    unknown = Counter(
        node.feature_type for node in nodes.values() if node.feature_type not in KIND_OF_TYPE
    )
    return tuple(
        f"{count} nodes of the unknown type {shorten(name)!r} are left as they are"
        for name, count in sorted(unknown.items())
    )
