"""What is kept of a feature for the review page, and when it is kept anew."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.outcomes import FIRST, SECOND, make_label, make_named, make_route, make_unnamed
from tests.unit.graph.conftest import Document, build_graph
from tests.verbalizations import make_verbalization

from clerp.correlation import Score
from clerp.evidence import ActivationExample, CandidateLabel, EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.graph import AttributionGraph, read_graph
from clerp.ledger import FeatureKey, QueueItem, TranscoderSet
from clerp.ledger.record import Shown
from clerp.outcome import LabeledFeature
from clerp.report.verbalized import view_verbalization
from clerp.review import showing
from clerp.review.showing import AROUND, MAX_LOWER, MAX_TOP, make_shown
from clerp.review.snapshot import (
    CandidateView,
    FeatureSnapshot,
    GraphSnapshot,
    NeighbourView,
    NodeView,
    OccurrenceSnapshot,
    ProposalView,
    ScoreView,
    decode,
)
from clerp.testing import make_evidence

SET = TranscoderSet("owner/transcoders")
TEXTS = [(f" text{i}", " Dallas", f" tail{i}") for i in range(4)]
Known = Mapping[FeatureId, FeatureEvidence | EvidenceGap]


def make_item(labeled: LabeledFeature, graphs: Sequence[str]) -> QueueItem:
    route = labeled.route
    return QueueItem(
        FeatureKey(SET, labeled.feature),
        labeled.evidence_digest,
        tuple(graphs),
        route.role,
        route.tier,
        "labeled" if labeled.label else "needs_review",
        labeled.reason,
        labeled.hint,
        None,
    )


def show(
    labeled: LabeledFeature | None = None,
    evidence: FeatureEvidence | EvidenceGap | None = None,
    **graphs: AttributionGraph,
) -> Shown:
    labeled = labeled or make_named(FIRST)
    evidence = evidence or make_evidence(TEXTS, feature=labeled.feature)
    members = graphs or {"small": read_graph(build_graph())}
    items = [make_item(labeled, list(members))]
    feature = labeled.feature
    return make_shown(items, {feature: labeled}, members, {feature: evidence})


def read_feature(shown: Shown) -> FeatureSnapshot:
    (snapshot,) = shown.features.values()
    read = decode(snapshot.write(), FeatureSnapshot)
    assert read is not None
    return read


def read_proposal(labeled: LabeledFeature) -> ProposalView:
    proposal = read_feature(show(labeled)).proposal
    assert proposal is not None
    return proposal


def read_occurrence(shown: Shown) -> OccurrenceSnapshot:
    (snapshot,) = shown.occurrences.values()
    read = decode(snapshot.write(), OccurrenceSnapshot)
    assert read is not None
    return read


def find_prints(shown: Shown) -> tuple[str, str, str]:
    """Return the fingerprints of the one feature, its one occurrence and the one graph."""
    (feature,), (occurrence,) = shown.features.values(), shown.occurrences.values()
    (graph,) = shown.graphs.values()
    return feature.fingerprint, occurrence.fingerprint, graph.fingerprint


def make_long(n: int, peak: int, activation: float = 1.0) -> ActivationExample:
    activations = np.zeros(n, dtype=np.float32)
    activations[peak] = activation
    return ActivationExample("0.0", tuple(f" t{i}" for i in range(n)), activations, peak)


def show_examples(*top: ActivationExample, lower: Sequence[ActivationExample] = ()) -> Any:
    evidence = replace(make_evidence(TEXTS), top=top, lower=tuple(lower))
    return read_feature(show(evidence=evidence)).examples


def test_a_proposal_holds_all_that_clerp_made_of_a_feature():
    route = replace(
        make_route(FIRST),
        scores={"input": Score(0.5, 0.4, 17, z=8.25, p=0.001), "output": Score(0.1, 0.1, 16)},
        steps=("first", "second"),
        margin=1.5,
        p=0.01,
    )
    candidates = (CandidateLabel("cities", "np_max-act", "gpt", (("recall", 0.5),)),)
    labeled = make_named(
        FIRST,
        make_label(method="llm", confidence="low"),
        route=route,
        details={"model": "m-2026", "cost_usd": 0.5},
        notes=("a note",),
        candidates=candidates,
    )
    assert read_proposal(labeled) == ProposalView(
        role="input",
        tier=1,
        confidence="low",
        route_reason=route.reason,
        steps=("first", "second"),
        scores={
            "input": ScoreView(0.5, 8.25, 0.001, 17),
            "output": ScoreView(0.1, None, None, 16),
        },
        margin=1.5,
        p=0.01,
        status="labeled",
        label="Texas",
        method="llm",
        model="m-2026",
        reason=labeled.reason,
        hint="",
        notes=("a note",),
        candidates=(CandidateView("cities", "np_max-act", "gpt"),),
    )


def test_what_an_nla_says_is_part_of_what_clerp_proposes():
    said = make_verbalization()
    proposal = read_proposal(make_unnamed(FIRST, verbalization=said))
    assert proposal.verbalized == view_verbalization(said)
    assert read_proposal(make_unnamed(FIRST)).verbalized is None


def test_a_feature_without_a_label_is_shown_with_its_hint_and_the_routes_confidence():
    labeled = make_unnamed(FIRST)
    proposal = read_proposal(labeled)
    assert (proposal.label, proposal.model, proposal.hint) == ("", "", labeled.hint)
    assert (proposal.confidence, proposal.reason) == (labeled.route.confidence, labeled.reason)


def test_what_is_known_of_a_feature_is_shown():
    evidence = replace(
        make_evidence(TEXTS, promoted=[" Austin"], suppressed=[" Paris"]),
        set_aside=(("repeated context", 3),),
        density=0.25,
        act_min=0.5,
        act_max=2.5,
        histogram=(3.0, 1.0),
    )
    shown = read_feature(show(evidence=evidence))
    assert (shown.promoted, shown.suppressed) == ((" Austin",), (" Paris",))
    assert (shown.set_aside, shown.density) == ((("repeated context", 3),), 0.25)
    assert (shown.act_min, shown.act_max, shown.histogram) == (0.5, 2.5, (3.0, 1.0))


def test_a_feature_of_which_nothing_is_known_is_shown_without_examples():
    gap = EvidenceGap(FIRST, "record is empty")
    shown = show(make_unnamed(FIRST, reason=gap.reason), gap)
    feature = read_feature(shown)
    assert feature == FeatureSnapshot(feature.proposal)
    assert feature.proposal is not None
    assert feature.proposal.reason == "record is empty"
    (node,) = read_occurrence(shown).nodes
    assert (node.activation, node.act_pct) == (2.5, None)


@pytest.mark.parametrize(
    ("n", "peak", "start", "end"),
    [
        (200, 100, 100 - AROUND, 100 + AROUND + 1),
        (200, 3, 0, 3 + AROUND + 1),
        (200, 199, 199 - AROUND, 200),
        (200, AROUND, 0, 2 * AROUND + 1),
        (5, 2, 0, 5),
        (1, 0, 0, 1),
    ],
)
def test_an_example_is_cut_around_its_peak(n: int, peak: int, start: int, end: int):
    example = make_long(n, peak)
    (shown,) = show_examples(example)
    assert shown.tokens == example.tokens[start:end]
    assert shown.activations == tuple(example.activations[start:end].tolist())
    assert shown.tokens[shown.peak] == example.tokens[peak]


@given(st.floats(-(2**100), 2**100, width=32))
def test_activations_keep_three_significant_digits(activation: float):
    (shown,) = show_examples(make_long(3, 1, activation))
    assert shown.activations[1] == pytest.approx(activation, rel=0.005, abs=1e-45)
    assert shown.activations[1] == float(f"{shown.activations[1]:.3g}")
    assert (shown.activations[0], shown.activations[2]) == (0.0, 0.0)


def test_so_many_examples_are_shown_of_each_quantile_strongest_first():
    top = [replace_id(make_long(3, 1, 9 - i / 10), f"0.{i}") for i in range(MAX_TOP + 4)]
    lower = [
        replace_id(make_long(3, 1, 5 - i / 10), f"{7 if i % 2 else 3}.{i}")
        for i in range(2 * MAX_LOWER + 4)
    ]
    shown = show_examples(*top, lower=lower)
    assert [(e.quantile, e.id) for e in shown] == [
        *((0, f"0.{i}") for i in range(MAX_TOP)),
        *((1, f"3.{i}") for i in range(0, 2 * MAX_LOWER, 2)),
        *((2, f"7.{i}") for i in range(1, 2 * MAX_LOWER, 2)),
    ]


def test_lower_quantiles_are_never_taken_for_the_top_one_wherever_the_record_has_it():
    shown = show_examples(replace_id(make_long(3, 1), "4.0"), lower=[make_long(3, 1, 0.5)])
    assert [(e.id, e.quantile) for e in shown] == [("4.0", 0), ("0.0", 1)]


def replace_id(example: ActivationExample, place: str) -> ActivationExample:
    return ActivationExample(place, example.tokens, example.activations, example.peak)


def test_an_occurrence_is_every_node_of_the_feature_in_that_graph():
    document = build_graph(n_features=2)
    second = document["nodes"][0] | {
        "node_id": "0_10_0",
        "ctx_idx": 0,
        "activation": None,
        "influence": 0.8,
    }
    document["nodes"].append(second)
    document["links"].append({"source": "E_1_1", "target": "0_10_1", "weight": 0.25})
    graph = read_graph(document)
    evidence = replace(make_evidence(TEXTS), act_min=0.0, act_max=7.5)
    occurrence = read_occurrence(show(evidence=evidence, small=graph))
    shares = {node.node_id: node.share for node in graph.nodes_of(FIRST)}
    assert occurrence.nodes == (
        NodeView("0_10_1", 1, 2.5, 33.3, shares["0_10_1"]),
        NodeView("0_10_0", 0, None, None, shares["0_10_0"]),
    )
    assert occurrence.upstream == (NeighbourView("token", "Dallas", 0.25),)
    assert occurrence.downstream == (
        NeighbourView("logit", " word1", -1.5),
        NeighbourView("logit", " word0", 0.5),
    )


def test_a_feature_without_links_has_no_neighbours():
    graph = read_graph(build_graph() | {"links": []})
    occurrence = read_occurrence(show(small=graph))
    assert (occurrence.upstream, occurrence.downstream) == ((), ())


def test_a_feature_is_shown_in_each_of_its_graphs_and_nowhere_else():
    graphs = {"one": read_graph(build_graph()), "two": read_graph(build_graph(n_features=1))}
    first, second = make_named(FIRST), make_named(SECOND)
    items = [make_item(first, ["one", "two"]), make_item(second, ["one"])]
    known = {f: make_evidence(TEXTS, feature=f) for f in (FIRST, SECOND)}
    shown = make_shown(items, {FIRST: first, SECOND: second}, graphs, known)
    assert {(key.feature, slug) for key, slug in shown.occurrences} == {
        (FIRST, "one"),
        (FIRST, "two"),
        (SECOND, "one"),
    }
    assert [key.feature for key in shown.features] == [FIRST, SECOND]
    read = {slug: decode(made.write(), GraphSnapshot) for slug, made in shown.graphs.items()}
    tokens = ("<bos>", "Dallas")
    assert read == {"one": GraphSnapshot("one", tokens), "two": GraphSnapshot("two", tokens)}


def test_neighbours_are_looked_for_once_a_graph_and_only_when_written(
    monkeypatch: pytest.MonkeyPatch,
):
    read: list[str] = []
    list_neighbours = showing.list_neighbours

    def listen(graph: AttributionGraph) -> Any:
        read.append(graph.name)
        return list_neighbours(graph)

    monkeypatch.setattr(showing, "list_neighbours", listen)
    graph = read_graph(build_graph())
    labeled = {f: make_named(f) for f in graph.features}
    known = {f: make_evidence(TEXTS, feature=f) for f in graph.features}
    items = [make_item(outcome, ["small"]) for outcome in labeled.values()]
    shown = make_shown(items, labeled, {"small": graph}, known)
    assert read == []
    for snapshot in shown.occurrences.values():
        snapshot.write()
    assert read == [graph.name]


def test_the_same_run_again_takes_the_same_fingerprints_and_writes_the_same_bytes():
    one, two = show(), show()
    assert find_prints(one) == find_prints(two)
    assert read_feature(one) == read_feature(two)
    for made, again in (
        (one.features, two.features),
        (one.occurrences, two.occurrences),
        (one.graphs, two.graphs),
    ):
        assert [s.write() for s in made.values()] == [s.write() for s in again.values()]


@pytest.mark.parametrize(
    "change",
    [
        {"label": make_label("Dallas")},
        {"label": make_label(confidence="low")},
        {"status": "kept"},
        {"reason": "another"},
        {"method": "another"},
        {"notes": ("a note",)},
        {"details": {"model": "another"}},
        {"candidates": (CandidateLabel("cities", "np_max-act", ""),)},
        {"verbalization": make_verbalization()},
        {"route": make_route(FIRST, reason="another")},
        {"route": make_route(FIRST, steps=("asked",))},
        {"route": make_route(FIRST, scores={})},
        {"route": make_route(FIRST, margin=0.5)},
        {"route": make_route(FIRST, p=0.5)},
    ],
    ids=lambda change: str(change)[:40],
)
def test_another_outcome_is_another_feature_in_the_same_place(change: Document):
    before, after = find_prints(show()), find_prints(show(make_named(FIRST, **change)))
    assert before[0] != after[0]
    assert before[1:] == after[1:]


def test_what_the_page_does_not_show_renews_nothing():
    unseen = make_named(FIRST, q=0.5, details={"rule": "one word", "cost_usd": 0.5}, misfits=())
    assert find_prints(show()) == find_prints(show(unseen))


@pytest.mark.parametrize("change", [{"digest": "e" * 64}, {"histogram": (1.0, 2.0)}])
def test_other_evidence_is_another_feature_in_the_same_place(change: Document):
    evidence = make_evidence(TEXTS)
    before = find_prints(show(evidence=evidence))
    after = find_prints(show(evidence=replace(evidence, **change)))
    assert before[0] != after[0]
    assert before[1:] == after[1:]


@pytest.mark.parametrize("change", [{"act_min": 0.25}, {"act_max": 2.0}])
def test_another_activation_range_moves_the_nodes_in_it(change: Document):
    evidence = make_evidence(TEXTS)
    before = find_prints(show(evidence=evidence))
    after = find_prints(show(evidence=replace(evidence, **change)))
    assert before[1] != after[1]


def test_evidence_that_was_lost_is_no_evidence():
    before, after = show(), show(evidence=EvidenceGap(FIRST, "record is empty"))
    assert find_prints(before)[0] != find_prints(after)[0]
    assert find_prints(before)[1] != find_prints(after)[1]


def move_node(document: Document) -> None:
    document["nodes"][0]["ctx_idx"] = 0


def change_activation(document: Document) -> None:
    document["nodes"][0]["activation"] = 1.0


def change_influence_of_another(document: Document) -> None:
    document["nodes"][1]["influence"] = 0.99


def change_link_between_features(document: Document) -> None:
    document["links"][-1]["weight"] = 0.75


@pytest.mark.parametrize(
    "change",
    [move_node, change_activation, change_influence_of_another, change_link_between_features],
)
def test_another_graph_is_another_occurrence_of_the_same_feature(
    change: Callable[[Document], None],
):
    def build() -> Document:
        document = build_graph()
        document["links"].append({"source": "0_10_1", "target": "1_11_1", "weight": 0.5})
        return document

    document = build()
    change(document)
    before = show(small=read_graph(build()))
    after = show(small=read_graph(document))
    assert find_prints(before)[1] != find_prints(after)[1]
    assert (find_prints(before)[0], find_prints(before)[2]) == (
        find_prints(after)[0],
        find_prints(after)[2],
    )
    assert read_occurrence(before) != read_occurrence(after)


def test_another_prompt_is_another_graph():
    document = build_graph()
    document["metadata"]["prompt_tokens"] = ["<bos>", "Austin"]
    before, after = show(), show(small=read_graph(document))
    assert find_prints(before)[2] != find_prints(after)[2]


def test_labels_in_the_file_renew_nothing():
    document = build_graph()
    document["nodes"][0]["clerp"] = "Texas"
    assert find_prints(show()) == find_prints(show(small=read_graph(document)))


def test_what_another_version_kept_is_renewed(monkeypatch: pytest.MonkeyPatch):
    before = find_prints(show())
    monkeypatch.setattr("clerp.review.showing.VERSION", 99)
    assert not set(before) & set(find_prints(show()))
