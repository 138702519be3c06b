from pathlib import Path

import numpy as np
import pytest
import torch

from clerp.feature import FeatureId
from clerp_nla.training.grammar import TOPICS, write_documents
from clerp_nla.training.planting import (
    N_FEATURES,
    Garden,
    Probe,
    Stream,
    find_writes,
    fit_probe,
    list_planted,
    plant,
    write_transcoders,
)
from clerp_nla.training.themes import Planted, Theme, mark

D_MODEL, N_LAYERS = 16, 4
DOCUMENTS = write_documents(40, 0)
PLANTED = (
    Planted(FeatureId(1, 0), Theme("token", " the")),
    Planted(FeatureId(2, 3), Theme("topic", "music")),
    Planted(FeatureId(2, 4), Theme("nothing")),
)


@pytest.fixture(scope="module")
def stream() -> Stream:
    """Noise, with one direction for each theme."""
    chance = np.random.default_rng(0)
    n = sum(len(document.tokens) for document in DOCUMENTS)
    shape = (N_LAYERS, n, D_MODEL)
    read = chance.normal(size=shape).astype(np.float32)
    residual = chance.normal(size=shape).astype(np.float32)
    for number, planted in enumerate(PLANTED[:2]):
        holds = np.concatenate(mark(DOCUMENTS, planted.theme))
        read[:, holds, number] += 8
        for layer in range(N_LAYERS):
            residual[layer, holds, number] += layer
    return Stream(read, residual)


@pytest.fixture(scope="module")
def garden(stream: Stream) -> Garden:
    return plant(stream, DOCUMENTS, PLANTED, 0)


def test_features_fire_where_their_theme_holds_and_hardly_elsewhere(garden: Garden) -> None:
    for planted in PLANTED[:2]:
        fires = np.concatenate(garden.activations[planted.feature]) > 0
        holds = np.concatenate(mark(DOCUMENTS, planted.theme))
        assert fires[holds].mean() > 0.9
        assert fires[~holds].mean() < 0.01


def test_what_is_about_nothing_fires_and_is_not_planted(garden: Garden) -> None:
    assert set(garden.probes) == {planted.feature for planted in PLANTED[:2]}
    fires = np.concatenate(garden.activations[PLANTED[2].feature]) > 0
    assert 0.02 < fires.mean() < 0.06


def test_rows_up_to_a_block_sum_to_the_difference_of_residuals_there(stream: Stream) -> None:
    holds = np.concatenate(mark(DOCUMENTS, PLANTED[0].theme))
    rows = find_writes(stream, 1, holds)
    assert rows.shape == (N_LAYERS - 1, D_MODEL)
    for layer in range(1, N_LAYERS):
        block = stream.residual[layer]
        expected = block[holds].mean(0) - block[~holds].mean(0)
        np.testing.assert_allclose(rows[:layer].sum(0), expected, atol=1e-5)


def test_a_probe_fires_above_its_threshold_alone() -> None:
    probe = Probe(np.array([1.0, 0.0]), 0.5, 1.0)
    fired = probe.fire(np.array([[0.4, 9.0], [0.5, 9.0], [0.6, 9.0]]))
    np.testing.assert_allclose(fired, [0.0, 0.0, 1.1])


def test_a_probe_lets_few_other_places_through() -> None:
    chance = np.random.default_rng(1)
    inputs, holds = chance.normal(size=(5000, 8)), chance.random(5000) < 0.1
    assert (fit_probe(inputs, holds).fire(inputs)[~holds] > 0).mean() <= 0.002


def test_circuit_tracer_reads_the_same_features(garden: Garden, tmp_path: Path) -> None:
    transcoders = pytest.importorskip("clerp_circuit_tracer.collect.transcoders")
    write_transcoders(tmp_path / "set", garden, N_LAYERS, D_MODEL)
    loaded = transcoders.load_transcoders(
        tmp_path / "set", hooks=None, device=torch.device("cpu"), dtype=torch.float32
    )
    assert loaded.n_layers == N_LAYERS
    assert transcoders.count_features(loaded) == N_FEATURES
    for feature, writes in garden.writes.items():
        rows = loaded._get_decoder_vectors(feature.layer, torch.tensor([feature.index]))[0]
        np.testing.assert_allclose(rows.float().numpy(), writes, atol=5e-3)
        encoder = loaded._get_encoder_weights(feature.layer)[feature.index]
        np.testing.assert_allclose(encoder.numpy(), garden.probes[feature].weight, atol=1e-6)


def test_every_topic_is_planted_and_one_feature_is_above_the_pair() -> None:
    planted = list_planted()
    assert {p.theme.truth for p in planted if p.theme.about == "topic"} == set(TOPICS)
    assert len({p.feature for p in planted}) == len(planted)
    assert [p.feature for p in planted if p.feature.layer > 3] == [FeatureId(5, 0)]
    assert max(p.feature.index for p in planted) < N_FEATURES
