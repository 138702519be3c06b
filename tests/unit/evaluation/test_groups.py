import json
from pathlib import Path

import pytest
from tests.unit.evaluation.people_grouped import (
    LABELS,
    PEOPLE,
    Document,
    FakeGrouper,
    LookingGrouper,
    build_people_grouped,
    name_node,
    write,
)

from clerp.errors import UsageError
from clerp.evaluation.group_baselines import BASELINES
from clerp.evaluation.group_truth import TrueGroups, read_true_groups
from clerp.evaluation.groups import Entrant, GroupsReport, evaluate_groups
from clerp.evaluation.resampling import draw_features
from clerp.graph import AttributionGraph, read_graph
from clerp.graph.viewer_settings import read_pins, read_supernodes
from clerp.grouped import group_graph
from clerp.grouping import read_names
from clerp.plugins import Grouper

MAX_BYTES = 2**20
AS_PEOPLE = FakeGrouper({"a": (0, 1, 2), "b": (3, 4), "c": (5, 6, 7)}, "as people")
NOTHING = FakeGrouper({}, "nothing")


@pytest.fixture
def truth(tmp_path: Path) -> TrueGroups:
    return read_true_groups(write(tmp_path, build_people_grouped()), MAX_BYTES)


def evaluate(truth: TrueGroups, *groupers: Grouper) -> GroupsReport:
    return evaluate_groups([truth], {grouper.name: grouper for grouper in groupers})


def pick(report: GroupsReport, name: str, graph: int = 0) -> Entrant:
    return {e.name: e for e in report.graphs[graph].entrants}[name]


def figures(entrant: Entrant) -> list[float]:
    return [figure.value for figure in entrant.figures.values()]


def test_a_grouper_that_does_as_people_do_agrees_fully(truth: TrueGroups) -> None:
    report = evaluate(truth, AS_PEOPLE)
    assert figures(pick(report, "as people")) == pytest.approx([1, 1, 1])
    assert [(e.low, e.high) for e in pick(report, "as people").figures.values()] == [(1, 1)] * 3


def test_only_nodes_that_people_grouped_count(truth: TrueGroups) -> None:
    (graph,) = evaluate(truth, AS_PEOPLE).graphs
    assert [node.node_id for node in graph.nodes] == [name_node(i) for i in range(7)]
    assert (graph.n_counted, graph.n_feature_nodes) == (7, 8)
    assert graph.truth == (("Texas", 3), ("say Austin", 2), ("Dallas", 2))


def test_a_node_that_was_left_out_is_a_group_of_its_own(truth: TrueGroups) -> None:
    report = evaluate(truth, NOTHING)
    assert figures(pick(report, "nothing")) == pytest.approx(figures(pick(report, "singletons")))
    assert {node.found["nothing"] for node in report.graphs[0].nodes} == {None}


def test_baselines_are_by_hand(truth: TrueGroups) -> None:
    report = evaluate(truth, NOTHING)
    f1 = {e.name: e.figures["pair_f1"].value for e in report.graphs[0].entrants}
    # Of 21 pairs, people put 5 together; by equal labels it is all of these but 2.
    assert f1 == pytest.approx(
        {
            "nothing": 0,
            "exact name": 2 * 3 / (5 + 3),
            "position": 2 * 5 / (5 + 21),
            "layer and position": 0,
            "one group": 2 * 5 / (5 + 21),
            "singletons": 0,
        }
    )
    counts = report.graphs[0].counts
    assert (counts["exact name"].groups, counts["exact name"].nodes) == (3, 6)
    assert (counts["one group"].groups, counts["singletons"].groups) == (1, 0)


def test_nodes_without_a_name_share_none(tmp_path: Path) -> None:
    document = build_people_grouped({"Texas": (0, 1), "unnamed": (6, 7)})
    document["nodes"][6]["clerp"] = ""
    truth = read_true_groups(write(tmp_path, document), MAX_BYTES)
    assert evaluate(truth, NOTHING).graphs[0].counts["exact name"].groups == 1


def test_every_entrant_is_compared_with_the_first_on_the_same_draws(truth: TrueGroups) -> None:
    report = evaluate(truth, AS_PEOPLE, NOTHING)
    assert report.first == "as people"
    for name in ("nothing", *BASELINES):
        for how, behind in pick(report, name).behind.items():
            own = pick(report, name).figures[how].value
            assert behind.value == pytest.approx(1 - own)
    itself = pick(report, "as people").behind["adjusted_rand"]
    assert (itself.value, itself.low, itself.high) == (0, 0, 0)


