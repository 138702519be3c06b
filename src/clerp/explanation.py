"""Everything behind the label of one feature, so that a reader can check it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import msgspec
import numpy as np

from clerp.config import Settings
from clerp.correlation import Null, Score, build_null
from clerp.embedding import embed_unit
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.graph import AttributionGraph, FeatureNode
from clerp.labelers.combined import FallbackLabeler, RefiningLabeler
from clerp.labelers.llm import LlmLabeler
from clerp.labelers.request import LabelRequest
from clerp.ledger import Ledger
from clerp.naming import Labelers, name_feature, open_labelers
from clerp.outcome import LabeledFeature
from clerp.plugins import Embedder, Labeler, Ledgered, find
from clerp.pool import Pool
from clerp.report.verbalized import read_verbalization
from clerp.requests import Requests
from clerp.router import name_null
from clerp.router.duplicates import drop_near_duplicates
from clerp.verbalizers.outcome import FeatureVerbalization
from clerp.windows import Window, cut, parse_windows
from clerp.word_counts import WordCount, count_words, read_following, read_peaks, read_word

_N_WORDS = 5
_DECIMALS = 3
_N_NEAREST = 5
_ASKED_OTHERWISE = (
    "the question as this graph puts it; the answer on record is to another prompt (see its hash), "
    "of when the feature fired otherwise"
)
_BEFORE, _AFTER = Window("input", -8, -1), Window("output", 1, 4)


@dataclass(frozen=True, slots=True)
class ComparedWindow:
    """The window of one example, and how alike it is to the others."""

    example: str
    """Id of the example."""
    text: str
    similarity: float | None
    """Mean cosine to the windows of the other examples; None for a window without content."""


@dataclass(frozen=True, slots=True)
class NullFigures:
    """What windows drawn at random score, as many as the feature has."""

    mean: float
    spread: float
    """Standard deviation."""
    quantile_95: float
    quantile_99: float
    draws: int


@dataclass(frozen=True, slots=True)
class ChannelView:
    """One channel: its windows, their score and what chance would give."""

    channel: str
    window: tuple[int, int]
    """Token offsets around the peak, both ends included."""
    score: Score | None
    null: NullFigures | None
    windows: tuple[ComparedWindow, ...]
    unscored: str = ""
    """Why there is no score though there could be one, and why nothing is lost by it."""


@dataclass(frozen=True, slots=True)
class NearbyExample:
    """An example that peaks about as high as a node of the graph."""

    example: str
    activation: float
    before: str
    peak: str
    """The peak token."""
    after: str


@dataclass(frozen=True, slots=True)
class NodeView:
    """One occurrence of the feature in the graph."""

    node_id: str
    position: int
    token: str
    activation: float | None
    act_pct: float | None
    share: float | None
    nearest: tuple[NearbyExample, ...]
    """The examples, of any quantile, that peak nearest to the node's activation."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A feature's outcome and all that it rests on."""

    graph: str
    source: str
    """Where the activation examples were read."""
    labeled: LabeledFeature
    nodes: tuple[NodeView, ...]
    steps: tuple[str, ...]
    """What the rule asked, in order, and what it found; the last one decided."""
    channels: tuple[ChannelView, ...]
    peak_words: tuple[WordCount, ...]
    next_words: tuple[WordCount, ...]
    promoted: tuple[str, ...]
    suppressed: tuple[str, ...]
    prompt: str
    """What an LLM is asked; empty where none is."""
    prompt_note: str
    """Where the answer on record is to another prompt than this one, and why; else empty."""
    notes: tuple[str, ...]

    def to_record(self) -> dict[str, object]:
        """Return all of it as plain values, ready for JSON."""
        record = asdict(self)
        outcome = record.pop("labeled")
        outcome["feature"] = str(self.labeled.feature)
        del outcome["verbalization"]
        if self.labeled.verbalization is not None:
            outcome["verbalization"] = self.labeled.verbalization.to_record()
        del outcome["route"]["feature"]
        return outcome | record


async def explain_feature(
    pool: Pool, feature: FeatureId, settings: Settings, ledger: Ledger
) -> Explanation:
    """Gather what is behind one feature of a pool's first graph, asking no LLM."""
    graph, evidence = pool.graphs[0], pool.known[feature]
    async with open_labelers(settings, ledger, ask=False) as labelers:
        requests = Requests(pool, settings)
        labeled = await name_feature(requests, feature, labelers)
        shown = await _show_prompt(requests, labeled, labelers)
    known = isinstance(evidence, FeatureEvidence)
    contexts = read_peaks(evidence.top) if known else ()
    return Explanation(
        graph=graph.name,
        source=f"{pool.source}, because {pool.because}",
        labeled=replace(labeled, verbalization=_find_verbalization(graph, feature)),
        nodes=tuple(_view_node(node, pool) for node in graph.nodes_of(feature)),
        steps=labeled.route.steps or (labeled.route.reason,),
        channels=_view_channels(pool, evidence, settings) if known else (),
        peak_words=count_words(contexts, read_word)[:_N_WORDS],
        next_words=count_words(contexts, read_following)[:_N_WORDS],
        promoted=evidence.promoted if known else (),
        suppressed=evidence.suppressed if known else (),
        prompt=shown.prompt,
        prompt_note=shown.note,
        notes=tuple(_compare_with_record(pool, labeled, settings)),
    )


