"""Groupers that break one rule each."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.tiny_graph import build_tiny_graph

from clerp.graph import AttributionGraph, read_graph
from clerp.grouping import Supernode
from clerp.testing import ContractError, check_grouper

GRAPH = read_graph(build_tiny_graph())
NODES = [node.node_id for node in GRAPH.feature_nodes]
GOOD = [Supernode("one", tuple(NODES[:2]), "alike"), Supernode("two", (NODES[2],), "alone")]


class FakeGrouper:
    name = "fake"

    def __init__(self, group: Callable[[dict[Any, str]], Any] = lambda _: GOOD) -> None:
        self._group = group

    def group(self, graph: AttributionGraph, labels: dict[Any, str]) -> Any:
        return self._group(labels)


def test_a_grouper_that_keeps_the_contract_passes():
    check_grouper(FakeGrouper(), GRAPH)


def test_no_groups_are_groups():
    check_grouper(FakeGrouper(lambda _: []), GRAPH)


numbers = itertools.count()


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (lambda _: [NODES], "it returns Supernode objects"),
        (lambda _: [Supernode("", (NODES[0],), "alike")], "gave the name ''"),
        (lambda _: [Supernode("one", (NODES[0],), "")], "gave the reason ''"),
        (lambda _: [Supernode("one", (NODES[0],), str(Path.cwd()))], "folder of this machine"),
        (lambda _: [Supernode("one", (), "alike")], "left the group 'one' empty"),
        (lambda _: [*GOOD, Supernode("one", (NODES[3],), "alike")], "two groups the name"),
        (lambda _: [*GOOD, Supernode("three", (NODES[0],), "alike")], "into two groups the node"),
        (lambda _: [Supernode("one", ("E_0_0",), "alike")], r"grouped \['E_0_0'\], no feature"),
        (lambda labels: labels.clear() or GOOD, "changed them"),
        (lambda labels: GOOD if len(labels) else labels[0], "given 0 labels, raised KeyError"),
        (
            lambda _: [Supernode(f"{next(numbers)}", (NODES[0],), "alike")],
            "does not group the same twice",
        ),
    ],
)
def test_a_broken_rule_is_named(group: Callable[[dict[Any, str]], Any], message: str):
    with pytest.raises(ContractError, match=message):
        check_grouper(FakeGrouper(group), GRAPH)


def test_what_is_no_grouper_is_told_so():
    with pytest.raises(ContractError, match="object is no grouper"):
        check_grouper(object(), GRAPH)
