from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.pools import FEATURES, make_pool, make_texts
from tests.tiny_graph import write_graph
from tests.unit.graph.conftest import build_graph

from clerp.config import Settings
from clerp.errors import EvidenceError, GraphError, PluginError, UsageError
from clerp.evidence import EvidenceGap
from clerp.feature import FeatureId
from clerp.graph import read_graph
from clerp.pool import Pool, read_pools
from clerp.progress import Progress, ignore_progress
from clerp.router import Role
from clerp.testing import make_evidence

Answer = Callable[[FeatureId], object]


def answer_all(feature: FeatureId) -> object:
    return make_evidence(make_texts(), feature=feature)


@dataclass
class FakeSource:
    """Answers by a function, and keeps what it was asked."""

    answer: Callable[[list[FeatureId]], Iterable[object]]
    name: str = "fake"
    asked: list[list[FeatureId]] = field(default_factory=list)

    def read(self, features: Iterable[FeatureId]) -> Iterator[Any]:
        self.asked.append(list(features))
        yield from self.answer(self.asked[-1])


class FakeEmbedder:
    """Gives every text a direction of its own length."""

    name = "fake"

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[len(text), 1] for text in texts], dtype=np.float32)


class Plugins:
    """Stands for the installed plugins; notes which sources are asked for."""

    def __init__(self) -> None:
        self.source = FakeSource(lambda features: map(answer_all, features))
        self.named: list[str] = []

    def find(self, kind: str, name: str) -> Any:
        if kind == "embedders":
            return FakeEmbedder()
        self.named.append(name)
        return self.source


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Plugins:
    made = Plugins()
    monkeypatch.setattr("clerp.pool.find", made.find)
    monkeypatch.setattr("clerp.sourcing.find", made.find)
    return made


def read(*graphs: Any, report: Callable[[Progress], None] = ignore_progress, **given: Any):
    settings = Settings(**{"features": "examples", "rule": "protocol", **given})
    return read_pools(graphs, settings, report)


def list_places(pools: Sequence[Pool]) -> list[tuple[int, ...]]:
    return [pool.places for pool in pools]


def build(scan: str = "owner/transcoders", **given: int) -> dict[str, Any]:
    document = build_graph(**given)
    document["metadata"]["scan"] = scan
    return document


def test_graphs_of_one_scan_and_one_source_share_their_features(plugins: Plugins):
    (pool,) = read(build(n_features=2), build(n_features=3))
    assert pool.places == (0, 1)
    assert [len(graph.features) for graph in pool.graphs] == [2, 3]
    assert plugins.source.asked == [list(FEATURES[:3])]
    assert list(pool.routes) == list(pool.known) == list(FEATURES[:3])


@pytest.mark.parametrize(
    "other", ["owner/others", "owner/transcoders@v2", "other/transcoders", "/local/transcoders", ""]
)
def test_features_of_two_scans_are_never_one(plugins: Plugins, other: str):
    assert list_places(read(build(), build(other))) == [(0,), (1,)]
    assert len(plugins.source.asked) == 2


def test_two_revisions_are_two_sets(plugins: Plugins):
    pools = read(build("o/t@v1"), build("o/t@v2"), build("o/t@v1"))
    assert list_places(pools) == [(0, 2), (1,)]


def test_pools_come_in_the_order_of_their_first_graph(plugins: Plugins):
    pools = read(build("o/b"), build("o/a"), build("o/a"), build("o/b"))
    assert list_places(pools) == [(0, 3), (1, 2)]
    assert [pool.graphs[0].scan for pool in pools] == ["o/b", "o/a"]


def test_features_beside_each_graph_are_sources_of_their_own(plugins: Plugins, tmp_path: Path):
    paths = [tmp_path / name / "graph.json" for name in ("a", "b")]
    for path in paths:
        (path.parent / "features").mkdir(parents=True)
        write_graph(path, build())
    assert list_places(read(*paths, features=None)) == [(0,), (1,)]
    assert plugins.named == [f"folder:{path.parent / 'features'}" for path in paths]
    assert list_places(read(*paths, features="one folder")) == [(0, 1)]


