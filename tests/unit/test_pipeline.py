"""What `label` and `explain` do to small graphs; the whole way is in `tests/integration`."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.tiny_graph import (
    FEATURES,
    Document,
    build_records,
    build_tiny_graph,
    write_graph,
    write_records,
)

import clerp
from clerp.errors import UsageError
from clerp.feature import FeatureId
from clerp.graph import AttributionGraph
from clerp.labeled import LabeledGraph
from clerp.ledger import open_ledger
from clerp.pipeline import explain

DALLAS = FEATURES[0]
UNCOVERED = "top examples do not cover this activation"
# The pool of a tiny graph calibrates well, but raw scores take half the time.
QUICK: dict[str, Any] = {"rule": "protocol", "threshold": 0.001, "ledger": ":memory:"}

Label = Callable[..., LabeledGraph]


def build_weak_examples(words: Sequence[str], activation: float = 1.0) -> list[Document]:
    """Build examples of a lower quantile, each of which peaks on one of the words."""
    rng = random.Random(1)
    texts = [rng.sample(range(1000), 12) for _ in words]
    return [
        {
            "tokens": [f" n{number}" for number in text[:6]]
            + [f" {word}"]
            + [f" n{number}" for number in text[6:]],
            "tokens_acts_list": [0.0] * 6 + [activation + i / 100] + [0.0] * 6,
        }
        for i, (word, text) in enumerate(zip(words, texts, strict=True))
    ]


@pytest.fixture
def label(tmp_path: Path) -> Label:
    """Label a tiny graph whose first feature has weak examples of its own."""

    def label(
        weak: Sequence[str] = (), activations: Sequence[float | None] = (1.0,), **given: Any
    ) -> LabeledGraph:
        document, records = build_tiny_graph(), build_records()
        first = document["nodes"][0]
        first["activation"] = activations[0]
        for place, activation in enumerate(activations[1:], start=2):
            node_id = f"{DALLAS.layer}_{DALLAS.index}_{place}"
            again = {"node_id": node_id, "ctx_idx": 0, "activation": activation}
            document["nodes"].append(first | again)
        quantiles = records[DALLAS]["examples_quantiles"]
        if weak:
            quantiles.append({"quantile_name": "low", "examples": build_weak_examples(weak)})
        folder = write_records(tmp_path / "features", records)
        return clerp.label(document, features=folder, **QUICK | given)

    return label


def test_a_graph_that_a_check_refuses_is_not_labelled(label: Label, tmp_path: Path):
    seen: list[AttributionGraph] = []

    def refuse(graph: AttributionGraph) -> None:
        seen.append(graph)
        raise UsageError("will not do")

    with pytest.raises(UsageError, match="will not do"):
        label(check=refuse, ledger=str(tmp_path / "ledger.db"))
    assert len(seen) == 1
    assert not (tmp_path / "ledger.db").exists()


OTHERS = ("river", "stone", "cloud", "grass", "chair")


def test_a_weak_node_whose_neighbours_peak_on_other_words_is_noted(label: Label):
    labeled = label(OTHERS)
    assert labeled[DALLAS].notes.count(UNCOVERED) == 1
    assert all(UNCOVERED not in feature.notes for feature in labeled if feature.feature != DALLAS)
    assert labeled.record["features"][str(DALLAS)]["notes"] == list(labeled[DALLAS].notes)  # type: ignore[index]


def test_the_label_itself_does_not_change_by_the_note(label: Label):
    outcome = label(OTHERS)[DALLAS]
    assert outcome.label is not None
    assert "Dallas" in outcome.label.text


@pytest.mark.parametrize(
    ("weak", "activations"),
    [
        ((), (1.0,)),
        (("Dallas",) * 5, (1.0,)),
        (("dallas", "DALLAS", *OTHERS[:3]), (1.0,)),
        (OTHERS, (4.9,)),
        (OTHERS, (None,)),
        (OTHERS, (4.99, None, 100.0)),
    ],
    ids=["no lower", "same word", "other spelling", "strong", "unknown", "several strong"],
)
def test_a_node_that_the_top_examples_cover_is_not_noted(
    label: Label, weak: Sequence[str], activations: Sequence[float | None]
):
    assert UNCOVERED not in label(weak, activations)[DALLAS].notes


def test_one_weak_node_among_several_is_enough(label: Label):
    assert label(OTHERS, (4.99, None, 1.0))[DALLAS].notes.count(UNCOVERED) == 1


def test_what_has_no_words_of_its_own_is_not_noted(label: Label):
    labeled = label(OTHERS, threshold=1000.0)
    assert {feature.route.role for feature in labeled} == {"obscure"}
    assert UNCOVERED not in labeled[DALLAS].notes


def test_why_notes_it_too(label: Label, tmp_path: Path):
    labeled = label(OTHERS)
    explained = explain(labeled.graph.document, DALLAS, features=tmp_path / "features", **QUICK)
    assert explained.notes.count(UNCOVERED) == 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two folders with evidence, in the second of which the first two words are exchanged."""
    records = build_records()
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    write_records(tmp_path / "a" / "features", records)
    first, second = FEATURES[:2]
    exchanged = {
        feature: {**records[old], "layer": feature.layer, "index": feature.index}
        for feature, old in ((first, second), (second, first))
    }
    write_records(tmp_path / "b" / "features", records | exchanged)
    return tmp_path


