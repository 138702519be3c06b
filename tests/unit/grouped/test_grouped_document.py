import copy
import json
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.grouped.made import (
    AUSTIN,
    TEXAS,
    Document,
    build_labelled,
    make_grouped,
    make_grouping,
    make_supernode,
    name_node,
)

from clerp.errors import GraphError
from clerp.graph import read_graph
from clerp.graph.viewer_settings import read_pins, read_supernodes
from clerp.grouped import GroupedGraph
from clerp.grouped.document import RECORD, drop_own_groups, list_own_members, write_groups


def test_supernodes_and_pins_are_arrays_of_node_ids() -> None:
    settings = make_grouped(TEXAS, AUSTIN).document["qParams"]
    assert settings["supernodes"] == [
        ["Texas", "0_10_1", "1_11_1"],
        ["say Austin", "3_13_1", "4_14_1", "5_15_1"],
    ]
    assert settings["pinnedIds"] == [name_node(i) for i in (0, 1, 3, 4, 5)]


def build_theirs() -> Document:
    """Build a graph in which a person grouped and pinned node 6, and pinned a token."""
    document = build_labelled()
    document["qParams"] |= {
        "supernodes": [["theirs", name_node(6)]],
        "pinnedIds": ["E_0_0", name_node(6)],
    }
    return document


def test_the_record_says_who_grouped_and_why() -> None:
    theirs = make_supernode("theirs", 6, 7, origin="person")
    grouped = make_grouped(theirs, AUSTIN, document=build_theirs())
    record = grouped.document["metadata"]["clerp"][RECORD]
    assert record["grouper"] == "by hand"
    assert (record["supernodes"][0]["origin"], record["supernodes"][0]["added"]) == (
        "person",
        [name_node(7)],
    )
    assert record["supernodes"][1] == {
        "name": "say Austin",
        "origin": "clerp",
        "warnings": ["makes a cycle with Texas"],
        "members": [{"node_id": name_node(i), "reason": f"why {name_node(i)}"} for i in (3, 4, 5)],
        "added": [name_node(i) for i in (3, 4, 5)],
    }
    assert record["ungrouped"][0] == {"node_id": "0_10_1", "reason": "nothing like it"}
    assert record["pinned"] == [name_node(i) for i in (7, 3, 4, 5)]


def test_nothing_else_changes() -> None:
    before = build_labelled()
    before["qParams"] |= {"clerps": "[]", "sg_pos": "", "odd": [1.0, {"x": None}]}
    before["odd"] = {"kept": True}
    given = copy.deepcopy(before)
    after = make_grouped(TEXAS, document=given).document
    assert given == before
    assert list(after) == list(before)
    assert list(after["qParams"]) == list(before["qParams"])
    assert list(after["metadata"]) == list(before["metadata"])
    after["qParams"] |= {"supernodes": [], "pinnedIds": []}
    del after["metadata"]["clerp"][RECORD]
    assert json.dumps(after) == json.dumps(before)


def place_boxes(document: Document) -> Document:
    document["qParams"]["sg_pos"] = "795 581 617 850"
    return document


def test_places_of_other_boxes_move_into_the_record_and_back() -> None:
    grouped = make_grouped(TEXAS, document=place_boxes(build_labelled())).document
    assert grouped["qParams"]["sg_pos"] == ""
    assert grouped["metadata"]["clerp"][RECORD]["layout"] == "795 581 617 850"
    dropped = drop_own_groups(read_graph(grouped)).document
    assert dropped == place_boxes(build_labelled())
    assert group_again(grouped, TEXAS) == grouped


@pytest.mark.parametrize("saved", ["", None])
def test_the_old_places_are_back_after_a_save_that_has_none(saved: str | None) -> None:
    grouped = make_grouped(TEXAS, document=place_boxes(build_labelled())).document
    grouped["qParams"]["sg_pos"] = saved
    settings = drop_own_groups(read_graph(grouped)).document["qParams"]
    assert settings["sg_pos"] == "795 581 617 850"


def test_boxes_that_somebody_placed_since_stay_where_they_are() -> None:
    grouped = make_grouped(TEXAS, document=place_boxes(build_labelled())).document
    grouped["qParams"]["sg_pos"] = "1 2 3 4"
    assert drop_own_groups(read_graph(grouped)).document["qParams"]["sg_pos"] == "1 2 3 4"


def test_the_same_boxes_stay_where_they_are() -> None:
    before = place_boxes(build_theirs())
    theirs = make_supernode("theirs", 6, origin="person")
    pins = ("E_0_0", name_node(6))
    grouped = GroupedGraph(read_graph(before), make_grouping(theirs, pins=pins)).document
    assert grouped["qParams"] == before["qParams"]
    assert "layout" not in grouped["metadata"]["clerp"][RECORD]


@pytest.mark.parametrize("settings", [None, {}])
def test_a_graph_without_settings_gets_the_two(settings: dict[str, Any] | None) -> None:
    document = build_labelled()
    document["qParams"] = settings
    assert list(make_grouped(TEXAS, document=document).document["qParams"]) == [
        "pinnedIds",
        "supernodes",
    ]