def test_a_difference_is_surer_than_the_figures_that_it_is_of(truth: TrueGroups) -> None:
    half = FakeGrouper({"a": (0, 1, 2)}, "half")
    less = FakeGrouper({"a": (0, 1)}, "less")
    report = evaluate(truth, half, less)
    behind = pick(report, "less").behind["adjusted_rand"]
    first, second = (pick(report, n).figures["adjusted_rand"] for n in ("half", "less"))
    assert 0 <= behind.low <= behind.value <= behind.high
    assert behind.high - behind.low < (first.high - first.low) + (second.high - second.low)


def test_every_interval_holds_its_figure(truth: TrueGroups) -> None:
    report = evaluate(truth, FakeGrouper({"a": (0, 1), "b": (2, 3)}), NOTHING)
    for entrant in report.graphs[0].entrants:
        for how, figure in entrant.figures.items():
            assert figure.low <= figure.value <= figure.high, (entrant.name, how)


def test_the_mean_weighs_graphs_alike_and_draws_them_apart(tmp_path: Path) -> None:
    # Grouped otherwise, and with as many nodes.
    paths = [
        write(tmp_path, build_people_grouped(groups), f"{n}.json")
        for n, groups in enumerate((PEOPLE, {"x": (0, 3), "y": (1, 2), "z": (4, 5, 6)}))
    ]
    truths = [read_true_groups(path, MAX_BYTES) for path in paths]
    report = evaluate_groups(truths, {"as people": AS_PEOPLE})
    apart = [pick(report, "as people", graph).figures["pair_f1"].value for graph in (0, 1)]
    (mean, *_) = report.mean
    assert mean.figures["pair_f1"].value == pytest.approx(sum(apart) / 2)
    assert not (draw_features(7, 0) == draw_features(7, 1)).all()
    assert [graph.graph for graph in report.graphs] == ["0", "1"]


def look_everywhere(graph: AttributionGraph) -> list[tuple[str, ...]]:
    """Find people's groups wherever a file may keep them."""
    settings = graph.document.get("qParams") or {}
    assert "Texas" not in json.dumps(settings)
    assert read_pins(graph) == ()
    assert "grouping" not in json.dumps(graph.document["metadata"])
    return [named.node_ids for named in read_supernodes(graph)]


def test_a_grouper_that_looks_for_people_s_groups_finds_none(tmp_path: Path) -> None:
    document = build_people_grouped()
    grouped = group_graph(read_graph(document), FakeGrouper({"mine": (6, 7)}))
    truth = read_true_groups(write(tmp_path, grouped.document), MAX_BYTES)
    report = evaluate(truth, LookingGrouper(look_everywhere))
    assert figures(pick(report, "looking")) == pytest.approx(figures(pick(report, "singletons")))


def test_prefixes_that_name_the_supernode_are_hidden(tmp_path: Path) -> None:
    document = build_people_grouped()
    for place in (0, 1, 3):
        name = next(name for name, places in PEOPLE.items() if place in places)
        document["nodes"][place]["clerp"] = f"[{name}] {LABELS[place]}x"
    document["nodes"][7]["clerp"] = "[Some other] thing"
    truth = read_true_groups(write(tmp_path, document), MAX_BYTES)
    shown = [node["clerp"] for node in truth.graph.document["nodes"][:8]]
    assert shown[:4] == ["Texasx", "Texasx", "Texas cities", "say Austinx"]
    assert shown[7] == "[Some other] thing"


def test_prefixes_are_hidden_wherever_labels_are(tmp_path: Path) -> None:
    document = build_people_grouped()
    name, label = next(iter(PEOPLE)), "[Texas] state"
    assert label.startswith(f"[{name}]")
    document["qParams"]["clerps"] = json.dumps([["7", label]])
    document["qk_only_nodes"] = {
        "9_9_1": {**document["nodes"][7], "node_id": "9_9_1", "layer": "9", "clerp": label}
    }
    shown = read_true_groups(write(tmp_path, document), MAX_BYTES).graph.document
    assert shown["qParams"] == {"clerps": [["7", "state"]]}
    assert shown["qk_only_nodes"]["9_9_1"]["clerp"] == "state"


def test_labels_given_in_a_frontend_are_told_to_groupers(tmp_path: Path) -> None:
    document = build_people_grouped()
    given = f"{document['nodes'][7]['layer']}_{document['nodes'][7]['feature']}_1"
    document["qParams"]["clerps"] = [[given, "Houston"]]
    truth = read_true_groups(write(tmp_path, document), MAX_BYTES)
    assert read_names(truth.graph)[truth.graph.feature_nodes[7].feature].text == "Houston"