def write(path: Path, slug: str, scan: str = "owner/transcoders") -> Path:
    document = build_tiny_graph()
    document["metadata"].update(slug=slug, scan=scan)
    return write_graph(path, document)


def tell(labeled: Sequence[LabeledGraph]) -> list[tuple[str, str, str]]:
    return [
        (graph.graph.slug, graph.graph.scan, text.text if (text := graph[DALLAS].label) else "")
        for graph in labeled
    ]


def test_results_are_in_the_order_given_whatever_sets_and_sources_they_have(folder: Path):
    graphs = [
        write(folder / "a" / "one.json", "one"),
        write(folder / "b" / "two.json", "two"),
        write(folder / "a" / "three.json", "three", "owner/others"),
        write(folder / "b" / "four.json", "four"),
    ]
    labeled = clerp.label(graphs, **QUICK)
    assert tell(labeled) == [
        ("one", "owner/transcoders", "Dallas"),
        ("two", "owner/transcoders", "yellow"),
        ("three", "owner/others", "Dallas"),
        ("four", "owner/transcoders", "yellow"),
    ]


def test_a_graph_that_is_given_twice_is_labelled_as_if_given_once(folder: Path):
    path = write(folder / "a" / "one.json", "one")
    alone = clerp.label(path, **QUICK)
    twice = clerp.label([path, path], **QUICK)
    assert [graph.document for graph in twice] == [alone.document] * 2


def test_a_sequence_of_one_is_a_list_and_of_none_an_empty_one(folder: Path):
    path = write(folder / "a" / "one.json", "one")
    assert len(clerp.label([path], **QUICK)) == 1
    assert clerp.label([], **QUICK) == []


def test_each_set_has_a_queue_of_its_own(folder: Path):
    graphs = [
        write(folder / "a" / "one.json", "one"),
        write(folder / "a" / "two.json", "two", "owner/others"),
    ]
    place = folder / "ledger.db"
    clerp.label(graphs, **QUICK | {"threshold": 1000.0, "ledger": place})
    with open_ledger(str(place)) as ledger:
        queued = [(item.key.transcoders.name, item.graphs) for item in ledger.queued()]
    assert sorted(set(queued)) == [
        ("owner/others", ("two",)),
        ("owner/transcoders", ("one",)),
    ]
    assert len(queued) == 2 * len(FEATURES)


def test_a_feature_that_is_not_there_is_told_beside_one_that_is(folder: Path):
    path = write(folder / "a" / "one.json", "one")
    with pytest.raises(UsageError, match="no feature 29_1 among the graph's 8") as raised:
        explain(path, FeatureId(29, 1), **QUICK)
    assert raised.value.where == "one"
    assert raised.value.remedy == "One that it has: 0_10"


def test_a_setting_of_a_graphs_own_record_that_cannot_be_used_is_told_as_such(folder: Path):
    path = write(folder / "a" / "one.json", "one")
    document = clerp.label(path, **QUICK).document
    document["metadata"]["clerp"]["configuration"]["windows"] = 5
    given = {"features": folder / "a" / "features", "ledger": ":memory:"}
    with pytest.raises(UsageError) as raised:
        explain(document, DALLAS, **given)
    assert "metadata.clerp.configuration.windows" in raised.value.where
