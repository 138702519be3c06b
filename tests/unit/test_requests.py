from typing import Any

import pytest
from tests.pools import FEATURES, make_pool
from tests.unit.graph.conftest import build_graph

from clerp import requests as requests_module
from clerp.config import Settings
from clerp.graph import AttributionGraph, read_graph
from clerp.labelers.methods.surroundings import MAX_NEIGHBOURS
from clerp.labelers.request import GraphContext
from clerp.requests import Requests
from clerp.router import Role
from clerp.testing import FakeLabeler

FIRST, *OTHERS = FEATURES
IN_GRAPH = Settings(context="graph")


def tie(*weights: float, clerps: dict[int, str] | None = None) -> AttributionGraph:
    """Make a graph whose first feature has edges of these weights to the next ones."""
    document = build_graph(n_features=len(weights) + 1)
    nodes = document["nodes"]
    document["links"] += [
        {"source": nodes[0]["node_id"], "target": nodes[i]["node_id"], "weight": weight}
        for i, weight in enumerate(weights, 1)
    ]
    for i, clerp in (clerps or {}).items():
        nodes[i]["clerp"] = clerp
    return read_graph(document)


async def describe(pool: Any, settings: Settings = IN_GRAPH) -> GraphContext:
    context = (await Requests(pool, settings).make(FIRST)).context
    assert context is not None
    return context


@pytest.fixture
def labeler(monkeypatch: pytest.MonkeyPatch) -> FakeLabeler:
    made = FakeLabeler()
    monkeypatch.setattr(requests_module, "find", lambda *_: made)
    return made


async def test_evidence_route_edges_and_activations_are_those_of_the_pool():
    pool = make_pool("output", graphs=[read_graph(build_graph(n_features=1))])
    request = await Requests(pool, Settings()).make(FIRST)
    assert request.evidence is pool.known[FIRST]
    assert request.route is pool.routes[FIRST]
    assert request.logit_edges == pool.logit_edges(FIRST) != ()
    nodes = pool.graphs[0].nodes_of(FIRST)
    assert request.activations == tuple(node.activation for node in nodes) != ()
    assert request.context is None


async def test_context_tells_where_the_feature_fires_in_the_prompt():
    pool = make_pool("cross")
    context = await describe(pool)
    graph = pool.graphs[0]
    assert context.tokens == graph.prompt_tokens
    assert context.positions == tuple(sorted({n.ctx_idx for n in graph.nodes_of(FIRST)}))
    assert context.neighbours == ()


async def test_neighbours_of_tier_1_are_told_by_name_strongest_first(labeler: FakeLabeler):
    pool = make_pool("cross", "input", "output", "input", graphs=[tie(0.1, -0.7, 0.3)])
    told = (await describe(pool)).neighbours
    assert told == tuple(f"feature {OTHERS[i]}" for i in (1, 2, 0))
    assert all(request.context is None for request in labeler.asked)


async def test_neighbours_that_only_a_model_can_name_are_not_told(labeler: FakeLabeler):
    pool = make_pool("cross", "cross", "obscure", "input", graphs=[tie(0.9, 0.8, 0.3)])
    assert (await describe(pool)).neighbours == (f"feature {OTHERS[2]}",)


async def test_what_a_person_wrote_stands_before_what_a_labeler_says(labeler: FakeLabeler):
    graph = tie(0.9, 0.8, clerps={1: "my Texas", 2: "my capital"})
    pool = make_pool("cross", "input", "cross", graphs=[graph])
    assert (await describe(pool)).neighbours == ("my Texas", "my capital")
    assert labeler.asked == []


async def test_neighbours_without_a_name_are_left_out(labeler: FakeLabeler):
    labeler.breaks, labeler.abstains = [OTHERS[0]], [OTHERS[1]]
    pool = make_pool("cross", "input", "input", "input", graphs=[tie(0.9, 0.8, 0.3)])
    assert (await describe(pool)).neighbours == (f"feature {OTHERS[2]}",)


async def test_artefacts_have_no_name(labeler: FakeLabeler):
    pool = make_pool("cross", "artefact", graphs=[tie(0.9)])
    assert (await describe(pool)).neighbours == ()


async def test_equal_names_are_told_once_and_not_too_many():
    graph = tie(*(0.9 - 0.1 * i for i in range(7)), clerps=dict.fromkeys((1, 2), "one"))
    graph = tie(
        *(0.9 - 0.1 * i for i in range(7)),
        clerps={1: "one", 2: "one"} | {i: f"another {i}" for i in range(3, 8)},
    )
    known: list[Role] = ["input"] * 7
    pool = make_pool("cross", *known, graphs=[graph])
    told = (await describe(pool)).neighbours
    assert told == ("one", *(f"another {i}" for i in range(3, 3 + MAX_NEIGHBOURS - 1)))


async def test_the_first_graph_that_has_the_feature_is_described(labeler: FakeLabeler):
    without = build_graph(n_features=3)
    without["nodes"] = without["nodes"][1:]
    without["links"] = []
    without["metadata"]["slug"] = "without"
    first, second = tie(0.9, 0.1), tie(0.1, 0.9)
    pool = make_pool("cross", "input", "input", graphs=[read_graph(without), second, first])
    assert (await describe(pool)).neighbours[0] == f"feature {OTHERS[1]}"


async def test_a_name_is_asked_for_once(labeler: FakeLabeler):
    pool = make_pool("cross", "input", graphs=[tie(0.9)])
    requests = Requests(pool, IN_GRAPH)
    assert await requests.make(FIRST) == await requests.make(FIRST)
    assert len(labeler.asked) == 1
