from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from clerp.verbalizers.outcome import FeatureVerbalization
from clerp_nla.evaluation.features import (
    FEATURE_SIGNALS,
    Asked,
    Claimed,
    KnownFeature,
    list_signal,
    plant_features,
)
from clerp_nla.training.grammar import TOPICS
from clerp_nla.training.themes import About, Planted, Theme


@pytest.fixture(scope="module")
def features() -> list[KnownFeature]:
    return plant_features(3)


def find(features: list[KnownFeature], theme: Theme) -> KnownFeature:
    return next(one for one in features if one.planted.theme == theme)


def test_all_themes_are_planted_and_no_two_features_share_a_text(
    features: list[KnownFeature],
) -> None:
    themes = [one.planted.theme for one in features]
    assert {theme.about for theme in themes} == set(get_args(About))
    assert {t.truth for t in themes if t.about == "topic"} == set(TOPICS)
    texts = ["".join(e.tokens) for one in features for e in one.evidence.top]
    assert len(set(texts)) == len(texts)
    assert all(len(one.evidence.top) >= 10 for one in features)


def test_seeds_plant_other_features(features: list[KnownFeature]) -> None:
    assert plant_features(4)[0].evidence.digest != features[0].evidence.digest
    assert plant_features(3)[0].evidence.digest == features[0].evidence.digest


@pytest.mark.parametrize(
    ("theme", "about", "value", "true"),
    [
        (Theme("topic", "music"), "topic", "music", True),
        (Theme("topic", "music"), "topic", "space", False),
        (Theme("topic", "music"), "token", "music", False),
        (Theme("token", " court"), "token", " court", True),
        # A court is a noun wherever it stands, and not always one of the law.
        (Theme("token", " court"), "word class", "noun", True),
        (Theme("token", " court"), "word class", "verb", False),
        (Theme("token", " court"), "topic", "the law", False),
        (Theme("nothing"), "topic", "", False),
        (Theme("nothing"), "topic", "music", False),
    ],
)
def test_a_claim_is_true_if_it_holds_wherever_the_feature_fires(
    features: list[KnownFeature], theme: Theme, about: About, value: str, true: bool
) -> None:
    assert find(features, theme).is_true(about, value) is true


def make_asked(known: KnownFeature, *claims: Claimed) -> Asked:
    outcome = FeatureVerbalization.decline(known.planted.feature, "example", "no pair")
    return Asked(known, outcome, claims, ())


def test_the_headline_is_what_most_texts_say_and_of_equals_the_special_one(
    features: list[KnownFeature],
) -> None:
    token, topic = Claimed("token", " a", 0.8, True), Claimed("topic", "music", 0.8, False)
    kind = Claimed("word class", "small word", 0.9, True)
    assert make_asked(features[0], topic, token).headline == token
    assert make_asked(features[0], topic, token, kind).headline == kind
    assert make_asked(features[0]).headline is None


def test_what_nobody_described_is_unusable_and_has_no_signals(
    features: list[KnownFeature],
) -> None:
    asked = make_asked(features[0])
    assert asked.status == "unusable"
    for signal in FEATURE_SIGNALS:
        assert np.isnan(list_signal([asked], signal)).all()


def test_features_know_what_they_are_about(features: list[KnownFeature]) -> None:
    known = replace(features[0], planted=Planted(features[0].planted.feature, Theme("nothing")))
    assert not known.is_true(features[0].planted.theme.about, features[0].planted.theme.truth)
