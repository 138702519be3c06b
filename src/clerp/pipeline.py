"""START HERE: read -> evidence -> score -> route -> label -> review -> write."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from clerp.config import Settings, resolve_settings
from clerp.errors import EvidenceError, LabelerError, LedgerError
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.graph import SCHEMA_VERSION, AttributionGraph, LogitEdge, read_graph
from clerp.labeled import LabeledGraph, shown_text
from clerp.labelers import LabelRequest
from clerp.labelers.token_frequency import hint
from clerp.labels import Label
from clerp.ledger import FeatureKey, Ledger, QueueItem, QueueStatus, TranscoderSet, open_ledger
from clerp.outcome import LabeledFeature
from clerp.plugins import Labeler, Ledgered, Source, find, is_registered
from clerp.report.summary import order_queue, share_by_feature
from clerp.router import Route, find_rule, route_features
from clerp.windows import parse_windows
from clerp.word_counts import deciding_words, normalise

GraphInput = str | Path | Mapping[str, Any]

_NEAREST = 5
_UNCOVERED = "top examples do not cover this activation"


@dataclass(frozen=True, slots=True)
class RoutedGraph:
    """A graph with the evidence and the route of each of its features, sorted by feature."""

    graph: AttributionGraph
    known: Mapping[FeatureId, FeatureEvidence | EvidenceGap]
    routes: Mapping[FeatureId, Route]


def label(graph: GraphInput, **settings: object) -> LabeledGraph:
    """Label every feature of a graph.

    Args:
        graph: Path of a graph, or the parsed JSON of one.
        **settings: Fields of `clerp.config.Settings`, for example `features="features/"` or
            `llm="anthropic/claude-sonnet-4-5"`. What is not given comes from `CLERP_*` variables,
            `clerp.toml` and the defaults, as on the command line.

    Raises:
        ClerpError: The graph, the evidence, a setting or the ledger cannot be used.
    """
    chosen = resolve_settings(settings).settings
    routed = _route(graph, chosen)
    with open_ledger(chosen.ledger) as ledger:
        features = _run(lambda: _label_features(routed, chosen, ledger))
        labeled = _assemble(routed, features, chosen)
        _queue(labeled, ledger)
    return labeled


def route(graph: GraphInput, **settings: object) -> RoutedGraph:
    """Score and route every feature of a graph; takes what `label` takes, and labels nothing."""
    return _route(graph, resolve_settings(settings).settings)


def _route(graph: GraphInput, settings: Settings) -> RoutedGraph:
    read = read_graph(graph, max_bytes=settings.max_graph_bytes)
    known = list(_open_source(graph, settings).read(read.features))
    routes = route_features(
        known,
        rule=find_rule(settings.rule, settings.threshold),
        windows=parse_windows(settings.windows),
        embedder=find("embedders", settings.embedder),
    )
    return RoutedGraph(
        read, {k.feature: k for k in known}, {route.feature: route for route in routes}
    )


def _open_source(graph: GraphInput, settings: Settings) -> Source:
    if settings.features is not None:
        named = ":" in settings.features and is_registered("sources", settings.features)
        return find("sources", settings.features if named else f"folder:{settings.features}")
    beside = None if isinstance(graph, Mapping) else Path(graph).parent / "features"
    if beside is None or not beside.is_dir():
        raise EvidenceError(
            "no activation examples found",
            where=str(beside) if beside is not None else "parsed graph",
            remedy="Say where they are: --features FOLDER (features=FOLDER in Python)",
        )
    return find("sources", f"folder:{beside}")


async def _label_features(
    routed: RoutedGraph, settings: Settings, ledger: Ledger
) -> list[LabeledFeature]:
    first = find("labelers", settings.labeler)
    second = find("labelers", f"litellm:{settings.llm}") if settings.llm else None
    if isinstance(second, Ledgered):
        second = second.with_ledger(ledger)
    at_once = asyncio.Semaphore(settings.concurrency)

    async def name(route: Route) -> LabeledFeature:
        labeler = {1: first, 2: second}.get(route.tier)
        async with at_once:
            return await _label_feature(routed, route, labeler)

    try:
        return await asyncio.gather(*(name(route) for route in routed.routes.values()))
    finally:
        if isinstance(second, Ledgered):
            await second.aclose()


async def _label_feature(
    routed: RoutedGraph, route: Route, labeler: Labeler | None
) -> LabeledFeature:
    evidence = routed.known[route.feature]
    if isinstance(evidence, EvidenceGap):
        return LabeledFeature(route.feature, route, "needs_review", None, route.reason, "", "", "")
    if route.role == "artefact":
        return _unlabeled(route, evidence, "abstained", route.reason)
    if labeler is None:
        missing = "no LLM configured" if route.tier == 2 else "obscure: no window is alike enough"
        return _unlabeled(route, evidence, "needs_review", missing)
    edges: tuple[LogitEdge, ...] = routed.graph.logit_edges(route.feature)
    try:
        answer = await labeler.label(LabelRequest(evidence, route, edges))
    except LabelerError as fault:
        return _unlabeled(route, evidence, "failed", str(fault), labeler.name)
    if not isinstance(answer, Label):
        return _unlabeled(route, evidence, "abstained", answer.reason, labeler.name, answer.details)
    return LabeledFeature(
        route.feature,
        route,
        "labeled",
        answer,
        answer.explanation,
        answer.method,
        "",
        evidence.digest,
        answer.details,
        _find_uncovered(routed, route, evidence),
    )


def _unlabeled(
    route: Route,
    evidence: FeatureEvidence,
    status: QueueStatus,
    reason: str,
    method: str = "",
    details: Mapping[str, str | float | int | None] | None = None,
) -> LabeledFeature:
    return LabeledFeature(
        route.feature,
        route,
        status,
        None,
        reason,
        method,
        hint(evidence),
        evidence.digest,
        details or {},
    )


def _find_uncovered(
    routed: RoutedGraph, route: Route, evidence: FeatureEvidence
) -> tuple[str, ...]:
    """Say so where the deciding words at a node's own activation are none of the top ones."""
    if not evidence.lower or route.role not in ("input", "output"):
        return ()
    top = {normalise(word) for word in deciding_words(evidence.top, route.role)}
    for node in routed.graph.nodes_of(route.feature):
        if node.activation is None or node.activation >= evidence.top[-1].peak_activation:
            continue
        near = deciding_words(evidence.nearest(node.activation, _NEAREST), route.role)
        if not top & {normalise(word) for word in near}:
            return (_UNCOVERED,)
    return ()


