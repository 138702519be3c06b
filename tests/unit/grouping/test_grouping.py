from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.grouping.planted_circuit import make_graph, make_node, make_token, plant_circuit

from clerp.errors import GraphError, PluginError
from clerp.feature import FeatureId
from clerp.graph import AttributionGraph, read_graph
from clerp.grouping import Grouping, Member, Named, Supernode, group_nodes, read_names
from clerp.grouping.label_form import fold
from clerp.grouping.semantic import SemanticGrouper
from clerp.grouping.sides import side_of
from clerp.labels import clean_label

NODES = [make_node(f"{i}_{i}_0", "Texas") for i in range(8)]
IDS = [node["node_id"] for node in NODES]
NASTY = st.sampled_from(['a & b # 1% + <i> "x"', "😀", "supernode-1", "F12", "[x", "", "Texas"])


class GivenGrouper:
    """Proposes what a test says, by name."""

    name = "given"

    def __init__(self, *groups: tuple[str, Sequence[str]]) -> None:
        self._groups = groups

    def group(
        self, graph: AttributionGraph, names: Mapping[FeatureId, Named]
    ) -> Sequence[Supernode]:
        return [
            Supernode(name, tuple(Member(i, "told to") for i in ids)) for name, ids in self._groups
        ]


def run(graph: AttributionGraph, *groups: tuple[str, Sequence[str]], names: Any = None) -> Grouping:
    return group_nodes(graph, read_names(graph) if names is None else names, GivenGrouper(*groups))


def list_groups(grouping: Grouping) -> list[tuple[str, list[str]]]:
    return [(group.name, list(group.node_ids)) for group in grouping.supernodes]


def list_reasons(grouping: Grouping) -> dict[str, str]:
    return {member.node_id: member.reason for member in grouping.ungrouped}


def test_groups_come_out_with_their_reasons():
    found = run(make_graph(NODES), ("Texas", IDS[:3]))

    assert list_groups(found) == [("Texas", IDS[:3])]
    assert found.supernodes[0].members[0].reason == "told to"
    assert found.supernodes[0].origin == "clerp"
    assert found.grouper == "given"


def test_every_other_node_says_why_it_is_in_none():
    nodes = [
        make_node("1_1_0", "Texas"),
        make_node("2_2_0", "of"),
        make_node("3_3_0"),
        make_node("4_4_0", clerp_role="artefact"),
    ]

    found = run(make_graph(nodes))

    assert list_reasons(found) == {
        "1_1_0": "no other node is like it",
        "2_2_0": "its label alone, a function word or a mark, makes no group",
        "3_3_0": "no label, and wired like no group",
        "4_4_0": "an artefact, which stands for no meaning",
    }


def test_a_node_that_was_one_too_many_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("clerp.grouping.candidates.MAX_NODES", 7)

    reasons = list_reasons(run(make_graph(NODES), ("Texas", IDS[:2])))

    assert reasons[IDS[7]] == "not among the 3,000 nodes of most influence"
    assert reasons[IDS[6]] == "no other node is like it"


def test_a_group_of_one_is_none():
    found = run(make_graph(NODES), ("Texas", IDS[:1]))

    assert found.supernodes == ()
    assert list_reasons(found)[IDS[0]].startswith("alone once other sides and people's groups")


@pytest.mark.parametrize("faulty", [[IDS[0], IDS[0]], [IDS[0], "E_0_0"], [IDS[0], "gone"]])
def test_a_grouper_that_groups_what_it_must_not_is_told_so(faulty: list[str]):
    graph = make_graph([*NODES, make_token(0)])

    with pytest.raises(PluginError, match="grouper 'given' grouped"):
        run(graph, ("Texas", faulty))


def test_a_node_in_two_proposals_is_refused():
    with pytest.raises(PluginError, match="twice"):
        run(make_graph(NODES), ("a", IDS[:2]), ("b", IDS[1:3]))


