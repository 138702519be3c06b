import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.outcomes import make_label, make_named, make_unnamed
from tests.pools import FEATURES, make_pool, make_texts
from tests.unit.graph.conftest import build_graph
from tests.verbalizations import make_verbalization

from clerp.config import OF_NLA, RECORDED, Settings
from clerp.graph import read_graph
from clerp.outcome import LabeledFeature
from clerp.pool import Pool
from clerp.provenance import describe_run
from clerp.router import name_null
from clerp.testing import make_evidence

FIRST, SECOND = FEATURES[:2]
SETTINGS = Settings()


def make_features() -> list[LabeledFeature]:
    return [make_named(FIRST), make_unnamed(SECOND)]


def describe(pool: Pool | None = None, settings: Settings = SETTINGS, **given: Any) -> Any:
    pool = pool or make_pool("input", "obscure")
    graph = given.get("graph", pool.graphs[0])
    return describe_run(pool, graph, given.get("features", make_features()), settings)


def run_id(*args: Any, **given: Any) -> str:
    return describe(*args, **given)["run_id"]


def change_graph(change: Mapping[str, object]) -> Pool:
    document = build_graph(n_features=2)
    document["metadata"].update(change)
    return make_pool("input", "obscure", graphs=[read_graph(document)])


def test_the_same_run_has_the_same_record():
    assert json.dumps(describe()) == json.dumps(describe())


@pytest.mark.parametrize(
    "settings",
    [
        Settings(features="/home/ada/secret-folder"),
        Settings(ledger="postgresql://ada:s3cret@db.example/secret-place"),
        Settings(concurrency=31),
        Settings(max_graph_bytes=4_242_424_242),
        Settings(features="secret-folder", ledger="/home/ada/secret-place", concurrency=31),
    ],
)
def test_no_path_ledger_or_machine_is_in_the_record(settings: Settings):
    described = describe(settings=settings)
    assert described == describe()
    written = json.dumps(described)
    for private in ("ada", "secret", "s3cret", "4242424242"):
        assert private not in written


def test_what_decides_labels_is_in_the_record():
    record = describe()
    assert set(record["configuration"]) == {*RECORDED}.difference(OF_NLA)
    assert (record["configuration"]["alpha"], record["configuration"]["threshold"]) == (0.05, None)
    assert list(record)[:3] == ["schema_version", "clerp_version", "run_id"]
    assert record["embedder"].startswith("wordllama:")


def test_what_is_the_rules_own_is_the_same_run():
    assert describe(settings=Settings(alpha=0.05)) == describe()
    protocol = describe(settings=Settings(rule="protocol"))
    assert describe(settings=Settings(rule="protocol", threshold=0.025)) == protocol
    configuration = protocol["configuration"]
    assert (configuration["alpha"], configuration["threshold"]) == (None, 0.025)


def test_models_are_on_record_without_the_place_of_their_server():
    at = "@http://10.0.0.1:8000/v1"
    given = Settings(llm=f"http:a@b{at}", refine=f"http:c{at}", fallback_model="openai/d")
    record = describe(settings=given)
    names = {name: record["configuration"][name] for name in ("llm", "refine", "fallback_model")}
    assert names == {"llm": "http:a@b", "refine": "http:c", "fallback_model": "openai/d"}
    assert "10.0.0.1" not in json.dumps(record)


def test_an_nla_is_on_record_where_one_was_asked_and_without_its_place(tmp_path: Path):
    pair = tmp_path / "ada" / "small-pair"
    pair.mkdir(parents=True)
    record = describe(settings=Settings(nla=str(pair)))
    names = {name: record["configuration"][name] for name in OF_NLA}
    assert names == {
        "nla": "nla:small-pair",
        "nla_model": None,
        "nla_examples": 5,
        "nla_samples": 4,
    }
    assert str(tmp_path) not in json.dumps(record)
    assert set(describe()["configuration"]).isdisjoint(OF_NLA)
    # Beside no NLA, what it would have been asked decides nothing.
    assert describe(settings=Settings(nla_samples=2)) == describe()


def test_what_an_nla_said_is_in_the_record_of_its_feature_alone():
    said = make_verbalization(FIRST)
    features = [make_unnamed(FIRST, verbalization=said), make_unnamed(SECOND)]
    record = describe(features=features)["features"]
    assert record["0_10"]["verbalization"] == said.to_record()
    assert record["0_10"]["verbalization"]["experimental"] is True
    assert (record["0_10"]["clerp"], record["0_10"]["label"]) == ("", "")
    assert "verbalization" not in record["1_11"]


def test_what_a_model_made_of_what_an_nla_said_is_among_the_costs():
    paid = {"model": "m", "cost_usd": 0.5, "prompt_tokens": 6, "completion_tokens": 4, "calls": 1}
    said = make_verbalization(FIRST, method="baez", details=paid)
    record = describe(features=[make_unnamed(FIRST, verbalization=said)])
    assert record["costs"] == [{"tier": 3, "method": "baez", **paid}]


def test_what_answers_cost_is_in_the_record_by_tier_model_and_method():
    paid = {"model": "m", "cost_usd": 0.5, "prompt_tokens": 6, "completion_tokens": 4, "calls": 2}
    asked = replace(make_named(SECOND), method="acts-top20", details=paid)
    record = describe(features=[make_named(FIRST), asked])
    assert record["costs"] == [{"tier": 1, "method": "acts-top20", **paid}]
    assert describe()["costs"] == []


