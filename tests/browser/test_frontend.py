"""What clerp writes, as circuit-tracer's own page shows it in a browser."""

from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from tests.browser.frontend import Frontend, Visit
from tests.browser.sample import HOSTILE_ANSWER, Node, Sample, copy_without_record

from clerp.labels import clean_label

HUGGINGFACE = "https://huggingface.co"
REPOSITORY = "clerp/example"
ADDRESS_OF_REPOSITORY = f"{HUGGINGFACE}/{REPOSITORY}/resolve/main/features/"
NOT_FEATURES = ("Emb: ", "Err: ", "Output ")


@pytest.fixture
def published(sample: Sample, tmp_path: Path) -> Sample:
    """The labelled graph of a transcoder whose repository is `REPOSITORY`."""
    return sample.move(tmp_path / "published", scan=REPOSITORY)


def find_strongest_logit(sample: Sample) -> str:
    logits = [node for node in sample.document["nodes"] if node["feature_type"] == "logit"]
    return max(logits, key=lambda node: node["token_prob"])["node_id"]


def first_example(sample: Sample, node: Node) -> dict[str, Any]:
    return sample.read_record(node.feature)["examples_quantiles"][0]["examples"][0]


def shows_tokens_as_they_are(sample: Sample, node: Node) -> bool:
    """Say whether the page, which joins escaped bytes, shows the first example token by token."""
    return not any("\\x" in token for token in first_example(sample, node)["tokens"])


def assert_shows(frontend: Frontend, sample: Sample, node: Node) -> None:
    """Assert that the panel is that of a node: its label, its tokens and its examples."""
    record = sample.read_record(node.feature)
    text = "".join(first_example(sample, node)["tokens"])
    expect(frontend.title).to_have_text(f"L{node.feature.layer}/{node.feature.index}")
    expect(frontend.label).to_have_text(node.label)
    expect(frontend.examples.first).to_have_text(text)
    assert frontend.examples.first.text_content() == text
    assert frontend.predictions("Top").all_text_contents() == record["top_logits"]
    assert frontend.predictions("Bottom").all_text_contents() == record["bottom_logits"]
    n_examples = sum(len(quantile["examples"]) for quantile in record["examples_quantiles"])
    expect(frontend.examples).to_have_count(n_examples)


def test_the_features_of_an_answer_are_listed_by_their_labels(visit: Visit, sample: Sample) -> None:
    frontend = visit(sample, {})
    answer = find_strongest_logit(sample)
    frontend.click(answer)
    expect(frontend.rows.first).to_be_visible()
    shown = [row for row in frontend.rows.all_text_contents() if not row.startswith(NOT_FEATURES)]
    assert Counter(shown) == Counter(sample.list_sources(answer))
    assert len(set(shown)) > len(shown) / 4


def test_a_node_under_the_mouse_tells_its_label(visit: Visit, published: Sample) -> None:
    frontend = visit(published, {ADDRESS_OF_REPOSITORY: published.features})
    for node in published.pick(lambda node: bool(node.label)):
        frontend.hover(node.id)
        expect(frontend.tooltip).to_have_text(node.label)
        expect(frontend.label).to_have_text(node.label)


def test_pinned_nodes_are_boxes_with_their_labels(visit: Visit, sample: Sample) -> None:
    nodes = sample.pick(lambda node: bool(node.label))
    frontend = visit(sample, {}, pinnedIds=",".join(node.id for node in nodes))
    expect(frontend.pinned).to_have_count(len(nodes))
    assert sorted(frontend.pinned.all_text_contents()) == sorted(node.label for node in nodes)


@pytest.mark.parametrize(
    ("metadata", "address"),
    [
        ({}, "smollm2-135m-clt/resolve/main/features/"),
        ({"scan": "clerp/example"}, "clerp/example/resolve/main/features/"),
        ({"scan": "clerp/many//a/clt@v1"}, "clerp/many/resolve/v1/a/clt/features/"),
        (
            {"scan": "custom-1", "transcoder_list": ["clerp/a@v1"] * 30},
            "clerp/a/resolve/v1/features/",
        ),
    ],
    ids=["as bundled", "repository", "folder and revision", "list of transcoders"],
)
def test_a_clicked_feature_shows_the_examples_and_tokens_of_its_record(
    visit: Visit, sample: Sample, tmp_path: Path, metadata: dict[str, Any], address: str
) -> None:
    moved = sample.move(tmp_path / "moved", **metadata)
    frontend = visit(moved, {f"{HUGGINGFACE}/{address}": moved.features})
    for node in moved.pick(lambda node: shows_tokens_as_they_are(moved, node)):
        frontend.click(node.id)
        assert_shows(frontend, moved, node)


