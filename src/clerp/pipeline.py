"""START HERE: read -> evidence -> score -> route -> label -> review -> write, one call each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Unpack, overload

from clerp.config import GivenSettings, Settings, resolve_settings
from clerp.dry_run import NlaEstimate, estimate_nla, estimate_pools
from clerp.errors import UsageError
from clerp.event_loop import run_to_end
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.explanation import Explanation, explain_feature
from clerp.feature import FeatureId
from clerp.fit import find_misfits
from clerp.graph import AttributionGraph, FeatureNode, GraphInput, read_graph
from clerp.labeled import LabeledGraph
from clerp.labelers.llm import Terms
from clerp.ledger import Ledger, open_ledger
from clerp.llm.costs import CostRow, Estimate, LostCalls, tabulate_costs
from clerp.naming import make_terms, name_features, open_labelers
from clerp.nla import open_verbalizer
from clerp.outcome import LabeledFeature, list_charges
from clerp.plugins import Verbalizer
from clerp.pool import Pool, read_pools
from clerp.progress import ReportProgress, ignore_progress
from clerp.provenance import describe_run
from clerp.review.queue import Outcomes, queue_features
from clerp.router import Role, Route, Tier
from clerp.verbalizing import note_verbalizations, verbalize_pools
from clerp.word_counts import deciding_words, normalise

_NEAREST = 5
_UNCOVERED = "top examples do not cover this activation"
_MISFIT = "fires here on a word that the label does not name"

CheckGraph = Callable[[AttributionGraph], None]


def accept_graph(_: AttributionGraph) -> None:
    """Accept any graph."""


@dataclass(frozen=True, slots=True)
class RoutedGraph:
    """A graph with the evidence and the route of each of its features, sorted by feature."""

    graph: AttributionGraph
    known: Mapping[FeatureId, FeatureEvidence | EvidenceGap]
    routes: Mapping[FeatureId, Route]
    q: Mapping[FeatureId, float]
    """Of the features whose routes tell a chance, as in `LabeledFeature`."""
    notes: tuple[str, ...] = ()
    """What a reader should know of the evidence as a whole, one sentence each."""


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """What a run would take that has not begun."""

    calls: Mapping[Tier, Estimate]
    """To language models that name features, by tier."""
    nla: NlaEstimate | None
    """None where no NLA is named."""


@overload
def label(
    graph: GraphInput,
    *,
    progress: ReportProgress = ...,
    check: CheckGraph = ...,
    **settings: Unpack[GivenSettings],
) -> LabeledGraph: ...
@overload
def label(
    graph: Sequence[GraphInput],
    *,
    progress: ReportProgress = ...,
    check: CheckGraph = ...,
    **settings: Unpack[GivenSettings],
) -> list[LabeledGraph]: ...
def label(
    graph: GraphInput | Sequence[GraphInput],
    *,
    progress: ReportProgress = ignore_progress,
    check: CheckGraph = accept_graph,
    **settings: Unpack[GivenSettings],
) -> LabeledGraph | list[LabeledGraph]:
    """Label every feature of a graph, or of several that may share features.

    Args:
        graph: Path of a graph, the parsed JSON of one or, with clerp-circuit-tracer, a
            `circuit_tracer.Graph`; or a sequence of these. A feature that several graphs have is
            labelled once, on its evidence and the logit edges of all.
        progress: Is told how far the run is.
        check: Is given every graph before any is labelled, and raises where one will not do, for
            example `find_target("neuronpedia").check_graph`.
        **settings: Fields of `clerp.config.Settings`, for example `features="features/"` or
            `llm="anthropic/claude-sonnet-4-5"`. What is not given comes from `CLERP_*` variables,
            `clerp.toml` and the defaults, as on the command line.

    Returns:
        One labelled graph, or one for each in the order given.

    Raises:
        ClerpError: A graph, the evidence, a setting or the ledger cannot be used.
    """
    chosen = resolve_settings(settings).settings
    if isinstance(graph, Sequence) and not isinstance(graph, str):
        return _label(graph, chosen, progress, check)
    return _label([graph], chosen, progress, check)[0]


def estimate(
    graphs: Sequence[GraphInput],
    *,
    progress: ReportProgress = ignore_progress,
    **settings: Unpack[GivenSettings],
) -> RunEstimate:
    """Say what the calls of `label` would take; asks and writes nothing.

    Args:
        graphs: As for `label`.
        progress: Is told how far the run is.
        **settings: As for `label`.

    Raises:
        ClerpError: As `label`.
    """
    chosen = resolve_settings(settings).settings
    pools = read_pools(graphs, chosen, progress)
    with _open_for_reading(chosen.ledger) as ledger:
        reviewed = [pool.with_reviews(ledger) for pool in pools]
        calls = run_to_end(lambda: estimate_pools(reviewed, chosen, ledger))
    return RunEstimate(calls, estimate_nla(reviewed, chosen))


def route(
    graph: GraphInput,
    *,
    progress: ReportProgress = ignore_progress,
    **settings: Unpack[GivenSettings],
) -> RoutedGraph:
    """Score and route every feature of a graph; takes what `label` takes, and labels nothing."""
    (pool,) = read_pools([graph], resolve_settings(settings).settings, progress)
    graph_read = pool.graphs[0]
    return RoutedGraph(graph_read, pool.known, pool.routes, pool.measure_q(graph_read), pool.notes)


def explain(
    graph: GraphInput,
    feature: FeatureId | str,
    *,
    progress: ReportProgress = ignore_progress,
    **settings: Unpack[GivenSettings],
) -> Explanation:
    """Show everything behind the label of one feature. No LLM is asked and nothing is written.

    Args:
        graph: As for `label`. A graph that clerp labelled is explained with the settings that it
            was labelled with, where no others are given.
        feature: One of the graph's features, as `FeatureId` or text (`14_2268`), or the id of one
            of its nodes (`14_2268_5`).
        progress: Is told how far the run is.
        **settings: As for `label`.

    Raises:
        UsageError: The graph has no such feature.
        ClerpError: As `label`.
    """
    given = resolve_settings(settings).settings
    read = read_graph(graph, max_bytes=given.max_graph_bytes)
    wanted = find_feature(read, feature)
    recorded = read.record.configuration if read.record else None
    chosen = resolve_settings(settings, recorded=recorded).settings
    (pool,) = read_pools([graph], chosen, progress)
    with _open_for_reading(chosen.ledger) as ledger:
        pool = pool.with_reviews(ledger)
        explained = run_to_end(lambda: explain_feature(pool, wanted, chosen, ledger))
    placed = _place(explained.labeled, pool, pool.graphs[0])
    outcome = replace(placed, q=pool.measure_q(pool.graphs[0]).get(wanted))
    return replace(explained, labeled=outcome, notes=(*placed.notes, *pool.notes, *explained.notes))


def find_feature(graph: AttributionGraph, named: FeatureId | str) -> FeatureId:
    """Return the feature of a graph that is named by itself or by the id of one of its nodes.

    Raises:
        UsageError: The graph has no such feature.
    """
    by_node = {node.node_id: node.feature for node in graph.feature_nodes}
    if isinstance(named, str) and named in by_node:
        return by_node[named]
    feature = FeatureId.parse(named) if isinstance(named, str) else named
    if not graph.nodes_of(feature):
        raise UsageError(
            f"there is no feature {feature} among the graph's {len(graph.features)}",
            where=graph.name,
            remedy=f"One that it has: {graph.features[0]}",
        )
    return feature


def _label(
    graphs: Sequence[GraphInput], settings: Settings, progress: ReportProgress, check: CheckGraph
) -> list[LabeledGraph]:
    pools = read_pools(graphs, settings, progress)
    for graph in chain.from_iterable(pool.graphs for pool in pools):
        check(graph)
    labeled: dict[int, LabeledGraph] = {}
    terms = make_terms(settings)
    verbalizer = open_verbalizer(settings) if settings.nla else None
    with open_ledger(settings.ledger) as ledger:
        pools = [pool.with_reviews(ledger) for pool in pools]
        outcomes = run_to_end(
            lambda: _name_pools(pools, verbalizer, settings, ledger, terms, progress)
        )
        everything = chain.from_iterable(named.values() for named in outcomes)
        costs = tabulate_costs(list_charges(everything), cached=terms.cached)
        for pool, named in zip(pools, outcomes, strict=True):
            members = [_assemble(pool, graph, named, settings, costs) for graph in pool.graphs]
            outcomes_by_graph = [Outcomes(member.graph, member.features) for member in members]
            queue_features(outcomes_by_graph, pool.known, ledger, str(members[0].record["run_id"]))
            labeled.update(zip(pool.places, members, strict=True))
    lost = LostCalls.of(terms.lost)
    return [replace(labeled[place], lost=lost) for place in range(len(graphs))]


def _open_for_reading(place: str) -> Ledger:
    """Open a ledger, or an empty one where there is none: reading must not make files."""
    return open_ledger(place if "://" in place or Path(place).exists() else ":memory:")


async def _name_pools(
    pools: Sequence[Pool],
    verbalizer: Verbalizer | None,
    settings: Settings,
    ledger: Ledger,
    terms: Terms,
    progress: ReportProgress,
) -> Sequence[Mapping[FeatureId, LabeledFeature]]:
    ask = not settings.offline
    async with open_labelers(settings, ledger, ask=ask, terms=terms) as labelers:
        named = [await name_features(pool, labelers, settings, progress) for pool in pools]
    if verbalizer is None:
        return named
    return await verbalize_pools(pools, named, verbalizer, settings, ledger, terms, progress)


def _assemble(
    pool: Pool,
    graph: AttributionGraph,
    named: Mapping[FeatureId, LabeledFeature],
    settings: Settings,
    costs: tuple[CostRow, ...],
) -> LabeledGraph:
    q = pool.measure_q(graph)
    features = [
        replace(_place(named[feature], pool, graph), q=q.get(feature)) for feature in graph.features
    ]
    places = {node.node_id: pool.place(node) for node in graph.feature_nodes}
    return LabeledGraph(
        graph=graph,
        features=features,
        act_pct={node_id: place for node_id, place in places.items() if place is not None},
        existing=settings.existing,
        style=settings.style,
        show_hints=settings.show_hints,
        record=describe_run(pool, graph, features, settings),
        notes=(
            *graph.notes,
            *pool.notes,
            *pool.note_excess(graph),
            *note_verbalizations(features),
        ),
        costs=costs,
        known=pool.known,
    )


def _place(labeled: LabeledFeature, pool: Pool, graph: AttributionGraph) -> LabeledFeature:
    """Hold an outcome, which rests on the feature's examples, against the nodes of one graph."""
    evidence = pool.known[labeled.feature]
    if isinstance(evidence, EvidenceGap):
        return labeled
    nodes = graph.nodes_of(labeled.feature)
    misfits = find_misfits(labeled, evidence, nodes, graph.prompt_tokens)
    notes = _note_activations(labeled.route.role, evidence, nodes)
    return replace(
        labeled,
        misfits=misfits,
        notes=(*notes, *((_MISFIT,) if misfits else ())),
        candidates=evidence.candidates,
    )


def _note_activations(
    role: Role, evidence: FeatureEvidence, nodes: Sequence[FeatureNode]
) -> tuple[str, ...]:
    """Say so where the deciding words at a node's own activation are none of the top ones."""
    if not evidence.lower or role not in ("input", "output"):
        return ()
    top = {normalise(word) for word in deciding_words(evidence.top, role)}
    for node in nodes:
        if node.activation is None or node.activation >= evidence.top[-1].peak_activation:
            continue
        near = deciding_words(evidence.nearest(node.activation, _NEAREST), role)
        if not top & {normalise(word) for word in near}:
            return (_UNCOVERED,)
    return ()
