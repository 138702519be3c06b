from dataclasses import replace

from tests.unit.report.html.labelled_graphs import Named, make_recorded

from clerp.evidence import FeatureEvidence
from clerp.report.html.distinct import DistinctFeature, list_distinct
from clerp.report.html.examples import draw_examples
from clerp.testing import make_evidence

TOP = [[" a", f" top{i}", " <b>"] for i in range(5)]
LOWER = [[" a", f" low{i}", " b"] for i in range(5)]


def make(evidence: FeatureEvidence | None, activation: float | None) -> DistinctFeature:
    feature = list_distinct([make_recorded([Named(0, 1)])])[0]
    nodes = tuple(replace(node, activation=activation) for node in feature.nodes)
    return replace(feature, evidence=evidence, nodes=nodes)


def read(feature: DistinctFeature) -> list[tuple[str, bool]]:
    return [(line.id, line.is_near) for line in draw_examples(feature)]


def test_the_last_example_fires_as_strongly_as_the_feature_does_in_the_graph():
    evidence = make_evidence(TOP, lower=LOWER)
    assert read(make(evidence, 0.1)) == [("0.0", False), ("0.1", False), ("1.4", True)]


def test_a_feature_that_fires_like_its_top_examples_shows_these():
    evidence = make_evidence(TOP, lower=LOWER)
    assert read(make(evidence, 2.0)) == [("0.0", False), ("0.1", False), ("0.2", False)]
    assert read(make(evidence, None)) == [("0.0", False), ("0.1", False), ("0.2", False)]


def test_without_evidence_there_are_none():
    assert read(make(None, 1.0)) == []


def test_examples_are_cut_around_the_peak_and_escaped():
    text = [f" w{i}" for i in range(100)]
    text[50] = " <b>"
    line = draw_examples(make(make_evidence([text], peak=50), None))[0]
    assert line.after.startswith('<mark class="h11" title="1"> &lt;b&gt;</mark> w51')
    assert line.before.split()[0] == "w36"
    assert line.after.split()[-1] == "w62"


def test_a_token_of_any_length_takes_little_room():
    line = draw_examples(make(make_evidence([["a", "b" * 100_000]]), None))[0]
    assert len(line.after) < 200
