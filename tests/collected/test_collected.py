"""`clerp collect` on a real model: what it wrote, and what `clerp label` makes of it."""

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from circuit_tracer.frontend.feature_models import Model
from tests.collected.recompute import Corpus, Recomputed, read_corpus, recompute

import clerp
from clerp.evidence.bins import Bins
from clerp.evidence.storage import RawRecord
from clerp.feature import FeatureId
from clerp.graph import read_graph

SAMPLE = Path(__file__).parents[2] / "graphs" / "smollm2-135m"
FRANCE = SAMPLE / "capital-of-france.json"
FEATURES = read_graph(FRANCE).features
N_RECOMPUTED = 100


@pytest.fixture(scope="module")
def records(place: Path) -> dict[FeatureId, dict[str, Any]]:
    bins = Bins(place / "features")
    found = {feature: bins.fetch(feature) for feature in FEATURES}
    assert all(isinstance(record, RawRecord) for record in found.values())
    return {f: json.loads(r.content) for f, r in found.items() if isinstance(r, RawRecord)}


@pytest.fixture(scope="module")
def facts(place: Path) -> dict[str, Any]:
    return json.loads((place / "features" / "collection.json").read_text())


@pytest.fixture(scope="module")
def corpus(place: Path, facts: dict[str, Any]) -> Corpus:
    return read_corpus(place, facts["tokens"])


@pytest.fixture(scope="module")
def recomputed(place: Path, corpus: Corpus) -> dict[FeatureId, Recomputed]:
    chosen = random.Random(0).sample(FEATURES, N_RECOMPUTED)
    places = [(feature.layer, feature.index) for feature in chosen]
    found = recompute(place, SAMPLE / "weights.safetensors", corpus, places)
    return {FeatureId(*where): activations for where, activations in found.items()}


def test_greatest_activations_equal_those_recomputed_by_other_code(
    records: dict[FeatureId, dict[str, Any]], recomputed: dict[FeatureId, Recomputed]
) -> None:
    assert len(recomputed) == N_RECOMPUTED
    for feature, found in recomputed.items():
        written = records[feature]["act_max"]
        assert written == pytest.approx(found.peak, rel=1e-4, abs=1e-4), feature


def test_peaks_of_examples_equal_what_is_recomputed_where_they_stand(
    records: dict[FeatureId, dict[str, Any]],
    recomputed: dict[FeatureId, Recomputed],
    corpus: Corpus,
) -> None:
    n_examples = n_found = 0
    for feature, found in recomputed.items():
        for example in list_top(records[feature])[:5]:
            shown = example["tokens_acts_list"]
            places = list(locate(example["tokens"], corpus, found))
            n_examples += 1
            n_found += bool(places)
            peaks = [place[example["train_token_ind"]] for place in places]
            assert not peaks or max(shown) in [pytest.approx(p, rel=1e-4, abs=1e-4) for p in peaks]
    # A token that is part of a character is written as an escape, which this code does not read.
    assert n_found >= 0.9 * n_examples > 0


def test_how_often_a_feature_fires_equals_what_is_recomputed(
    records: dict[FeatureId, dict[str, Any]],
    recomputed: dict[FeatureId, Recomputed],
    facts: dict[str, Any],
) -> None:
    for feature, found in recomputed.items():
        share = found.n_positive / facts["tokens"]
        # An activation as small as the threshold's last digit may fall on either side.
        tolerance = 3 / facts["tokens"]
        written = records[feature]["activation_frequency"]
        assert written == pytest.approx(share, rel=1e-4, abs=tolerance), feature


def test_every_record_is_circuit_tracers_and_whole(
    records: dict[FeatureId, dict[str, Any]], facts: dict[str, Any]
) -> None:
    for feature, record in records.items():
        model = Model(**record)
        assert model.transcoder_id == facts["scan"] == "smollm2-135m-clt"
        assert model.index == feature.index
        assert record["promoted_from"] == "summed"
        assert len(model.top_logits) == len(model.bottom_logits) == 10
        if str(feature) not in facts["never_fired"]:
            assert len(list_top(record)) > 0
            assert len(model.quantile_values) == 100
            assert sum(model.histogram) > 0


def test_a_graph_is_labelled_from_the_folder(place: Path, tmp_path: Path) -> None:
    labeled = clerp.label(FRANCE, features=place / "features", ledger=tmp_path / "clerp.db")
    named = [feature for feature in labeled if feature.label is not None]
    assert len(labeled) == len(FEATURES)
    assert len(named) >= len(FEATURES) / 2
    assert {"the", "of", "is"} <= {feature.label.text for feature in named if feature.label}


def test_sure_labels_name_the_words_of_a_million_tokens(place: Path, tmp_path: Path) -> None:
    collected = label_words(tmp_path, features=place / "features")
    bundled = label_words(tmp_path, features=SAMPLE / "features")
    both = bundled.keys() & collected.keys()
    assert len(both) >= 15
    assert sum(bool(bundled[feature] & collected[feature]) for feature in both) >= 0.9 * len(both)


def label_words(tmp_path: Path, features: Path) -> dict[FeatureId, set[str]]:
    """The words of every label of high confidence."""
    labeled = clerp.label(FRANCE, features=features, ledger=tmp_path / "clerp.db")
    return {
        feature.feature: set(re.findall(r"\w+", feature.label.text.lower()))
        for feature in labeled
        if feature.label and feature.label.confidence == "high"
    }


def list_top(record: dict[str, Any]) -> list[dict[str, Any]]:
    quantiles = record["examples_quantiles"]
    return quantiles[0]["examples"] if quantiles else []


def locate(tokens: list[str], corpus: Corpus, found: Recomputed) -> Iterator[list[float]]:
    """Yield the recomputed activations wherever the window's text stands in the corpus."""
    width = len(tokens)
    wanted = [token.replace("⏎", "\n") for token in tokens]
    for texts, activations in zip(corpus.texts, found.rows, strict=True):
        for start in range(len(texts) - width + 1):
            if texts[start] == wanted[0] and texts[start : start + width] == wanted:
                yield activations[start : start + width].tolist()