def _find_verbalization(graph: AttributionGraph, feature: FeatureId) -> FeatureVerbalization | None:
    """Find what the labelled graph has on record; no NLA is asked again."""
    recorded = graph.record.features.get(str(feature)) if graph.record else None
    said = recorded.verbalization if recorded else None
    return None if said is None else read_verbalization(said, feature, graph.name)


@dataclass(frozen=True, slots=True)
class _Shown:
    prompt: str = ""
    note: str = ""


async def _show_prompt(requests: Requests, labeled: LabeledFeature, labelers: Labelers) -> _Shown:
    pool, feature = requests.pool, labeled.feature
    labeler = labelers.get(pool.routes[feature].tier)
    known = isinstance(pool.known[feature], FeatureEvidence)
    if not known or not isinstance(labeler, Ledgered):
        return _Shown()
    request = await requests.make(feature)
    if labeled.label is not None and isinstance(labeler, RefiningLabeler):
        # What was refined is on record; what was not is the label itself.
        proposed = str(labeled.details.get("proposal", labeled.label.text))
        request = replace(request, proposal=replace(labeled.label, text=proposed))
    return _Shown(labeler.show_prompt(request), _note_prompt(labeler, request))


def _note_prompt(labeler: Labeler, request: LabelRequest) -> str:
    asks = isinstance(labeler, LlmLabeler | RefiningLabeler | FallbackLabeler)
    return _ASKED_OTHERWISE if asks and labeler.was_asked_otherwise(request) else ""


def _view_node(node: FeatureNode, pool: Pool) -> NodeView:
    return NodeView(
        node_id=node.node_id,
        position=node.ctx_idx,
        token=node.token,
        activation=node.activation,
        act_pct=pool.place(node),
        share=node.share,
        nearest=_find_nearest(pool.known[node.feature], node.activation),
    )


def _find_nearest(
    evidence: FeatureEvidence | EvidenceGap, activation: float | None
) -> tuple[NearbyExample, ...]:
    if isinstance(evidence, EvidenceGap) or activation is None:
        return ()
    return tuple(
        NearbyExample(
            example=example.id,
            activation=round(example.peak_activation, _DECIMALS),
            before=cut(example, _BEFORE),
            peak=example.tokens[example.peak],
            after=cut(example, _AFTER),
        )
        for example in evidence.nearest(activation, _N_NEAREST)
    )


def _view_channels(
    pool: Pool, evidence: FeatureEvidence, settings: Settings
) -> tuple[ChannelView, ...]:
    embedder = find("embedders", settings.embedder)
    route = pool.routes[evidence.feature]
    if route.n_repeats:
        evidence = replace(evidence, top=drop_near_duplicates(evidence.top).examples)
    told = {"input", "output", *route.scores, *route.unscored}
    windows = [w for w in parse_windows(settings.windows) if w.name in told]
    return tuple(_view_channel(pool, evidence, window, embedder) for window in windows)


def _view_channel(
    pool: Pool, evidence: FeatureEvidence, window: Window, embedder: Embedder
) -> ChannelView:
    route = pool.routes[evidence.feature]
    score = route.scores.get(window.name)
    null = None
    if score is not None and score.z is not None:
        null = _measure_null(build_null(window, embedder, score.n), score.n)
    return ChannelView(
        channel=window.name,
        window=(window.start, window.stop),
        score=score,
        null=null,
        windows=_compare_windows(evidence, window, embedder),
        unscored=route.unscored.get(window.name, ""),
    )


def _measure_null(null: Null, n: int) -> NullFigures:
    draws = null.of(n)
    mean, spread, *quantiles = (
        round(float(value), _DECIMALS)
        for value in (draws.mean(), draws.std(), *np.quantile(draws, (0.95, 0.99)))
    )
    return NullFigures(mean, spread, quantiles[0], quantiles[1], len(draws))


def _compare_windows(
    evidence: FeatureEvidence, window: Window, embedder: Embedder
) -> tuple[ComparedWindow, ...]:
    texts = [cut(example, window) for example in evidence.top]
    unit = embed_unit(texts, embedder).astype(np.float64)
    n = int(unit.any(axis=1).sum())
    total = unit.sum(axis=0)
    return tuple(
        ComparedWindow(
            example.id,
            text,
            round(float(row @ (total - row)) / (n - 1), _DECIMALS) if row.any() and n > 1 else None,
        )
        for example, text, row in zip(evidence.top, texts, unit, strict=True)
    )


def _compare_with_record(pool: Pool, labeled: LabeledFeature, settings: Settings) -> Sequence[str]:
    """Say where this run cannot be the one that labelled the graph."""
    record = pool.graphs[0].record
    if record is None:
        return ()
    notes: list[str] = []
    embedder = find("embedders", settings.embedder).name
    if record.embedder != embedder:
        notes.append(f"the graph was labelled with {record.embedder}, this is {embedder}")
    if record.null is not None and msgspec.structs.asdict(record.null) != name_null(settings.null):
        notes.append("the graph was labelled against other ordinary text: routes may differ")
    recorded = record.features.get(str(labeled.feature))
    if recorded is not None and recorded.evidence_digest != labeled.evidence_digest:
        notes.append("the graph was labelled with other evidence")
    shown = labeled.label.text if labeled.label else ""
    if recorded is not None and recorded.label != shown:
        notes.append(f"the graph has the label {recorded.label!r}")
    return notes