def test_outputs_are_taken_from_inputs():
    labels = ["Texas", "Texas", "Texas", "say Texas", "say Texas", "avoid Texas", "", ""]
    nodes = [make_node(f"{i}_{i}_0", label) for i, label in enumerate(labels)]
    graph = make_graph(nodes)

    found = run(graph, ("Texas", IDS))

    # Those of no known side stay with the most.
    assert list_groups(found) == [
        ("Texas", [IDS[0], IDS[1], IDS[2], IDS[6], IDS[7]]),
        ("say Texas", [IDS[3], IDS[4]]),
    ]
    assert "other sides" in list_reasons(found)[IDS[5]]


def test_what_people_grouped_holds_no_other_group_together():
    class HubGrouper(GivenGrouper):
        """Groups all nodes, as long as the first one is among them."""

        def group(
            self, graph: AttributionGraph, names: Mapping[FeatureId, Named]
        ) -> Sequence[Supernode]:
            ids = [node.node_id for node in graph.feature_nodes]
            members = tuple(Member(i, "near the hub") for i in ids)
            return [Supernode("Texas", members)] if ids[0] == IDS[0] else []

    graph = make_graph(NODES, supernodes=[["mine", IDS[0]]])
    found = group_nodes(graph, read_names(graph), HubGrouper())
    assert list_groups(found) == [("mine", IDS[:1])]


def test_peoples_groups_come_first_and_stay_as_they_are():
    mine = [["  my [group] & <b> ", IDS[3], "E_0_0", IDS[1], "gone"], ["second", IDS[5]]]
    graph = make_graph([*NODES, make_token(0)], supernodes=mine)

    found = run(graph, ("Texas", [IDS[0], IDS[2]]))

    assert list_groups(found) == [(each[0], each[1:]) for each in mine] + [
        ("Texas", [IDS[0], IDS[2]])
    ]
    assert [group.origin for group in found.supernodes] == ["person", "person", "clerp"]


def test_a_group_that_is_half_a_persons_is_added_to_theirs():
    graph = make_graph(NODES, supernodes=[["mine", IDS[1], IDS[0]]])

    found = run(graph, ("Texas", IDS[:4]))

    assert list_groups(found) == [("mine", [IDS[1], IDS[0], IDS[2], IDS[3]])]
    assert [member.reason for member in found.supernodes[0].members] == [
        *["a person put it here"] * 2,
        *["told to"] * 2,
    ]


def test_a_group_that_is_less_than_half_a_persons_stands_beside_theirs():
    graph = make_graph(NODES, supernodes=[["mine", IDS[0]]])

    found = run(graph, ("Texas", IDS[:3]))

    assert list_groups(found) == [("mine", IDS[:1]), ("Texas", IDS[1:3])]


def test_a_group_that_two_persons_groups_divide_is_added_to_neither():
    graph = make_graph(NODES, supernodes=[["mine", IDS[0], IDS[1]], ["other", IDS[2], IDS[3]]])

    found = run(graph, ("Texas", IDS[:6]))

    assert list_groups(found)[2:] == [("Texas", IDS[4:6])]


def test_an_output_is_not_added_to_a_persons_inputs():
    nodes = [make_node(i, "say Texas" if i == IDS[2] else "Texas") for i in IDS]
    graph = make_graph(nodes, supernodes=[["mine", IDS[0], IDS[1]]])

    found = run(graph, ("Texas", IDS[:3]))

    assert list_groups(found) == [("mine", IDS[:2])]
    assert IDS[2] in list_reasons(found)


def test_two_groups_of_one_name_say_where_they_are():
    nodes = [make_node(f"1_{i}_{i}", "two") for i in range(6)]
    ids = [node["node_id"] for node in nodes]

    found = run(make_graph(nodes), ("two", ids[:2]), ("Two", ids[2:4]), ("x", ids[4:]))

    assert [group.name for group in found.supernodes] == ["two at 0", "Two at 2", "x"]


def test_a_persons_name_is_theirs():
    graph = make_graph(NODES, supernodes=[["texas", IDS[7]]])

    assert [group.name for group in run(graph, ("Texas", IDS[:2])).supernodes] == [
        "texas",
        "Texas at 0",
    ]


