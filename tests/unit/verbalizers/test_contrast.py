from itertools import combinations, product

import numpy as np
import pytest
from tests.unit.verbalizers.planted import PlantedEmbedder

from clerp.verbalizers.agreement import Samples
from clerp.verbalizers.contrast import FEWEST_INACTIVE, Contrast, measure_contrast
from clerp.verbalizers.kept_claims import ClaimNull

EMBEDDER = PlantedEmbedder()


def say(prefix: str, *texts: str) -> list[Samples]:
    return [Samples(f"{prefix}.{i}", (text,)) for i, text in enumerate(texts)]


def measure(active: list[Samples], inactive: list[Samples]) -> Contrast:
    found = measure_contrast(active, inactive, EMBEDDER, None)
    assert found is not None
    return found


def dot(one: Samples, other: Samples) -> float:
    vectors = EMBEDDER.embed([*one.texts, *other.texts])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    n = len(one.texts)
    return float((vectors[:n] @ vectors[n:].T).mean())


def test_places_of_one_example_are_not_compared():
    active = say("0", "a:1", "a:2", "b:3")
    inactive = [*say("0", "c:1", "d:2", "e:3"), Samples("0.1", ("f:4",))]

    found = measure(active, inactive)

    within = np.mean([dot(one, other) for one, other in combinations(active, 2)])
    across = np.mean([dot(a, i) for a, i in product(active, inactive) if a.example != i.example])
    assert found.active == pytest.approx(within, abs=1e-4)
    assert found.inactive == pytest.approx(across, abs=1e-4)
    assert found.excess == pytest.approx(within - across, abs=2e-4)
    assert (found.n_active, found.n_inactive) == (3, 4)


def test_samples_of_a_place_count_as_one():
    active = [Samples("0.0", ("a:1", "b:2")), Samples("0.1", ("a:3",))]
    inactive = [Samples("0.0", ("c:1",)), Samples("0.1", ("c:2", "d:3", "e:4"))]

    found = measure(active, inactive)

    assert found.active == pytest.approx(dot(*active), abs=1e-4)
    expected = (dot(active[0], inactive[1]) + dot(active[1], inactive[0])) / 2
    assert found.inactive == pytest.approx(expected, abs=1e-4)


def test_matched_places_change_places_with_each_other_alone():
    # All that active places have in common: 1 of 2^6 ways is as good.
    active = say("0", *(f"feature:{i}" for i in range(6)))
    inactive = say("0", *(f"other {i}:{i}" for i in range(6)))

    assert measure(active, inactive).p == pytest.approx(1 / 64, abs=1e-5)
    assert measure(active, inactive).beats_chance


def test_p_of_matched_places_is_exact():
    active, inactive = say("0", "a:1", "b:2", "a:3"), say("0", "c:1", "a:2", "d:3")

    def excess(chosen: tuple[Samples, ...], rest: list[Samples]) -> float:
        within = [dot(one, other) for one, other in combinations(chosen, 2)]
        across = [dot(a, i) for a, i in product(chosen, rest) if a.example != i.example]
        return float(np.mean(within) - np.mean(across))

    everything = [*active, *inactive]
    ways = [
        excess(chosen, [place for place in everything if place not in chosen])
        for chosen in product(*zip(active, inactive, strict=True))
    ]
    seen = excess(tuple(active), inactive)
    expected = np.mean([value >= seen - 1e-7 for value in ways])
    assert measure(active, inactive).p == pytest.approx(expected, abs=1e-5)


def test_places_without_a_match_are_exchanged_among_themselves():
    active = say("on", *(f"feature:{i}" for i in range(4)))
    inactive = say("off", *(f"other {i}:{i}" for i in range(5)))

    # One of all ways to choose 4 of 9.
    assert measure(active, inactive).p == pytest.approx(1 / 126, abs=1e-5)


def test_matched_and_unmatched_places_are_exchanged_apart():
    active = [*say("0", "feature:0", "feature:1"), *say("on", "feature:2", "feature:3")]
    inactive = [*say("0", "x:0", "y:1"), *say("off", "z:2", "u:3")]

    # 2 x 2 ways among the matched, 6 among the rest.
    assert measure(active, inactive).p == pytest.approx(1 / 24, abs=1e-5)


