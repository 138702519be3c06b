from pathlib import Path

import numpy as np
import pytest

from clerp.feature import FeatureId
from clerp.verbalizers.outcome import FeatureVerbalization
from clerp_nla.evaluation.features import Asked, Claimed
from clerp_nla.evaluation.inputs import PlantedFeatures, exchange, list_named, read_planted
from clerp_nla.inputs.decoder import Reach
from clerp_nla.training.subject import D_MODEL, LAYER, N_LAYERS

pytest.importorskip("clerp_circuit_tracer")


@pytest.fixture(scope="module")
def planted(tiny_pair: Path) -> PlantedFeatures:
    return read_planted(tiny_pair, Reach(LAYER, N_LAYERS, D_MODEL, mlp_is_normed=False))


def test_what_is_about_something_and_not_above_the_pair_is_asked_about(
    planted: PlantedFeatures,
) -> None:
    features = [one.planted.feature for one in planted.known]
    assert len(features) == 20
    assert max(feature.layer for feature in features) <= LAYER
    assert all(one.planted.theme.truth for one in planted.known)
    assert set(planted.rows) == set(features)


def test_every_feature_gets_the_rows_of_another_one_about_the_same_kind_of_thing(
    planted: PlantedFeatures,
) -> None:
    themes = {one.planted.feature: one.planted.theme for one in planted.known}
    exchanged = exchange(planted)
    assert set(exchanged) == set(planted.rows)
    givers = {
        feature: next(f for f, own in planted.rows.items() if own is rows)
        for feature, rows in exchanged.items()
    }
    assert len(set(givers.values())) == len(givers)
    for feature, giver in givers.items():
        assert themes[feature].about == themes[giver].about
        assert themes[feature] != themes[giver]


def test_a_feature_is_named_where_the_commonest_claim_of_its_kind_is_true(
    planted: PlantedFeatures,
) -> None:
    topics = [one for one in planted.known if one.planted.theme.about == "topic"][:3]
    claims = (
        (Claimed("topic", "music", 0.5, True), Claimed("token", " a", 0.9, False)),
        (Claimed("topic", "music", 0.5, False), Claimed("token", " a", 0.9, True)),
        (),
    )
    asked = [
        Asked(known, FeatureVerbalization.decline(known.planted.feature, "decoder", ""), said, ())
        for known, said in zip(topics, claims, strict=True)
    ]
    assert list_named(asked, "topic").tolist() == [True, False, False]
    assert list_named(asked, "token").tolist() == []


def test_features_of_the_layer_above_are_left_out(tiny_pair: Path) -> None:
    low = read_planted(tiny_pair, Reach(1, N_LAYERS, D_MODEL, mlp_is_normed=False))
    assert {one.planted.feature.layer for one in low.known} == {1}
    assert FeatureId(1, 0) in low.rows
    assert np.isfinite(np.stack(list(low.rows.values()))).all()