def test_one_folder_is_one_source_whatever_path_leads_to_it(
    plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "real" / "features").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path / "real")
    path = write_graph(tmp_path / "real" / "graph.json", build())
    given = ["graph.json", Path("graph.json"), path, tmp_path / "link" / "graph.json"]
    assert list_places(read(*given, features=None)) == [(0, 1, 2, 3)]
    assert plugins.named == ["folder:features"]


@pytest.mark.parametrize(
    ("features", "named"),
    [
        ("a/folder", "folder:a/folder"),
        ("folder:a", "folder:a"),
        ("C:/folder", "folder:C:/folder"),
        ("folder", "folder:folder"),
    ],
)
def test_a_source_is_a_plugin_only_where_one_has_that_name(
    plugins: Plugins, features: str, named: str
):
    read(build(), features=features)
    assert plugins.named == [named]


def test_without_evidence_it_is_said_where_it_was_looked_for(plugins: Plugins, tmp_path: Path):
    path = write_graph(tmp_path / "graph.json", build("custom-1"))
    with pytest.raises(EvidenceError, match="no activation examples found") as raised:
        read(path, features=None)
    assert raised.value.where == str(path)
    assert f"Tried {tmp_path / 'features'}." in raised.value.remedy
    with pytest.raises(EvidenceError) as raised:
        read(build("custom-1"), features=None)
    assert raised.value.where == "small"
    assert "--features FOLDER" in raised.value.remedy


@pytest.mark.parametrize(
    ("graph", "given", "fault"),
    [
        (build(), {"rule": "x"}, UsageError),
        (build(), {"windows": "x"}, UsageError),
        (build(), {"max_graph_bytes": 10}, GraphError),
        ({"nodes": []}, {}, GraphError),
    ],
    ids=["rule", "windows", "cap", "graph"],
)
def test_no_source_is_asked_before_all_else_is_right(
    plugins: Plugins, graph: dict[str, Any], given: dict[str, Any], fault: type[Exception]
):
    with pytest.raises(fault):
        read(build(), graph, **given)
    assert plugins.named == []


def reply(answer: Answer, *, upset: Callable[[list[object]], list[object]]) -> Any:
    return lambda features: upset([answer(feature) for feature in features])


@pytest.mark.parametrize(
    ("upset", "said"),
    [
        (lambda items: items[:-1], "answered nothing when asked for 2_12"),
        (lambda _: [], "answered nothing when asked for 0_10"),
        (lambda items: [*items, items[-1]], "answered more than the 3 features asked for"),
        (lambda items: items[::-1], "answered 2_12 when asked for 0_10"),
        (lambda items: [items[0], *items[:-1]], "answered 0_10 when asked for 1_11"),
        (lambda items: [None, *items[1:]], "answered nothing when asked for 0_10"),
        (lambda items: ["text", *items[1:]], "answered str when asked for 0_10"),
    ],
    ids=["too few", "none", "too many", "reversed", "repeated", "None", "text"],
)
def test_a_source_that_breaks_its_contract_is_named(plugins: Plugins, upset: Any, said: str):
    plugins.source.answer = reply(answer_all, upset=upset)
    with pytest.raises(PluginError) as raised:
        read(build())
    assert raised.value.what == f"the source 'fake' {said}"
    assert "check_source" in raised.value.remedy


def test_a_source_without_end_is_not_read_to_its_end(plugins: Plugins):
    def answer(features: list[FeatureId]) -> Iterator[object]:
        yield from map(answer_all, features)
        while True:
            yield answer_all(features[0])

    plugins.source.answer = answer
    with pytest.raises(PluginError, match="more than the 3"):
        read(build())


def test_a_fault_inside_a_source_is_not_taken_for_a_miscount(plugins: Plugins):
    def answer(features: list[FeatureId]) -> Iterator[object]:
        yield answer_all(features[0])
        raise ValueError("the source's own")

    plugins.source.answer = answer
    with pytest.raises(ValueError, match="the source's own"):
        read(build())


def test_a_gap_is_kept_and_has_a_route(plugins: Plugins):
    gap = EvidenceGap(FEATURES[1], "lost")
    plugins.source.answer = lambda features: [
        gap if feature == gap.feature else answer_all(feature) for feature in features
    ]
    (pool,) = read(build())
    assert pool.known[gap.feature] == gap
    assert pool.routes[gap.feature].reason == "no evidence: lost"
    assert list(pool.routes) == list(pool.known) == list(FEATURES[:3])


