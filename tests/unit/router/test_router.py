from dataclasses import replace

import pytest
from tests.unit.router.told import PROTOCOL, ToldEmbedder, make_told, route

from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.router import RULES, Route, route_features
from clerp.testing import make_evidence
from clerp.windows import DEFAULT_WINDOWS


def test_routes_come_in_the_order_of_the_features_given():
    known = [
        make_told(0.1, 0.6, index=9),
        EvidenceGap(FeatureId(0, 4), "not in the folder"),
        make_told(0.6, 0.1, index=2),
        replace(make_told(0.6, 0.1, index=5), density=0.5),
        make_told(0.0, 0.0, index=1, layer=0),
    ]

    routes = route(known)

    assert [decided.feature for decided in routes] == [k.feature for k in known]
    assert [decided.role for decided in routes] == [
        "output",
        "obscure",
        "input",
        "artefact",
        "obscure",
    ]
    assert route(known[::-1]) == routes[::-1]


def test_features_of_two_kinds_with_the_same_numbers_keep_their_own_routes():
    one = make_told(0.6, 0.1)
    other = replace(make_told(0.1, 0.6), feature=FeatureId(3, 7, "lor"))

    assert [decided.role for decided in route([one, other])] == ["input", "output"]


def test_a_feature_without_evidence_is_obscure_and_says_why():
    gap = EvidenceGap(FeatureId(2, 5), "no record in features/layer_2.bin")

    for rule in RULES.values():
        assert route([gap], rule) == [
            Route(
                feature=gap.feature,
                role="obscure",
                tier=3,
                scores={},
                confidence="high",
                n_examples=0,
                reason="no evidence: no record in features/layer_2.bin",
            )
        ]


def test_nothing_to_route_gives_no_route():
    for rule in RULES.values():
        assert route([], rule) == []


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        pytest.param(make_evidence([]), "too few examples: 0 usable, 5 needed", id="none"),
        pytest.param(
            make_evidence([["same", " same", " same"]] * 4),
            "too few examples: 4 usable, 5 needed",
            id="few",
        ),
        pytest.param(
            replace(make_told(0.9, 0.9), density=0.34),
            "dense: fires on 34% of all tokens",
            id="dense",
        ),
        pytest.param(
            make_evidence([["same", " same"]] * 6, peak=0),
            "sequence start: peaks on the first token of the text in 6 of 6 examples",
            id="start",
        ),
        pytest.param(
            make_evidence([["<bos>", "<|im_start|>", "same", " same"]] * 6, peak=2),
            "sequence start: peaks on the first token of the text in 6 of 6 examples",
            id="start after special tokens",
        ),
        pytest.param(
            make_evidence([["<bos>", "same", " same"]] * 6, peak=0),
            "sequence start: peaks on the first token of the text in 6 of 6 examples",
            id="start at a special token",
        ),
    ],
)
def test_an_artefact_is_recognised_before_any_score(evidence: FeatureEvidence, reason: str):
    embedder = ToldEmbedder()

    (decided,) = route([evidence], embedder=embedder)

    assert decided == Route(
        feature=evidence.feature,
        role="artefact",
        tier=3,
        scores={},
        confidence="high",
        n_examples=len(evidence.top),
        reason=reason,
    )
    assert embedder.asked == []


def test_the_default_windows_route_too():
    (decided,) = route_features(
        [make_evidence([[f"a{n}", f" b{n}", f" c{n}", f" d{n}"] for n in range(6)])],
        rule=PROTOCOL,
        windows=DEFAULT_WINDOWS[::-1],
        embedder=ToldEmbedder(),
    )

    assert set(decided.scores) == {"input", "output", "cross"}
