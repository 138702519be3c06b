import numpy as np
import pytest
from tests.unit.verbalizers.planted import PlantedEmbedder

from clerp.embedding import WordLlamaEmbedder
from clerp.verbalizers.agreement import Samples
from clerp.verbalizers.kept_claims import (
    CHANCE,
    MOST_KEPT,
    ClaimNull,
    KeptClaim,
    keep_claims,
    measure_claim_null,
)

SAME = ClaimNull(threshold=0.75, n_draws=1)
EMBEDDER = PlantedEmbedder(share=0.9)


def places(*claims: str, start: int = 0) -> list[Samples]:
    """One place each; its text makes the claims between the bars."""
    return [
        Samples(f"0.{start + i}", ("\n".join(f"{c}:{start + i}" for c in text.split("|")),))
        for i, text in enumerate(claims)
    ]


def keep(active: list[Samples], inactive: list[Samples]) -> list[str]:
    kept = keep_claims(active, inactive, EMBEDDER, SAME)
    return [claim.text.split(":")[0] for claim in kept]


def test_a_claim_that_recurs_and_is_absent_elsewhere_is_kept():
    active = places("rivers|one", "rivers|two", "rivers|three", "rivers|four")
    inactive = places("one", "two", "three", "four")

    assert keep(active, inactive) == ["rivers"]


def test_a_claim_of_the_context_is_not_kept():
    active = places("form|rivers", "form|rivers", "form|rivers", "form|rivers")
    inactive = places("form|one", "form|two", "form|three", "form|four")

    assert keep(active, inactive) == ["rivers"]


def test_one_inactive_place_that_makes_it_is_enough_to_drop_a_claim():
    active = places(*["rivers|law"] * 5)
    inactive = places("one", "two", "three", "law", start=5)

    assert keep(active, inactive) == ["rivers"]


def test_of_twenty_inactive_places_one_may_make_it_by_chance():
    active = places(*["rivers"] * 5)
    unrelated = [f"other {i}" for i in range(18)]

    assert keep(active, places("rivers", *unrelated, "last", start=5)) == ["rivers"]
    assert keep(active, places("rivers", "rivers", *unrelated, start=5)) == []
    assert keep(active, places("rivers", *unrelated, start=5)) == []


def test_a_claim_of_two_places_in_five_may_be_chance():
    assert keep(places("rivers", "rivers", "one", "two", "three"), []) == []
    assert keep(places("rivers", "rivers", "rivers", "two", "three"), []) == ["rivers"]


def test_the_same_example_does_not_bear_itself_out():
    twice = [Samples("0.0", ("rivers:1",)), Samples("0.0", ("rivers:2",))]

    assert keep(twice, []) == []
    assert keep([*twice, *places("rivers", "rivers", start=1)], []) == ["rivers"]


def test_kept_claims_say_where_they_are_made():
    active = places("rivers", "rivers", "rivers", "one")
    inactive = [*places(*(f"other {i}" for i in range(19)), start=4), *places("rivers", start=30)]

    kept = keep_claims(active, inactive, EMBEDDER, SAME)

    assert kept == (KeptClaim("rivers:0", n_active=3, n_inactive=1),)


def test_the_commonest_comes_first_and_there_is_a_limit():
    many = "|".join(f"claim {i}" for i in range(12))
    active = places(f"top|{many}", f"top|{many}", f"top|{many}", "top")

    kept = keep(active, [])

    assert kept[0] == "top"
    assert len(set(kept)) == len(kept) == MOST_KEPT


def test_of_claims_that_are_one_the_most_typical_stands_for_them():
    texts = ("A river here.", "A river.", "A river, deep.", "An odd old river there.")
    active = [Samples(f"0.{i}", (text,)) for i, text in enumerate(texts)]

    kept = keep_claims(active, [], WordLlamaEmbedder(), ClaimNull(0.3, 1))

    assert [(claim.text, claim.n_active) for claim in kept] == [("A river.", 4)]


def test_samples_of_one_place_make_one_claim_together():
    active = [Samples(f"0.{i}", (f"rivers:{i}", f"noise {i}:0")) for i in range(4)]

    (kept,) = keep_claims(active, [], EMBEDDER, SAME)
    assert kept.text.startswith("rivers:")
    assert (kept.n_active, kept.n_inactive) == (4, 0)


@pytest.mark.parametrize("texts", [(), ("",), ("no content at all",)])
def test_where_nothing_is_claimed_nothing_is_kept(texts: tuple[str, ...]):
    assert keep([Samples("0.0", texts)], places("one")) == []
    assert keep([], []) == []
    assert keep(places(*["rivers"] * 4), [Samples("0.9", texts)]) == ["rivers"]


def test_claims_of_different_features_reach_the_threshold_by_chance_alone():
    generator = np.random.default_rng(3)
    features = [
        [Samples(f"0.{i}", (f"t{t}:{f}.{i}",)) for i, t in enumerate(row)]
        for f, row in enumerate(generator.integers(50, size=(40, 4)).tolist())
    ]

    null = measure_claim_null(features, PlantedEmbedder(share=0.5))

    assert null is not None
    texts = [samples.texts[0] for feature in features for samples in feature]
    vectors = PlantedEmbedder(share=0.5).embed(texts)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    owners = np.repeat(np.arange(40), 4)
    apart = (vectors @ vectors.T)[owners[:, np.newaxis] != owners]
    assert (apart >= null.threshold).mean() == pytest.approx(CHANCE, abs=0.01)


def test_a_place_with_more_claims_is_nearer_by_chance():
    def measure(n_claims: int) -> float:
        features = [
            [Samples("0.0", ("\n".join(f"f{f}.{c}:0" for c in range(n_claims)),))]
            for f in range(30)
        ]
        null = measure_claim_null(features, EMBEDDER)
        assert null is not None
        return null.threshold

    assert measure(8) > measure(1) + 0.05


def test_one_feature_alone_gives_no_null():
    assert measure_claim_null([places("a", "b")], EMBEDDER) is None
    assert measure_claim_null([places("a", "b"), [Samples("0.0", ("",))]], EMBEDDER) is None
    assert measure_claim_null([], EMBEDDER) is None


def test_a_large_feature_does_not_hide_a_small_one():
    features = [places(*["big"] * 300), places("small", start=1)]

    null = measure_claim_null(features, EMBEDDER)

    assert null is not None
    assert null.threshold < 0.75


def test_real_claims_are_told_apart():
    texts = ("It is about a river.", "It describes a river.", "The topic is rivers.")
    active = [Samples(f"0.{i}", (f"{text} A list.",)) for i, text in enumerate(texts)]
    inactive = [Samples(f"0.{i}", (f"A list. Tax forms, part {i}.",)) for i in range(3)]

    kept = keep_claims(active, inactive, WordLlamaEmbedder(), ClaimNull(0.5, 1))

    assert [claim.n_active for claim in kept] == [3]
    assert kept[0].text in texts