def test_every_stage_tells_its_beginning_and_its_end(plugins: Plugins):
    told: list[Progress] = []
    read(build(n_features=2), build("o/b", n_features=3), report=told.append)
    assert [(p.stage, p.done, p.total) for p in told] == [
        *(("read", done, 2) for done in range(3)),
        *(("evidence", done, 2) for done in range(3)),
        *(("score", done, 2) for done in (0, 2)),
        *(("evidence", done, 3) for done in range(4)),
        *(("score", done, 3) for done in (0, 3)),
    ]


def test_no_graph_is_no_pool(plugins: Plugins):
    assert read() == []


def test_a_node_has_a_place_where_evidence_and_activation_are_known():
    document = build_graph()
    for node, activation in zip(document["nodes"][:3], (0.33333, None, 0.5), strict=True):
        node["activation"] = activation
    graph = read_graph(document)
    gap = EvidenceGap(FEATURES[2], "lost")
    pool = make_pool("input", "input", "input", graphs=[graph], known={FEATURES[2]: gap})
    assert [pool.place(node) for node in graph.feature_nodes] == [33.3, None, None]


def weigh(*weights: tuple[float, float], slug: str = "small") -> Any:
    """A graph whose first feature has these edges to its two logits."""
    document = build_graph()
    document["metadata"]["slug"] = slug
    document["links"] = [
        {"source": "0_10_1", "target": f"27_{logit}_1", "weight": weight}
        for pair in weights
        for logit, weight in enumerate(pair)
    ]
    return read_graph(document)


def list_weights(*graphs: Any) -> list[tuple[str, float]]:
    pool = make_pool("output", "output", "output", graphs=graphs)
    return [(edge.token, edge.weight) for edge in pool.logit_edges(FEATURES[0])]


def test_edges_of_all_graphs_come_strongest_first():
    one, other = weigh((0.5, -2.0)), weigh((-1.0, 0.25))
    expected = [(" word1", -2.0), (" word0", -1.0), (" word0", 0.5), (" word1", 0.25)]
    assert list_weights(one, other) == list_weights(other, one) == expected


def test_equal_edges_come_in_one_order():
    one, other = weigh((1.0, 1.0)), weigh((-1.0, 1.0))
    expected = [(" word0", -1.0), (" word0", 1.0), (" word1", 1.0), (" word1", 1.0)]
    assert list_weights(one, other) == list_weights(other, one) == expected


def test_a_graph_that_is_given_twice_has_its_edges_once():
    one, copy = weigh((0.5, -2.0)), weigh((0.5, -2.0), slug="copy")
    assert list_weights(one, copy) == list_weights(one)


def test_a_feature_without_edges_has_none():
    pool = make_pool("output", "output", "output", graphs=[weigh((1.0, 1.0))])
    assert pool.logit_edges(FEATURES[1]) == ()


@pytest.mark.parametrize(
    ("factors", "noted"),
    [((0.9,) * 8, 0), ((1.1,) * 8, 0), ((3.0, *(0.5,) * 7), 1), ((3.0,) * 8, 8)],
)
def test_nodes_above_all_that_is_known_of_their_features_are_noted(
    factors: Sequence[float], noted: int
):
    document = build_graph(n_features=8)
    roles: list[Role] = ["input"] * 8
    pool = make_pool(*roles)
    for node, feature, factor in zip(document["nodes"], FEATURES, factors, strict=False):
        evidence = pool.known[feature]
        assert not isinstance(evidence, EvidenceGap)
        node["activation"] = factor * evidence.act_max
    notes = pool.note_excess(read_graph(document))
    assert [note.split(" feature")[0] for note in notes] == ([f"{noted} of 8"] if noted else [])


def test_without_activations_or_evidence_nothing_is_noted():
    document = build_graph(n_features=2)
    for node in document["nodes"]:
        node.pop("activation", None)
    gap = EvidenceGap(FEATURES[0], "none")
    pool = make_pool("input", "input", known={FEATURES[0]: gap})
    assert pool.note_excess(read_graph(document)) == ()