def _assemble(
    routed: RoutedGraph, features: Sequence[LabeledFeature], settings: Settings
) -> LabeledGraph:
    return LabeledGraph(
        graph=routed.graph,
        features=features,
        act_pct=_place_activations(routed),
        existing=settings.existing,
        style=settings.style,
        show_hints=settings.show_hints,
        record=_make_record(routed, features, settings),
    )


def _place_activations(routed: RoutedGraph) -> dict[str, float]:
    places: dict[str, float] = {}
    for node in routed.graph.feature_nodes:
        evidence = routed.known[node.feature]
        if isinstance(evidence, FeatureEvidence) and node.activation is not None:
            places[node.node_id] = round(evidence.place(float(node.activation)), 1)
    return places


def _make_record(
    routed: RoutedGraph, features: Sequence[LabeledFeature], settings: Settings
) -> dict[str, object]:
    """Make what goes under `metadata.clerp`: no clock, path, ledger or endpoint is in it."""
    configuration: dict[str, object] = settings.model_dump(
        include={"llm", "labeler", "rule", "windows", "existing", "show_hints", "style"}
    )
    configuration["threshold"] = find_rule(settings.rule, settings.threshold).threshold
    embedder = find("embedders", settings.embedder).name
    described = {str(f.feature): _describe(f, settings) for f in features}
    inputs = [routed.graph.digest, configuration, embedder, described]
    return {
        "schema_version": SCHEMA_VERSION,
        "clerp_version": version("clerp"),
        "run_id": hashlib.sha256(msgspec.json.encode(inputs)).hexdigest()[:16],
        "configuration": configuration,
        "embedder": embedder,
        "null": "random positions of the same evidence" if settings.rule == "calibrated" else "",
        "features": described,
    }


def _describe(labeled: LabeledFeature, settings: Settings) -> dict[str, object]:
    route = labeled.route
    return {
        "clerp": shown_text(labeled, settings.style, show_hints=settings.show_hints),
        "role": route.role,
        "tier": route.tier,
        "status": labeled.status,
        "method": labeled.method,
        "confidence": labeled.label.confidence if labeled.label else route.confidence,
        "reason": labeled.reason,
        "route_reason": route.reason,
        "notes": list(labeled.notes),
        "scores": {channel: asdict(score) for channel, score in route.scores.items()},
        "n_examples": route.n_examples,
        "evidence": list(labeled.label.evidence) if labeled.label else [],
        "evidence_digest": labeled.evidence_digest,
        "details": dict(labeled.details),
    }


def _queue(labeled: LabeledGraph, ledger: Ledger) -> None:
    graph = labeled.graph
    identity = graph.transcoder_identity
    transcoders = TranscoderSet(identity.name, identity.revision or "")
    shares = share_by_feature(graph)
    items = [
        QueueItem(
            key=FeatureKey(transcoders, f.feature, f.evidence_digest if identity.is_local else ""),
            evidence_digest=f.evidence_digest,
            graphs=(graph.slug,),
            role=f.route.role,
            tier=f.route.tier,
            status=_waiting(f),
            reason=f.reason,
            hint=f.hint,
            share=shares.get(f.feature),
        )
        for f in order_queue(labeled.features, shares)
    ]
    ledger.queue_features(
        items, transcoders=transcoders, graphs=[graph.slug], run_id=str(labeled.record["run_id"])
    )


def _waiting(labeled: LabeledFeature) -> QueueStatus:
    if labeled.status not in ("needs_review", "abstained", "failed"):
        raise LedgerError(f"{labeled.feature} is {labeled.status} and needs nobody")
    return labeled.status


def _run(
    work: Callable[[], Coroutine[Any, Any, list[LabeledFeature]]],
) -> list[LabeledFeature]:
    """Run to the end, also where a notebook's event loop already runs in this thread."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(lambda: asyncio.run(work())).result()
