"""The printed table of a bundled graph: its picture, and whether its figures are right."""

import json
import re
import runpy
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

import clerp
from clerp.labeled import LabeledGraph

pytestmark = pytest.mark.slow

GRAPHS = Path(__file__).parents[2] / "graphs"
FRANCE = GRAPHS / "smollm2-135m" / "capital-of-france.json"
PICTURE = GRAPHS / "capital-of-france.svg"
FEATURE = "cross layer transcoder"


@pytest.fixture(scope="module")
def labeled() -> LabeledGraph:
    return clerp.label(FRANCE, ledger=":memory:")


def test_the_picture_shows_what_is_printed(
    labeled: LabeledGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    drawn = runpy.run_path(str(GRAPHS / "draw_table.py"))["draw_table"](labeled)
    assert drawn.encode() == PICTURE.read_bytes(), "run: python graphs/draw_table.py"


def test_the_picture_fetches_nothing() -> None:
    drawn = PICTURE.read_text(encoding="utf-8")
    assert re.findall(r"https?://[^\"']*", drawn) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"@font-face|@import|<script|<image|href=", drawn)


def test_the_summary_agrees_with_the_cumulative_influence_in_the_file(
    labeled: LabeledGraph,
) -> None:
    original: list[dict[str, Any]] = json.loads(FRANCE.read_text())["nodes"]
    written = json.loads(json.dumps(labeled.document))["nodes"]
    ranked = sorted((n["influence"], i) for i, n in enumerate(original) if n.get("influence"))
    assert len({value for value, _ in ranked}) == len(ranked)
    share: dict[int, float] = {}
    before = 0.0
    for value, place in ranked:
        share[place] = (value - before) / ranked[-1][0]
        before = value

    routed: defaultdict[int, float] = defaultdict(float)
    named: defaultdict[int, float] = defaultdict(float)
    kinds: defaultdict[str, float] = defaultdict(float)
    features: dict[str, tuple[int, str]] = {}
    for place, node in enumerate(written):
        kinds[node["feature_type"]] += share.get(place, 0.0)
        if node["feature_type"] == FEATURE:
            routed[node["clerp_tier"]] += share.get(place, 0.0)
            named[node["clerp_tier"]] += share.get(place, 0.0) if node["clerp"] else 0.0
            features[node["node_id"].rpartition("_")[0]] = (
                node["clerp_tier"],
                node["clerp_status"],
            )

    summary = labeled.summary
    assert sum(kinds.values()) == pytest.approx(1)
    for tier in (1, 2, 3):
        assert summary.routed[tier].share == pytest.approx(routed[tier])
        assert summary.labeled[tier].share == pytest.approx(named[tier])
        assert summary.routed[tier].features == sum(t == tier for t, _ in features.values())
    statuses = Counter(status for _, status in features.values())
    assert {s: c.features for s, c in summary.by_status.items() if c.features} == statuses
    assert summary.everything.share == pytest.approx(kinds[FEATURE])
    assert summary.error_share == pytest.approx(kinds["mlp reconstruction error"])
    assert summary.embedding_share == pytest.approx(kinds["embedding"])
    assert summary.named.share == pytest.approx(sum(named.values()))