def test_a_graph_that_clerp_did_not_label_is_read_again_as_such() -> None:
    document = build_labelled()
    del document["metadata"]["clerp"]
    for node in document["nodes"]:
        node.pop("clerp_status", None)
    again = read_graph(make_grouped(TEXAS, document=document).document)
    assert [node.foreign_label for node in again.feature_nodes][:2] == ["label 0", "label 1"]


def group_again(document: Document, *supernodes: Any) -> Document:
    graph = drop_own_groups(read_graph(document))
    assert read_supernodes(graph) == ()
    return write_groups(graph, make_grouping(*supernodes))


def test_grouping_twice_gives_the_same_bytes() -> None:
    once = make_grouped(TEXAS, AUSTIN).document
    assert json.dumps(group_again(once, TEXAS, AUSTIN)) == json.dumps(once)


def test_another_grouping_leaves_nothing_of_the_first() -> None:
    once = make_grouped(TEXAS, AUSTIN).document
    other = make_supernode("other", 6, 7)
    assert group_again(once, other) == make_grouped(other).document


@pytest.mark.parametrize(
    "change",
    [
        lambda group: ["Texan", *group[1:]],
        lambda group: [*group, name_node(7)],
        lambda group: group[:2],
    ],
    ids=["renamed", "added to", "taken from"],
)
def test_what_a_person_changes_is_theirs(change: Any) -> None:
    document = make_grouped(TEXAS, AUSTIN).document
    document["qParams"]["supernodes"][0] = change(document["qParams"]["supernodes"][0])
    kept = read_supernodes(drop_own_groups(read_graph(document)))
    assert [[named.name, *named.node_ids] for named in kept] == [
        document["qParams"]["supernodes"][0]
    ]


def test_members_of_a_group_that_a_person_took_over_stay_pinned() -> None:
    document = make_grouped(TEXAS, AUSTIN).document
    document["qParams"]["supernodes"][1][0] = "mine"
    assert read_pins(drop_own_groups(read_graph(document))) == AUSTIN.node_ids


def test_members_of_a_person_s_new_group_stay_pinned() -> None:
    document = make_grouped(TEXAS, AUSTIN).document
    document["qParams"]["supernodes"] = [["mine", name_node(5), name_node(0)]]
    assert read_pins(drop_own_groups(read_graph(document))) == (name_node(0), name_node(5))


def test_what_clerp_put_into_each_supernode_is_listed() -> None:
    theirs = make_supernode("theirs", 6, 7, origin="person")
    grouped = make_grouped(theirs, TEXAS, document=build_theirs()).document
    own = ({name_node(7)}, set(TEXAS.node_ids))
    assert list_own_members(read_graph(grouped)) == own
    assert list_own_members(read_graph(build_theirs())) == ()


def test_people_s_groups_and_pins_stay_without_what_was_added() -> None:
    graph = read_graph(build_theirs())
    theirs = make_supernode("theirs", 6, 7, origin="person")
    pins = ("E_0_0", *theirs.node_ids, *TEXAS.node_ids)
    grouped = write_groups(graph, make_grouping(theirs, TEXAS, pins=pins))
    assert drop_own_groups(read_graph(grouped)).document == build_theirs()


def test_a_person_s_supernode_without_members_stays() -> None:
    document = build_labelled()
    document["qParams"]["supernodes"] = [["empty"]]
    grouped = make_grouped(make_supernode("empty", origin="person"), TEXAS, document=document)
    assert drop_own_groups(read_graph(grouped.document)).document == document


def test_the_texts_that_the_frontend_saves_are_read_as_well() -> None:
    document = make_grouped(TEXAS).document
    settings = document["qParams"]
    document["qParams"] = {
        "pinnedIds": ",".join([*settings["pinnedIds"], "E_0_0"]),
        "supernodes": json.dumps([*settings["supernodes"], ["mine", name_node(7)]]),
    }
    dropped = drop_own_groups(read_graph(document))
    assert [named.name for named in read_supernodes(dropped)] == ["mine"]
    assert read_pins(dropped) == ("E_0_0",)


def test_a_graph_that_clerp_did_not_group_is_as_it_was() -> None:
    graph = read_graph(build_labelled())
    assert drop_own_groups(graph) is graph


KEYS = st.sampled_from(["supernodes", "pinned", "name", "members"])
JSON_VALUES = st.recursive(
    st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner),
    max_leaves=5,
)


def is_broken(record: object) -> bool:
    if not isinstance(record, dict):
        return True
    pinned, supernodes = record.get("pinned", []), record.get("supernodes", [])
    texts = isinstance(pinned, list) and all(isinstance(pin, str) for pin in pinned)
    # No value that is drawn is a whole supernode.
    return not texts or supernodes != []


@given(JSON_VALUES)
def test_a_broken_record_is_refused_with_its_place(record: object) -> None:
    document = build_labelled()
    document["metadata"]["clerp"][RECORD] = record
    graph = read_graph(document)
    place = rf"metadata\.clerp\.{RECORD}"
    refused = pytest.raises(GraphError, match=place)
    with refused if is_broken(record) else nullcontext():
        drop_own_groups(graph)
