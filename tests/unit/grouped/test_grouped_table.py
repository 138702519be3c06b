from io import StringIO

import pytest
from rich.console import Console
from tests.unit.grouped.made import (
    AUSTIN,
    TEXAS,
    build_labelled,
    make_grouped,
    make_supernode,
    name_node,
)

from clerp.graph import read_graph
from clerp.grouped import GroupedGraph
from clerp.grouped.rows import count_reasons, list_rows
from clerp.grouped.table import render_groups
from clerp.grouping import Grouping, Member


def show(grouped: GroupedGraph) -> list[str]:
    console = Console(file=StringIO(), width=140, color_system=None)
    console.print(render_groups(grouped))
    return console.file.getvalue().splitlines()  # pyright: ignore[reportAttributeAccessIssue]


def test_a_row_says_where_a_supernode_is_and_what_its_nodes_are_called() -> None:
    document = build_labelled()
    document["nodes"][4]["clerp"] = "label 3"
    document["nodes"][5]["ctx_idx"] = 0
    (row,) = list_rows(*parts(make_grouped(AUSTIN, document=document)))
    assert (row.name, row.by, row.members, row.layers) == ("say Austin", "clerp", "3", "3-5")
    assert row.positions == "bos token +1"
    assert row.labels == "label 3 · label 5"
    assert row.warnings == ("makes a cycle with Texas",)


def parts(grouped: GroupedGraph) -> tuple:
    return grouped.graph, grouped.grouping


def test_the_share_is_that_of_all_members() -> None:
    grouped = make_grouped(TEXAS)
    shares = [node.share or 0 for node in grouped.graph.feature_nodes[:2]]
    (row,) = list_rows(*parts(grouped))
    assert row.share == f"{sum(shares):.1%}"


def test_what_a_graph_does_not_say_is_a_dash() -> None:
    document = build_labelled()
    for node in document["nodes"]:
        node["influence"] = None
    rows = list_rows(*parts(make_grouped(make_supernode("x", "E_0_0"), TEXAS, document=document)))
    assert [(row.layers, row.positions, row.share) for row in rows] == [
        ("-", "-", "-"),
        ("0-1", "Dallas", "-"),
    ]


def test_a_position_without_a_token_is_a_number() -> None:
    document = build_labelled()
    document["metadata"]["prompt_tokens"] = []
    (row,) = list_rows(*parts(make_grouped(TEXAS, document=document)))
    assert row.positions == "1"


def test_more_labels_than_fit_are_counted() -> None:
    (row,) = list_rows(*parts(make_grouped(make_supernode("all", *range(8)))))
    assert row.labels == "label 0 · label 1 · label 2 +5"


def test_the_table_marks_warnings_and_people_s_groups() -> None:
    lines = show(make_grouped(make_supernode("theirs", 6, 7, origin="person"), TEXAS, AUSTIN))
    assert lines[1].startswith("theirs ")
    assert next(line for line in lines if line.startswith("say Austin [1]"))
    assert "[1] makes a cycle with Texas" in lines
    assert "The first 1 are a person's and kept; 2 members added" in lines


def test_members_that_were_added_to_a_person_s_group_are_told_apart() -> None:
    document = build_labelled()
    document["qParams"]["supernodes"] = [["theirs", name_node(6)]]
    theirs = make_supernode("theirs", 6, 7, 0, origin="person")
    grown, own = list_rows(*parts(make_grouped(theirs, AUSTIN, document=document)))
    assert (grown.members, grown.n_added) == ("1 +2", 2)
    assert (own.members, own.n_added) == ("3", 0)
    document["qParams"]["supernodes"] = [["theirs", *theirs.node_ids]]
    same = make_grouped(theirs, document=document)
    assert list_rows(*parts(same))[0].members == "3"
    assert "The first 1 are a person's and kept as they were" in show(same)


def test_a_label_that_a_person_gave_in_a_frontend_is_shown() -> None:
    document = build_labelled()
    document["qParams"]["clerps"] = [["0_7_1", "Austin"]]
    grouped = make_grouped(TEXAS, document=document)
    assert list_rows(*parts(grouped))[0].labels == "Austin · label 1"
    assert [record["label"] for record in grouped.to_records()] == ["Austin", "label 1"]


def test_what_is_in_no_supernode_is_counted_by_reason() -> None:
    reasons = ["no label"] * 3 + [f"reason {n}" for n in range(20)] + ["no label\x1b\n"]
    ungrouped = tuple(Member(f"{n}_0_0", reason) for n, reason in enumerate(reasons))
    grouping = Grouping((), ungrouped, (), "by hand")
    assert count_reasons(grouping)[0] == ("no label", 3)
    lines = show(GroupedGraph(read_graph(build_labelled()), grouping))
    assert "Feature nodes in no supernode: 24 of 8" in lines
    assert "    3 no label" in lines
    assert lines[-1] == "   10 for other reasons, which --json has"


@pytest.mark.parametrize("name", ["[red]x[/red]", "a\x1b[31mb", "two\nlines", "\u202eevil"])
def test_a_hostile_name_is_only_text(name: str) -> None:
    shown = "\n".join(show(make_grouped(make_supernode(name, 0, 1, origin="person"))))
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "two\nlines" not in shown
    if name.startswith("[red]"):
        assert name in shown


def test_nothing_grouped_is_an_empty_table() -> None:
    assert show(make_grouped())[0].split()[0] == "supernode"