def test_groups_are_in_the_order_of_their_layers():
    found = run(make_graph(NODES), ("late", IDS[6:8]), ("early", IDS[:2]), ("mid", IDS[3:5]))

    assert [group.name for group in found.supernodes] == ["early", "mid", "late"]


def test_broken_groups_of_people_are_refused():
    with pytest.raises(GraphError, match=r"qParams.supernodes\[0\]"):
        run(make_graph(NODES, supernodes=[[1]]))


def test_ten_thousand_pins_stay():
    pins = [f"E_{n}_{n}" for n in range(10_000)]
    graph = make_graph(NODES, pinnedIds=",".join(pins))

    assert run(graph, ("Texas", IDS[:2])).pins == tuple(pins)


@settings(max_examples=60)
@given(
    peoples=st.lists(st.tuples(NASTY, st.lists(st.sampled_from([*IDS, "gone", "E_0_0"])))),
    owners=st.lists(st.integers(0, 3), min_size=8, max_size=8),
    proposed=st.lists(NASTY, min_size=4, max_size=4),
    labels=st.lists(st.sampled_from(["Texas", "say Texas", "avoid x", ""]), min_size=8, max_size=8),
)
def test_whatever_is_proposed_peoples_groups_stay_and_the_rest_is_sound(
    peoples: list[tuple[str, list[str]]],
    owners: list[int],
    proposed: list[str],
    labels: list[str],
):
    nodes = [make_node(i, label) for i, label in zip(IDS, labels, strict=True)]
    entries = [[name, *ids] for name, ids in peoples]
    graph = make_graph([*nodes, make_token(0)], supernodes=entries, pinnedIds=IDS[:2])
    names = read_names(graph)
    parts = [
        (name, [i for i, owner in zip(IDS, owners, strict=True) if owner == number])
        for number, name in enumerate(proposed)
    ]

    found = run(graph, *parts)

    kept, added = found.supernodes[: len(peoples)], found.supernodes[len(peoples) :]
    for group, (name, ids) in zip(kept, peoples, strict=True):
        once = tuple(dict.fromkeys(ids))
        assert (group.name, group.node_ids[: len(once)]) == (name, once)
    written = {i for _, ids in peoples for i in ids}
    placed = Counter(i for group in kept for i in group.node_ids if i not in written)
    placed.update(i for group in added for i in group.node_ids)
    assert all(n == 1 for n in placed.values())
    assert not written & {i for group in added for i in group.node_ids}
    sides = {node.node_id: side_of(names[node.feature]) for node in graph.feature_nodes}
    for group in added:
        assert len(group.members) > 1
        assert len({sides[i] for i in group.node_ids} - {""}) <= 1
        assert clean_label(group.name) == group.name
    folded = [fold(group.name) for group in added]
    assert len(set(folded) | {fold(name) for name, _ in peoples}) == len(folded) + len(
        {fold(name) for name, _ in peoples}
    )
    everywhere = [i for group in found.supernodes for i in group.node_ids]
    everywhere += [member.node_id for member in found.ungrouped]
    assert set(everywhere) >= set(IDS)
    assert not {m.node_id for m in found.ungrouped} & set(placed)
    assert found.pins[:2] == tuple(IDS[:2])


def test_a_whole_circuit_is_grouped_the_same_in_any_order_of_the_file():
    planted = plant_circuit(unlabelled=0.3)
    planted.document["qParams"] = {"supernodes": [["mine", *sorted(planted.groups["bread"])]]}
    turned = planted.document | {key: planted.document[key][::-1] for key in ("nodes", "links")}

    first, second = (
        group_nodes(graph, read_names(graph), SemanticGrouper())
        for graph in map(read_graph, (planted.document, turned))
    )

    assert first == second
    assert [group.name for group in first.supernodes] == [
        "mine",
        *("Texas", "capital", "piano", "river", "say Austin", "say yellow"),
    ]