def test_a_way_in_which_nothing_can_be_compared_counts_against_the_texts():
    # Of the 6 ways to choose 2 of 4 one has both of its places in one example.
    inactive = [Samples("off", ("x:0",)), Samples("off", ("y:1",))]

    assert measure(say("on", "feature:0", "feature:0"), inactive).p == pytest.approx(
        2 / 6, abs=1e-5
    )


def test_chance_is_beaten_from_5_percent_down():
    assert Contrast(0.5, 0.1, 0.4, 0.05, 5, 5).beats_chance
    assert not Contrast(0.5, 0.1, 0.4, 0.0501, 5, 5).beats_chance


def test_what_is_said_of_the_context_is_no_contrast():
    # Texts of one document are alike, active or not.
    active = say("0", *(f"document {i}:1" for i in range(8)))
    inactive = say("0", *(f"document {i}:2" for i in range(8)))

    found = measure(active, inactive)

    assert not found.beats_chance
    assert abs(found.excess) < 0.1


def test_many_places_are_drawn():
    active = say("0", *(f"feature:{i}" for i in range(16)))
    inactive = say("0", *(f"other {i}:{i}" for i in range(16)))

    assert measure(active, inactive).p == pytest.approx(1 / 5000, abs=1e-6)


def test_under_the_null_p_is_below_5_percent_about_as_often():
    generator = np.random.default_rng(11)
    p: list[float] = []
    for f in range(250):
        topics = generator.integers(4, size=14).tolist()
        texts = [f"topic {t}:{f}.{i}" for i, t in enumerate(topics)]
        p.append(measure(say("0", *texts[:7]), say("0", *texts[7:])).p)

    # The largest multiple of 1/128 below it is .047.
    assert 0.015 <= np.mean([one <= 0.05 for one in p]) <= 0.09
    assert 0.4 <= np.mean([one <= 0.5 for one in p]) <= 0.6


@pytest.mark.parametrize(
    ("active", "inactive"),
    [
        ([], []),
        (say("0", "a:1", "a:2"), []),
        (say("0", "a:1"), say("0", "b:1", "b:2")),
        ([], say("0", "b:1", "b:2")),
        ([Samples("0.0", ("a:1",)), Samples("0.0", ("a:2",))], say("off", "b:1")),
        (say("0", "a:1", "no content"), say("0", "b:1", "b:2")),
        (say("0", "a:1", "a:2"), [Samples("0.0", ()), Samples("0.1", ("",))]),
    ],
)
def test_where_nothing_can_be_compared_nothing_is_said(
    active: list[Samples], inactive: list[Samples]
):
    assert measure_contrast(active, inactive, EMBEDDER, None) is None


def test_claims_are_kept_with_the_threshold_that_they_were_held_to():
    active = say("0", *(f"feature:{i}" for i in range(6)))
    inactive = say("0", *(f"other {i}:{i}" for i in range(6)))

    with_null = measure_contrast(active, inactive, PlantedEmbedder(0.9), ClaimNull(0.75, 1))
    without = measure(active, inactive)

    assert with_null is not None
    assert [claim.text.split(":")[0] for claim in with_null.kept] == ["feature"]
    assert with_null.threshold == 0.75
    assert without.kept == ()
    assert without.threshold is None


@pytest.mark.parametrize(
    ("n_active", "n_inactive", "why"),
    [
        (4, 4, "do not surely differ"),
        (8, FEWEST_INACTIVE - 1, f"4 places where it is off; it takes {FEWEST_INACTIVE}"),
        (8, FEWEST_INACTIVE, ""),
    ],
)
def test_no_claim_is_kept_where_places_do_not_differ_or_few_are_off(
    n_active: int, n_inactive: int, why: str
):
    # Of other examples, so that they change places with any.
    active = say("0", *(f"feature:{i}" for i in range(n_active)))
    inactive = say("off", *(f"other {i}:{i}" for i in range(n_inactive)))
    if n_active == 4:
        inactive = say("off", *(f"feature:{i}" for i in range(10, 10 + n_inactive)))

    found = measure_contrast(active, inactive, PlantedEmbedder(0.9), ClaimNull(0.75, 1))

    assert found is not None
    assert found.withheld.endswith(why)
    assert bool(found.withheld) == bool(why)
    assert bool(found.kept) == (not why)
    assert found.threshold == 0.75
