import asyncio

import pytest

from clerp.errors import LabelerError
from clerp.feature import FeatureId
from clerp.graph import LogitEdge
from clerp.labels import Abstention, Label
from clerp.router import Role, Tier
from clerp.testing import FakeLabeler, make_evidence, make_example, make_request, make_route

TEXTS = [(" in", " Texas"), (" in", " Ohio", ".")]


def test_an_example_peaks_where_it_is_told():
    example = make_example(("a", "b", "c"), peak=2, activation=3.0, id="1.4")
    assert (example.id, example.peak, example.peak_activation) == ("1.4", 2, 3.0)
    assert example.activations.tolist() == [0, 0, 3]


def test_a_short_text_peaks_at_its_last_token():
    assert make_example(("a",), peak=1).peak == 0


def test_evidence_is_strongest_first_with_ids_by_place():
    evidence = make_evidence(TEXTS, lower=[("x", "y")], promoted=[" Austin"])
    examples = (*evidence.top, *evidence.lower)
    assert [example.id for example in examples] == ["0.0", "0.1", "1.0"]
    assert [example.peak_activation for example in examples] == pytest.approx([1, 2 / 3, 1 / 3])
    assert evidence.promoted == (" Austin",)


def test_the_digest_tells_evidence_apart():
    variants = [
        make_evidence(TEXTS),
        make_evidence(TEXTS, peak=0),
        make_evidence(TEXTS[:1], lower=TEXTS[1:]),
        make_evidence(TEXTS, promoted=["a"]),
        make_evidence(TEXTS, suppressed=["a"]),
        make_evidence(TEXTS, feature=FeatureId(1, 1)),
    ]
    assert len({evidence.digest for evidence in variants}) == len(variants)
    assert make_evidence(TEXTS).digest == make_evidence(TEXTS).digest


@pytest.mark.parametrize(("role", "tier"), [("output", 1), ("cross", 2), ("obscure", 3)])
def test_a_route_leads_to_the_tier_of_its_role(role: Role, tier: Tier):
    route = make_route(make_evidence(TEXTS), role)
    assert (route.role, route.tier, route.n_examples) == (role, tier, 2)
    assert list(route.scores) == ([] if role == "obscure" else [role])


def test_a_request_holds_what_it_is_made_of():
    evidence, edges = make_evidence(TEXTS), [LogitEdge(" Austin", 0.5, None, 0)]
    request = make_request(evidence, "output", logit_edges=edges)
    assert request.evidence is evidence
    assert request.route.feature == evidence.feature
    assert request.logit_edges == tuple(edges)


def test_the_fake_labeler_does_as_it_is_told_and_keeps_what_it_was_asked():
    features = [FeatureId(0, i) for i in range(3)]
    requests = [make_request(make_evidence(TEXTS, feature=feature)) for feature in features]
    labeler = FakeLabeler(abstains=features[1:2], breaks=features[2:])

    named = asyncio.run(labeler.label(requests[0]))
    declined = asyncio.run(labeler.label(requests[1]))
    with pytest.raises(LabelerError, match="0_2: told to break"):
        asyncio.run(labeler.label(requests[2]))

    assert isinstance(named, Label)
    assert (named.text, named.evidence) == ("feature 0_0", ("0.0", "0.1"))
    assert declined == Abstention("fake", "told to abstain")
    assert labeler.asked == requests
