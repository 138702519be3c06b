import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.tiny_graph import FEATURES, build_records, build_tiny_graph

from clerp.config import resolve_settings
from clerp.errors import EvidenceError
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.frontend.examples import Examples, make_record, open_source
from clerp.graph import AttributionGraph, read_graph
from clerp.testing.builders import make_evidence

TEXTS = [["the", " Texas"], ["in", " Dallas"]]


class OneSource:
    """Knows one feature."""

    name = "one"

    def __init__(self, evidence: FeatureEvidence) -> None:
        self._evidence = evidence

    def read(self, features: Iterable[FeatureId]) -> Iterator[FeatureEvidence | EvidenceGap]:
        for feature in features:
            known = feature == self._evidence.feature
            yield self._evidence if known else EvidenceGap(feature, "no record in features/")


@pytest.fixture
def graph() -> AttributionGraph:
    document = build_tiny_graph()
    for node, feature in zip(document["nodes"], FEATURES, strict=False):
        node["feature"] = feature.cantor
    return read_graph(document)


def open_beside(graph_path: Path, **given: Any) -> Any:
    settings = resolve_settings(given, environment={}, folder=graph_path.parent).settings
    return open_source(graph_path, read_graph(graph_path), settings)


def test_a_record_has_the_form_that_the_page_reads():
    evidence = make_evidence(
        TEXTS, lower=[["far", " away"]], promoted=[" Austin"], suppressed=["x"], feature=FEATURES[0]
    )
    record = json.loads(json.dumps(make_record(evidence)))
    top, lower = record["examples_quantiles"]
    assert top["quantile_name"] == "Top activations"
    assert [example["tokens"] for example in top["examples"]] == TEXTS
    assert lower["quantile_name"] == "Lower activations, quantile 1"
    assert top["examples"][0]["train_token_ind"] == 1
    assert top["examples"][0]["tokens_acts_list"][0] == 0
    assert top["examples"][0]["tokens_acts_list"][1] > 0
    assert (record["top_logits"], record["bottom_logits"]) == ([" Austin"], ["x"])
    assert record["act_max"] >= record["act_min"]
    assert ("activation_frequency" in record) is (evidence.density is not None)
    assert ("histogram" in record) is bool(evidence.histogram)


def test_a_feature_is_asked_for_by_the_number_of_the_page(graph: AttributionGraph):
    evidence = make_evidence(TEXTS, feature=FEATURES[2])
    record = Examples(graph, OneSource(evidence)).read(str(FEATURES[2].cantor))
    assert record == make_record(evidence)


def test_a_feature_of_which_nothing_is_known_says_why(graph: AttributionGraph):
    evidence = make_evidence(TEXTS, feature=FEATURES[2])
    record = Examples(graph, OneSource(evidence)).read(str(FEATURES[1].cantor))
    assert "No activation examples: no record in features/" in json.dumps(record)
    record = Examples(graph, None).read(str(FEATURES[1].cantor))
    assert "--features" in json.dumps(record)


@pytest.mark.parametrize(
    "number", ["", "-1", "1.5", "999999", "9" * 5000, "٣", "0x10", "../2", "1e3", " 1"]
)
def test_only_features_of_the_graph_are_answered_for(graph: AttributionGraph, number: str):
    assert Examples(graph, None).read(number) is None


def write_graph(folder: Path) -> Path:
    path = folder / "graph.json"
    path.write_text(json.dumps(build_tiny_graph()))
    return path


def test_records_beside_the_graph_are_found(tmp_path: Path):
    path = write_graph(tmp_path)
    assert open_beside(path) is None
    (tmp_path / "features").mkdir()
    for feature, record in build_records().items():
        (tmp_path / "features" / f"{feature.cantor}.json").write_text(json.dumps(record))
    source = open_beside(path)
    (known,) = source.read([FEATURES[0]])
    assert isinstance(known, FeatureEvidence)


def test_no_server_is_asked_where_nobody_named_one(tmp_path: Path):
    document = build_tiny_graph()
    document["metadata"]["scan"] = "mntss/clt-gemma-2-2b-2.5M"
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(document))
    assert open_beside(path) is None


def test_a_source_that_was_asked_for_and_is_not_there_is_an_error(tmp_path: Path):
    with pytest.raises(EvidenceError):
        open_beside(write_graph(tmp_path), features=str(tmp_path / "none"))
