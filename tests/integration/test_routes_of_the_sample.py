"""The default rule's routes of some bundled features are those that are written down.

`tests/data/routes_of_the_sample.json` holds role and margin of every fourteenth feature of the
sample's graphs. After a change that is meant to move them, write it again from the repository's
folder with `python -m tests.integration.test_routes_of_the_sample`, and say in the commit what
moved and why.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from clerp.embedding import WordLlamaEmbedder
from clerp.evidence.folder import FolderSource
from clerp.feature import FeatureId
from clerp.graph import read_graph
from clerp.router import RULES, Route, route_features

TESTS = Path(__file__).parents[1]
SAMPLE = TESTS.parent / "graphs" / "smollm2-135m"
WRITTEN = TESTS / "data" / "routes_of_the_sample.json"
GRAPHS = ("capital-of-france", "counting-to-six", "east-and-west", "man-in-the-mirror")
STEP = 14
TOLERANCE = 0.002
"""Of margins, whose last digits depend on the processor."""


def choose_features() -> list[FeatureId]:
    """Choose features of all layers."""
    graphs = [read_graph(SAMPLE / f"{name}.json") for name in GRAPHS]
    return sorted({feature for graph in graphs for feature in graph.features})[::STEP]


def route_sample() -> list[Route]:
    known = FolderSource(str(SAMPLE / "features")).read(choose_features())
    embedder = WordLlamaEmbedder()
    return list(route_features(known, rule=RULES["calibrated"], windows=(), embedder=embedder))


def tell(route: Route) -> dict[str, Any]:
    return {"role": route.role, "margin": route.margin}


@pytest.fixture(scope="module")
def routes() -> dict[str, dict[str, Any]]:
    return {str(route.feature): tell(route) for route in route_sample()}


@pytest.fixture(scope="module")
def written() -> dict[str, dict[str, Any]]:
    return json.loads(WRITTEN.read_text("utf-8"))


def test_roles_and_margins_are_those_written_down(
    routes: dict[str, dict[str, Any]], written: dict[str, dict[str, Any]]
):
    close = {
        feature: told | {"margin": told["margin"] and pytest.approx(told["margin"], abs=TOLERANCE)}
        for feature, told in written.items()
    }

    assert routes == close


def test_what_is_written_down_is_of_all_roles_and_layers_and_not_near_a_tie(
    written: dict[str, dict[str, Any]],
):
    roles = [told["role"] for told in written.values()]
    margins = [told["margin"] for told in written.values() if told["margin"] is not None]

    assert len(roles) >= 50
    assert {"input", "output", "cross", "obscure"} <= set(roles)
    assert len({FeatureId.parse(feature).layer for feature in written}) >= 25
    assert min(margins) > TOLERANCE


def main() -> None:
    told = {str(route.feature): tell(route) for route in route_sample()}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(each)}" for name, each in told.items())
    WRITTEN.write_text(f"{{\n{lines}\n}}\n", "utf-8")


if __name__ == "__main__":
    main()