def test_only_the_records_that_are_looked_at_are_fetched(visit: Visit, published: Sample) -> None:
    frontend = visit(published, {ADDRESS_OF_REPOSITORY: published.features})
    node = published.pick(lambda node: shows_tokens_as_they_are(published, node))[1]
    frontend.click(node.id)
    assert_shows(frontend, published, node)
    assert [name for name, _ in frontend.hub.parts] == [f"layer_{node.feature.layer}.bin"]


def test_heat_follows_the_activations(visit: Visit, published: Sample) -> None:
    frontend = visit(published, {ADDRESS_OF_REPOSITORY: published.features})
    for node in published.pick(lambda node: shows_tokens_as_they_are(published, node)):
        frontend.click(node.id)
        assert_shows(frontend, published, node)
        example = first_example(published, node)
        # The page draws neighbours of equal activation as one span.
        pairs = zip(example["tokens"], example["tokens_acts_list"], strict=True)
        runs = [(a, "".join(t for t, _ in run)) for a, run in groupby(pairs, key=lambda p: p[1])]
        spans = frontend.read_spans(frontend.examples.first)
        assert [span.text for span in spans] == [text for _, text in runs]
        heats = [span.heat for _, span in sorted(zip(runs, spans, strict=True), key=lambda p: p[0])]
        assert heats == sorted(heats)
        assert heats[-1] > 0
        assert all((span.heat > 0) == (a > 0) for (a, _), span in zip(runs, spans, strict=True))


def test_markup_in_an_answer_of_a_model_is_shown_as_text(visit: Visit, published: Sample) -> None:
    label = clean_label(HOSTILE_ANSWER)
    node = next(node for node in published.list_nodes() if node.label == label)
    frontend = visit(published, {ADDRESS_OF_REPOSITORY: published.features}, pinnedIds=node.id)
    frontend.click(node.id)
    expect(frontend.label).to_have_text(label)
    expect(frontend.tooltip).to_have_text(label)
    expect(frontend.tooltip.locator("*")).to_have_count(0)
    expect(frontend.pinned).to_have_text(label)


def test_a_feature_without_a_record_leaves_the_page_in_use(
    visit: Visit, published: Sample, tmp_path: Path
) -> None:
    lacking, other, _ = published.pick(lambda node: shows_tokens_as_they_are(published, node))
    features = copy_without_record(published.features, lacking.feature, tmp_path / "features")
    frontend = visit(published, {ADDRESS_OF_REPOSITORY: features})
    frontend.expect_complaint("is not valid JSON")
    with frontend.page.expect_event("pageerror"):
        frontend.click(lacking.id)
    expect(frontend.label).to_have_text(lacking.label)
    expect(frontend.examples).to_have_count(0)

    frontend.click(other.id)
    assert_shows(frontend, published, other)


def test_labels_are_shown_where_no_records_are_published(visit: Visit, sample: Sample) -> None:
    frontend = visit(sample, {})
    frontend.expect_complaint("404 (Not Found)")
    frontend.expect_complaint("Unexpected end of JSON input")
    node = sample.pick(lambda node: bool(node.label))[1]
    with frontend.page.expect_event("pageerror"):
        frontend.click(node.id)
    expect(frontend.label).to_have_text(node.label)
    expect(frontend.examples).to_have_count(0)


def test_an_address_that_nobody_answers_for_is_refused_and_told(
    visit: Visit, sample: Sample
) -> None:
    frontend = visit(sample, {})
    frontend.expect_complaint("net::ERR_FAILED")
    address = "https://example.org/tracker.js"
    assert not frontend.page.evaluate("(at) => fetch(at).then(() => true, () => false)", address)
    assert frontend.refused == [address]
    frontend.refused.clear()
