import pytest
from tests.unit.grouping.planted_circuit import (
    Link,
    make_graph,
    make_logit,
    make_node,
    make_token,
)

from clerp.graph import AttributionGraph
from clerp.graph.viewer_settings import read_supernodes
from clerp.grouping import Member, Supernode
from clerp.grouping.checks import list_warnings
from clerp.grouping.link_table import read_links

NODES = [make_node(f"{i}_{i}_0") for i in range(8)]
IDS = [node["node_id"] for node in NODES]


def make(name: str, *ids: str) -> Supernode:
    return Supernode(name, tuple(Member(i, "told to") for i in ids))


def check(
    graph: AttributionGraph, *groups: Supernode, pins: tuple[str, ...] = ()
) -> dict[str, tuple[str, ...]]:
    written = read_supernodes(graph)
    people = [make(group.name, *group.node_ids) for group in written]
    every = [*people, *groups]
    found = list_warnings(graph, read_links(graph), every, written, pins)
    return {group.name: warnings for group, warnings in zip(every, found, strict=True)}


def link(*links: Link) -> AttributionGraph:
    return make_graph([*NODES, make_token(0), make_logit(0), make_logit(1)], links)


def test_a_plain_group_has_no_warning():
    graph = link((IDS[0], IDS[3], 1.0), (IDS[1], IDS[3], 1.0))

    assert check(graph, make("a", IDS[0], IDS[1]), make("b", IDS[2], IDS[3])) == {"a": (), "b": ()}


def test_groups_that_feed_each_other_make_a_cycle():
    graph = link((IDS[0], IDS[2], 1.0), (IDS[2], IDS[3], 1.0))

    assert check(graph, make("a", IDS[0], IDS[3]), make("b", IDS[1], IDS[2])) == {
        "a": ("makes a cycle with b",),
        "b": ("makes a cycle with a",),
    }


def test_a_cycle_by_way_of_others_names_them():
    graph = link((IDS[0], IDS[2], 1.0), (IDS[2], IDS[4], 1.0), (IDS[4], IDS[5], 1.0))

    found = check(
        graph, make("a", IDS[0], IDS[5]), make("b", IDS[1], IDS[2]), make("c", IDS[3], IDS[4])
    )

    assert found["a"] == ("makes a cycle with b, c", "spread over layers 0 to 5")


def test_a_node_between_counts_when_it_is_shown():
    graph = link((IDS[0], IDS[1], 1.0), (IDS[1], IDS[2], 1.0))
    group = make("a", IDS[0], IDS[2])

    assert check(graph, group)["a"] == ()
    assert check(graph, group, pins=(IDS[1],))["a"] == (f"makes a cycle with {IDS[1]}",)


def test_a_trifle_makes_no_cycle():
    ways = [(IDS[0], IDS[2], 1.0), ("E_0_0", IDS[3], 99.0)]

    for weight, flagged in ((1.0, False), (9.0, True)):
        graph = link(*ways, (IDS[2], IDS[3], weight))
        found = check(graph, make("a", IDS[0], IDS[3]), make("b", IDS[1], IDS[2]))
        assert bool(found["a"]) == flagged


@pytest.mark.parametrize(
    ("second", "warning"),
    [
        (-1.0, ("its members work against each other: 100% cancels out",)),
        (-0.5, ("its members work against each other: 67% cancels out",)),
        (-0.2, ()),
        (1.0, ()),
    ],
)
def test_members_that_work_against_each_other_are_told(second: float, warning: tuple[str, ...]):
    graph = link((IDS[0], "27_0_5", 1.0), (IDS[1], "27_0_5", second))

    assert check(graph, make("a", IDS[0], IDS[1]))["a"] == warning


def test_effects_on_other_targets_do_not_cancel():
    graph = link((IDS[0], "27_0_5", 1.0), (IDS[1], "27_1_5", -1.0), (IDS[0], IDS[1], -5.0))

    assert check(graph, make("a", IDS[0], IDS[1]))["a"] == ()


@pytest.mark.parametrize(
    ("positions", "warning"),
    [
        ((1, 1), ()),
        ((1, 2, 3), ()),
        ((1, 2, 3, 4), ("spread over 4 positions, 1 to 4",)),
        ((1, 3), ("spread over 2 positions, 1 to 3",)),
    ],
)
def test_a_group_spread_over_the_prompt_is_told(
    positions: tuple[int, ...], warning: tuple[str, ...]
):
    nodes = [make_node(f"1_{i}_{position}") for i, position in enumerate(positions)]

    assert check(make_graph(nodes), make("a", *(n["node_id"] for n in nodes)))["a"] == warning


def test_a_group_spread_over_most_layers_is_told():
    graph = link()

    assert check(graph, make("a", IDS[0], IDS[4]))["a"] == ()
    assert check(graph, make("a", IDS[0], IDS[5]))["a"] == ("spread over layers 0 to 5",)


def test_what_is_odd_about_peoples_groups_is_told():
    supernodes = [["a", IDS[0], "gone"], ["A", IDS[1]], ["b", IDS[1]], ["c"]]
    graph = make_graph(NODES, supernodes=supernodes)

    assert check(graph) == {
        "a": (
            "shares its name with another group, so that frontends show one of them",
            "names what is no node of the graph: gone",
        ),
        "A": (
            "shares its name with another group, so that frontends show one of them",
            f"shares {IDS[1]} with another group",
        ),
        "b": (f"shares {IDS[1]} with another group",),
        "c": (),
    }


def test_a_warning_is_one_line_whatever_it_names():
    graph = make_graph(NODES, supernodes=[["a", "x\ny", *(f"gone{n}" for n in range(5))]])

    assert check(graph)["a"] == (
        "names what is no node of the graph: x y, gone0, gone1 and 3 more",
    )


def test_weights_near_the_largest_number_are_added_up():
    graph = link((IDS[0], "27_0_5", 1.7e308), (IDS[1], "27_0_5", 1.7e308))

    assert check(graph, make("a", IDS[0], IDS[1]))["a"] == ()