def test_labels_stay_visible(truth: TrueGroups) -> None:
    grouper = FakeGrouper()
    evaluate(truth, grouper)
    assert [n["clerp"] for n in grouper.seen[0].document["nodes"][:8]] == list(LABELS)


def test_what_clerp_grouped_is_no_truth(tmp_path: Path) -> None:
    document = build_people_grouped({})
    grouped = group_graph(read_graph(document), FakeGrouper({"mine": (0, 1)}))
    path = write(tmp_path, grouped.document)
    with pytest.raises(UsageError, match="no supernode of a person's"):
        read_true_groups(path, MAX_BYTES)


def regroup(groups: dict[str, tuple[int, ...]], *, people: dict[str, tuple[int, ...]]) -> Document:
    """Group a graph as clerp does, then as people do who look at that."""
    document = build_people_grouped({})
    grouped = group_graph(read_graph(document), FakeGrouper(groups)).document
    return grouped | {"qParams": build_people_grouped(people)["qParams"]}


@pytest.mark.parametrize(
    ("people", "n_proposed"),
    [
        ({"renamed": (0, 1, 2), "their own": (5, 6)}, 1),
        ({"smaller": (0, 1), "their own": (5, 6)}, 1),
        ({"larger": (0, 1, 2, 3, 4), "their own": (5, 6)}, 1),
        ({"half": (1, 2, 3, 4), "their own": (5, 6)}, 0),
        ({"their own": (5, 6)}, 0),
    ],
)
def test_a_proposal_that_somebody_renamed_or_changed_is_no_truth(
    tmp_path: Path, people: dict[str, tuple[int, ...]], n_proposed: int
) -> None:
    document = regroup({"mine": (0, 1, 2)}, people=people)
    truth = read_true_groups(write(tmp_path, document), MAX_BYTES)
    assert truth.n_proposed == n_proposed
    assert len(truth.names) == len(people) - n_proposed
    assert "their own" in truth.names
    assert evaluate(truth, NOTHING).graphs[0].n_proposed == n_proposed


def test_members_that_clerp_added_to_a_person_s_group_leave_it_a_person_s(tmp_path: Path) -> None:
    document = build_people_grouped()
    grouped = group_graph(read_graph(document), FakeGrouper({"more": (5, 6, 7)})).document
    truth = read_true_groups(write(tmp_path, grouped), MAX_BYTES)
    assert (truth.n_proposed, truth.names) == (0, tuple(PEOPLE))


def test_a_node_in_two_supernodes_does_not_count(tmp_path: Path) -> None:
    groups = {"Texas": (0, 1, 2), "say Austin": (2, 3, 4)}
    truth = read_true_groups(write(tmp_path, build_people_grouped(groups)), MAX_BYTES)
    assert [node.node_id for node in truth.nodes] == [name_node(i) for i in (0, 1, 3, 4)]
    assert truth.n_shared == 1


def test_members_that_are_no_features_do_not_count(tmp_path: Path) -> None:
    document = build_people_grouped()
    document["qParams"]["supernodes"][0] += ["E_0_0", "27_0_1", "gone"]
    truth = read_true_groups(write(tmp_path, document), MAX_BYTES)
    assert len(truth.nodes) == 7


def test_the_order_of_nodes_and_links_in_the_file_changes_nothing(tmp_path: Path) -> None:
    document = build_people_grouped()
    one = read_true_groups(write(tmp_path, document, "one.json"), MAX_BYTES)
    document["nodes"].reverse()
    document["links"].reverse()
    other = read_true_groups(write(tmp_path, document, "other.json"), MAX_BYTES)
    grouper = FakeGrouper({"a": (0, 1), "b": (3, 4)})
    assert evaluate(one, grouper).mean == evaluate(other, grouper).mean


@pytest.mark.parametrize("name", BASELINES)
def test_a_grouper_with_the_name_of_a_baseline_is_refused(truth: TrueGroups, name: str) -> None:
    with pytest.raises(UsageError, match="is a baseline"):
        evaluate(truth, FakeGrouper({}, name))


def test_nothing_to_compare_is_refused(truth: TrueGroups) -> None:
    with pytest.raises(UsageError, match="nothing to compare"):
        evaluate_groups([truth], {})
    with pytest.raises(UsageError, match="nothing to compare"):
        evaluate_groups([], {"nothing": NOTHING})