def test_whose_ordinary_text_it_was_is_in_the_record_and_where_it_lies_is_not(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("clerp.provenance.name_null", lambda *_: {"text": "own@0"})
    other = describe(settings=Settings(null="/home/ada/own"))

    assert describe()["null_source"] == "shipped"
    assert other["null_source"] == "folder"
    assert "ada" not in json.dumps(other)
    assert describe(settings=Settings(rule="protocol"))["null_source"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"llm": "m"},
        {"llm_all": True},
        {"method": "acts-top20"},
        {"context": "graph"},
        {"refine": "m"},
        {"fallback_model": "m"},
        {"nla": "nla:org/pair"},
        {"nla": "nla:org/pair", "nla_model": "org/model"},
        {"nla": "nla:org/pair", "nla_examples": 3},
        {"nla": "nla:org/pair", "nla_samples": 3},
        {"labeler": "other"},
        {"rule": "protocol"},
        {"alpha": 0.2},
        {"rule": "protocol", "threshold": 0.2},
        {"windows": "input=0:0,output=1:1,cross=-2:2"},
        {"existing": "keep"},
        {"show_hints": True},
        {"style": "bracket"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_setting_that_decides_labels_makes_another_run(change: dict[str, Any]):
    assert set(change) <= set(RECORDED)
    assert run_id(settings=Settings(**change)) != run_id()


def test_the_settings_tried_are_all_that_decide():
    (mark,) = (
        mark
        for mark in test_every_setting_that_decides_labels_makes_another_run.pytestmark  # type: ignore[attr-defined]
        if mark.name == "parametrize"
    )
    assert {name for change in mark.args[1] for name in change} == set(RECORDED)


def test_another_embedder_is_another_run(monkeypatch: pytest.MonkeyPatch):
    before = run_id()

    class Other:
        name = "other@2"

    monkeypatch.setattr("clerp.provenance.find", lambda *_: Other())
    assert describe()["embedder"] == "other@2"
    assert run_id() != before


def test_another_graph_is_another_run_and_another_name_is_not():
    assert run_id(change_graph({"prompt_tokens": ["<bos>", "Austin"]})) != run_id()
    assert run_id(change_graph({"scan": "owner/others"})) != run_id()
    assert run_id(change_graph({"slug": "renamed", "generation_settings": {}})) == run_id()


def test_graphs_that_shared_their_features_belong_to_the_run():
    graph, other = (read_graph(build_graph(n_features=n)) for n in (2, 3))
    together = make_pool("input", "obscure", graphs=[graph, other])
    backwards = make_pool("input", "obscure", graphs=[other, graph])
    assert run_id(together, graph=graph) == run_id(backwards, graph=graph)
    assert run_id(together, graph=graph) != run_id(together, graph=other)
    assert run_id(together, graph=graph) != run_id(make_pool("input", "obscure", graphs=[graph]))
    assert describe(together)["graphs"] == sorted([graph.digest, other.digest])


def test_a_graph_given_twice_is_the_same_run():
    graph = read_graph(build_graph(n_features=2))
    assert run_id(make_pool("input", "obscure", graphs=[graph, graph])) == run_id()


def test_other_evidence_is_another_run():
    features = make_features()
    changed = [replace(features[0], evidence_digest="e" * 64), features[1]]
    assert run_id(features=changed) != run_id()


def test_the_text_that_evidence_was_compared_with_is_named_by_digests():
    null = describe()["null"]
    assert null == name_null()
    assert list(null) == ["passages", "text", "rule"]
    assert all(re.fullmatch(r".+@[0-9a-f]{12}", name) for name in null.values())


@pytest.mark.parametrize("part", ["passages", "text", "rule"])
def test_what_evidence_was_compared_with_belongs_to_the_run(
    monkeypatch: pytest.MonkeyPatch, part: str
):
    before, raw = run_id(), Settings(rule="protocol")
    raw_before = run_id(settings=raw)
    changed = name_null() | {part: "other@0"}
    monkeypatch.setattr("clerp.provenance.name_null", lambda *_: changed)
    assert describe()["null"] == changed
    assert run_id() != before
    # The protocol compares with nothing.
    assert describe(settings=raw)["null"] is None
    assert run_id(settings=raw) == raw_before


def test_evidence_of_features_that_are_not_in_the_graph_is_no_part_of_the_run():
    other = make_evidence(make_texts(" Ohio"), feature=FEATURES[2])
    assert describe(make_pool("input", "obscure", known={FEATURES[2]: other})) == describe()


def test_another_outcome_is_another_run():
    relabelled = [make_named(FIRST, make_label("Ohio")), make_unnamed(SECOND)]
    assert run_id(features=relabelled) != run_id()


def test_a_feature_with_a_label_is_described_with_what_it_rests_on():
    noted = replace(make_named(FIRST), notes=("mind this",))
    record = describe(features=[noted], settings=Settings(style="paren"))["features"]
    assert list(record) == ["0_10"]
    described = record["0_10"]
    assert (described["clerp"], described["label"]) == ("(Texas)", "Texas")
    assert (described["status"], described["method"]) == ("labeled", "token-frequency")
    assert (described["role"], described["tier"], described["confidence"]) == ("input", 1, "high")
    assert described["scores"]["input"]["z"] == 8.25
    assert described["evidence"] == ["0.0", "0.1"]
    assert described["details"] == {"rule": "one word"}
    assert described["notes"] == ["mind this"]
    assert described["route_reason"] == noted.route.reason != described["reason"]


@pytest.mark.parametrize("show_hints", [True, False])
def test_a_feature_without_a_label_has_no_text_but_the_hint_that_was_asked_for(show_hints: bool):
    settings = Settings(show_hints=show_hints)
    record = describe(features=[make_unnamed(FIRST)], settings=settings)["features"]
    described = record["0_10"]
    assert described["clerp"] == ("? of, the | comma | Austin" if show_hints else "")
    assert (described["label"], described["evidence"], described["method"]) == ("", [], "")
    assert described["confidence"] == make_unnamed(FIRST).route.confidence
