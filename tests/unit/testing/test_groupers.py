"""Groupers that break one rule each."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.tiny_graph import build_tiny_graph

from clerp.graph import AttributionGraph, read_graph
from clerp.grouping import Member, Supernode
from clerp.testing import ContractError, check_grouper

GRAPH = read_graph(build_tiny_graph())
NODES = [node.node_id for node in GRAPH.feature_nodes]
Groups = Callable[[AttributionGraph, dict[Any, Any]], Any]


def make(name: str, *node_ids: str, reason: str = "alike", **more: Any) -> Supernode:
    return Supernode(name, tuple(Member(node_id, reason) for node_id in node_ids), **more)


GOOD = [make("one", *NODES[:2]), make("two", NODES[2])]


class FakeGrouper:
    name = "fake"

    def __init__(self, group: Groups = lambda graph, names: GOOD) -> None:
        self._group = group

    def group(self, graph: AttributionGraph, names: dict[Any, Any]) -> Any:
        return self._group(graph, names)


def test_a_grouper_that_keeps_the_contract_passes():
    check_grouper(FakeGrouper(), GRAPH)


def test_no_groups_are_groups():
    check_grouper(FakeGrouper(lambda graph, names: []), GRAPH)


def test_groups_of_one_name_are_told_apart_later():
    groups = [make("one", NODES[0]), make("one", NODES[1])]

    check_grouper(FakeGrouper(lambda graph, names: groups), GRAPH)


numbers = itertools.count()


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (lambda graph, names: [NODES], "it returns Supernode objects"),
        (lambda graph, names: [make("", NODES[0])], "gave the name ''"),
        (lambda graph, names: [make("a\nb", NODES[0])], "gave the name 'a\\\\nb'"),
        (lambda graph, names: [make("one", NODES[0], reason="")], "gave the reason ''"),
        (
            lambda graph, names: [make("one", NODES[0], warnings=("a\nb",))],
            "gave the warning 'a\\\\nb'",
        ),
        (
            lambda graph, names: [make("one", NODES[0], reason=str(Path.cwd()))],
            "folder of this machine",
        ),
        (lambda graph, names: [make("one")], "left the group 'one' empty"),
        (
            lambda graph, names: [*GOOD, make("three", NODES[0])],
            r"put twice into groups the node",
        ),
        (lambda graph, names: [make("one", NODES[0], NODES[0])], "put twice into groups the node"),
        (lambda graph, names: [make("one", "E_0_0")], r"grouped \['E_0_0'\], no feature"),
        (lambda graph, names: names.clear() or GOOD, "changed them"),
        (
            lambda graph, names: GOOD if len(names) else names[0],
            "given 0 names, raised KeyError",
        ),
        (
            lambda graph, names: [make(f"{next(numbers)}", NODES[0])],
            "does not group the same twice",
        ),
        (
            lambda graph, names: [make("one", graph.feature_nodes[0].node_id)],
            "does not group the same when the nodes of the file are in another order",
        ),
        (
            lambda graph, names: GOOD if not graph.document["qParams"]["supernodes"] else [GRAPH],
            "it returns Supernode objects",
        ),
    ],
)
def test_a_broken_rule_is_named(group: Groups, message: str):
    with pytest.raises(ContractError, match=message):
        check_grouper(FakeGrouper(group), GRAPH)


def test_what_is_no_grouper_is_told_so():
    with pytest.raises(ContractError, match="object is no grouper"):
        check_grouper(object(), GRAPH)
