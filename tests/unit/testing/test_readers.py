"""Readers that break one rule each."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.tiny_graph import build_tiny_graph

from clerp.errors import GraphError
from clerp.testing import ContractError, check_reader

GRAPH, NOTHING = "graph.fake", "nothing.fake"


class FakeReader:
    name = "fake"

    def __init__(
        self,
        read: Callable[[], Any] = build_tiny_graph,
        refuse: Callable[[], Any] = lambda: refuse_with(GraphError("no graph")),
    ) -> None:
        self._read, self._refuse = read, refuse

    def read(self, source: object) -> Any:
        return self._read() if source == GRAPH else self._refuse()


def refuse_with(error: Exception) -> object:
    raise error


def with_prompt(prompt: object) -> dict[str, Any]:
    document = build_tiny_graph()
    document["metadata"]["prompt"] = prompt
    return document


def test_a_reader_that_keeps_the_contract_passes():
    check_reader(FakeReader(), GRAPH, unreadable=NOTHING)


numbers = itertools.count()


@pytest.mark.parametrize(
    ("reader", "message"),
    [
        (FakeReader(lambda: {"nodes": []}), "raised GraphError"),
        (FakeReader(lambda: {1: {2, 3}}), "raised TypeError"),
        (FakeReader(lambda: refuse_with(KeyError("x"))), "raised KeyError"),
        (FakeReader(lambda: with_prompt(str(next(numbers)))), "does not read the same twice"),
        (FakeReader(lambda: with_prompt(str(Path.cwd()))), "a folder of this machine"),
        (FakeReader(refuse=lambda: {}), "read what holds no graph"),
        (FakeReader(refuse=lambda: refuse_with(OSError("x"))), "raised OSError: x: it raises"),
        (FakeReader, "FakeReader is a class"),
    ],
)
def test_a_broken_rule_is_named(reader: object, message: str):
    with pytest.raises(ContractError, match=message):
        check_reader(reader, GRAPH, unreadable=NOTHING)
