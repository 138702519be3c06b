from collections.abc import Sequence
from typing import Literal

from tests.unit.grouping.planted_circuit import (
    make_graph,
    make_logit,
    make_node,
    make_token,
)

from clerp.graph import AttributionGraph
from clerp.grouping import Member, Supernode
from clerp.grouping.link_table import read_links
from clerp.grouping.pins import MAX_PINS, choose_pins

NODES = [make_node(f"1_{i}_0", influence=(i + 1) ** 2 / 1e5) for i in range(300)]
IDS = [node["node_id"] for node in NODES]


def make_group(ids: list[str], origin: Literal["person", "clerp"]) -> Supernode:
    return Supernode(ids[0], tuple(Member(i, "told to") for i in ids), origin)


def choose(
    graph: AttributionGraph,
    *groups: list[str],
    pinned: tuple[str, ...] = (),
    theirs: Sequence[list[str]] = (),
) -> tuple[str, ...]:
    supernodes = [
        *(make_group(ids, "person") for ids in theirs),
        *(make_group(ids, "clerp") for ids in groups),
    ]
    return choose_pins(graph, read_links(graph), supernodes, pinned)


def test_what_people_pinned_comes_first_in_their_order():
    assert choose(make_graph(NODES), IDS[:2], pinned=("E_0_0", "gone", IDS[1])) == (
        *("E_0_0", "gone", IDS[1]),
        IDS[0],
    )


def test_members_of_most_influence_come_first():
    # The later of these nodes have the larger step of cumulative influence.
    assert choose(make_graph(NODES), IDS[:3]) == (IDS[2], IDS[1], IDS[0])


def test_every_group_shows_before_any_shows_whole():
    large, small = IDS[50:], IDS[:2]

    pins = choose(make_graph(NODES), large, small)

    assert len(pins) == MAX_PINS
    assert set(small) < set(pins)
    assert pins[:4] == (IDS[299], IDS[298], IDS[1], IDS[0])
    assert set(pins[4:]) == set(IDS[102:298])


def test_people_s_groups_show_whole_before_any_of_clerp_s():
    theirs, own = IDS[: MAX_PINS - 3], IDS[MAX_PINS:]

    pins = choose(make_graph(NODES), own, theirs=[theirs])

    assert set(pins[:-3]) == set(theirs)
    assert pins[-3:] == (IDS[299], IDS[298], IDS[297])


def test_tokens_and_logits_fill_up_strongest_first():
    links = [
        ("E_0_0", IDS[0], 1.0),
        ("E_1_1", IDS[0], -3.0),
        (IDS[0], "27_0_5", 2.0),
        ("E_2_2", IDS[9], 9.0),
        (IDS[9], "27_1_5", 9.0),
    ]
    ends = [make_token(0), make_token(1), make_token(2), make_logit(0), make_logit(1)]

    pins = choose(make_graph([*NODES, *ends], links), IDS[:2])

    assert pins == (IDS[1], IDS[0], "E_1_1", "27_0_5", "E_0_0")


def test_no_room_is_left_for_more_than_frontends_show():
    pinned = tuple(f"E_{n}_{n}" for n in range(MAX_PINS - 1))
    graph = make_graph([*NODES, make_token(0)], [("E_0_0", IDS[0], 1.0)])

    assert choose(graph, IDS[:5], pinned=pinned) == (*pinned, IDS[4])


def test_more_pins_than_frontends_show_are_kept_when_people_set_them():
    pinned = tuple(f"E_{n}_{n}" for n in range(500))

    assert choose(make_graph(NODES), IDS[:5], pinned=pinned) == pinned


def test_members_that_are_no_node_are_not_pinned():
    assert choose(make_graph(NODES), ["gone", IDS[0]]) == (IDS[0],)


def test_graphs_without_influence_or_links_have_pins_too():
    graph = make_graph([make_node("1_1_0"), make_node("2_2_0")])

    assert choose(graph, ["2_2_0", "1_1_0"]) == ("1_1_0", "2_2_0")
