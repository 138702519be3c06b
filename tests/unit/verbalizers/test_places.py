"""The vectors that are described: which of them, and why there are none."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.verbalizers.distinct_peaks import (
    BROKE,
    CLAIM,
    N_TOKENS,
    PEAK,
    SIZES,
    BreakingVectors,
    make,
    make_sized,
    name_missed,
    name_peaks,
)

from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.ledger import open_ledger
from clerp.testing import FakeVectorVerbalizer, make_evidence
from clerp.verbalizers import Extraction, Passage
from clerp.verbalizers.choosing import Passages, choose_passages
from clerp.verbalizers.places import (
    FEWEST_PAIRS,
    MOST_PAIRS,
    Gathered,
    Place,
    gather_differences,
    gather_directions,
    gather_residuals,
)
from clerp.verbalizers.recording import open_calls

Held = Mapping[FeatureId, Collection[str]]
D_MODEL = 32


async def gather(
    evidence: Sequence[FeatureEvidence],
    fake: FakeVectorVerbalizer,
    n_examples: int = 2,
    n_inactive: int = 1,
    held_out: Held | None = None,
) -> list[Gathered]:
    with open_ledger(":memory:") as ledger:
        async with open_calls(fake, CLAIM, ledger) as calls:
            return await gather_residuals(evidence, calls, n_examples, n_inactive, held_out or {})


async def subtract(evidence: FeatureEvidence, fake: FakeVectorVerbalizer) -> Gathered:
    with open_ledger(":memory:") as ledger:
        async with open_calls(fake, CLAIM, ledger) as calls:
            [gathered] = await gather_differences([evidence], calls, {})
    return gathered


async def read(passages: Sequence[Passage]) -> list[np.ndarray]:
    found = await FakeVectorVerbalizer().extract(passages)
    return [one.vector for one in found if isinstance(one, Extraction)]


def list_ids(places: Sequence[Place]) -> list[str]:
    return [place.input_id for place in places]


def list_off(chosen: Passages, numbers: Collection[int]) -> list[str]:
    """List the places where the feature is off that go with some of its examples."""
    matched = {f"0.{number}" for number in numbers}
    return [off.passage.id for off in chosen.inactive if off.matched in matched]


async def test_residuals_are_those_of_the_strongest_peaks_and_of_places_matched_with_them():
    evidence = make(0, 5)
    [gathered] = await gather([evidence], FakeVectorVerbalizer())
    assert list_ids(gathered.active) == ["0.0", "0.1"]
    chosen = choose_passages(evidence, 2, 1)
    assert list_ids(gathered.inactive) == list_off(chosen, [0, 1])
    for place, passage in zip(gathered.active, chosen.active, strict=True):
        assert place.passage == passage
        assert place.example == place.input_id
        assert place.matched == ""
        assert place.position is not None
        [vector] = await read([passage])
        np.testing.assert_array_equal(place.vector, vector)
        assert place.norm == pytest.approx(np.linalg.norm(vector))
    for place, off in zip(gathered.inactive, chosen.inactive, strict=False):
        assert place.passage == off.passage
        assert (place.example, place.matched) == (off.example, off.matched)
        [vector] = await read([off.passage])
        np.testing.assert_array_equal(place.vector, vector)
    assert (gathered.missed, gathered.reason, gathered.broke) == ([], "", "")


async def test_a_place_where_it_is_off_may_be_of_another_example():
    texts = [[f" {i}.{place}" for place in range(N_TOKENS)] for i in range(4)]
    for text in texts:
        text[PEAK] = text[PEAK + 4] = " again"
    evidence = make_evidence(texts, peak=PEAK)
    [gathered] = await gather([evidence], FakeVectorVerbalizer(), 4, 1)
    chosen = choose_passages(evidence, 4, 1).inactive
    assert any(off.example != off.matched for off in chosen)
    assert [(one.input_id, one.example, one.matched) for one in gathered.inactive] == [
        (off.passage.id, off.example, off.matched) for off in chosen
    ]


async def test_of_one_example_there_is_one_place():
    [gathered] = await gather([make(0, 1)], FakeVectorVerbalizer(), n_inactive=2)
    assert list_ids(gathered.active) == ["0.0"]
    assert [place.matched for place in gathered.inactive] == ["0.0", "0.0"]


async def test_without_an_example_nothing_is_asked():
    fake = FakeVectorVerbalizer()
    [gathered] = await gather([make_evidence([])], fake)
    assert fake.asked == []
    assert gathered.active == gathered.missed == []
    assert gathered.reason == "no example of the evidence has a peak that a text can end with"
    assert gathered.broke == ""


async def test_a_spare_example_takes_the_place_of_one_that_is_missed():
    evidence = make(0, 5)
    fake = FakeVectorVerbalizer(misses=name_peaks(0, [0]))
    [gathered] = await gather([evidence], fake)
    assert list_ids(gathered.active) == ["0.1", "0.2"]
    assert list_ids(gathered.inactive) == list_off(choose_passages(evidence, 2, 1), [1, 2])
    [missed] = gathered.missed
    assert (missed.input_id, missed.token) == ("0.0", f" 0.0.{14}")
    assert missed.fault == "told to miss ' 0.0.14'"
    assert missed.activation == 1.0
    assert (missed.text, gathered.reason, gathered.broke) == ("", "", "")


async def test_a_spare_example_that_nobody_needs_is_left_alone():
    fake = BreakingVectors(broken=name_peaks(0, [3]), misses=name_peaks(0, [2]))
    [gathered] = await gather([make(0, 5)], fake)
    assert list_ids(gathered.active) == ["0.0", "0.1"]
    assert (gathered.missed, gathered.broke) == ([], "")


async def test_where_all_are_missed_the_first_reason_stands():
    fake = FakeVectorVerbalizer(misses=name_peaks(0, range(4)))
    [gathered] = await gather([make(0, 4)], fake)
    assert gathered.active == gathered.inactive == []
    assert [one.input_id for one in gathered.missed] == ["0.0", "0.1", "0.2", "0.3"]
    assert gathered.reason == "told to miss ' 0.0.14'"


async def test_what_breaks_at_a_peak_may_be_mended_and_is_missed():
    [gathered] = await gather([make(0, 4)], BreakingVectors(name_peaks(0, [1])))
    assert list_ids(gathered.active) == ["0.0", "0.2"]
    assert [one.fault for one in gathered.missed] == [gathered.broke] == [BROKE]
    assert gathered.reason == ""


async def test_a_place_where_it_is_off_may_be_missed_and_may_break():
    evidence = make(0, 4)
    off = choose_passages(evidence, 2, 1).inactive[0].passage
    [missed] = await gather([evidence], FakeVectorVerbalizer(misses=[off.token]))
    [broken] = await gather([evidence], BreakingVectors([off.token]))
    for gathered in (missed, broken):
        assert list_ids(gathered.active) == ["0.0", "0.1"]
        assert off.id not in list_ids(gathered.inactive)
        assert len(gathered.inactive) == 1
        assert gathered.missed == []
    assert (missed.broke, broken.broke) == ("", BROKE)


async def test_held_out_examples_are_asked_nothing():
    held = {FeatureId(2, 0): ["0.0", "0.2"]}
    [gathered, other] = await gather(
        [make(0, 5), make(1, 5)], FakeVectorVerbalizer(), held_out=held
    )
    assert list_ids(gathered.active) == ["0.1", "0.3"]
    assert {place.example for place in gathered.inactive} <= {"0.1", "0.3", "0.4"}
    assert list_ids(other.active) == ["0.0", "0.1"]


@settings(max_examples=25)
@given(SIZES, st.integers(1, 3), st.integers(0, 2))
async def test_each_feature_gets_its_own_and_none_is_lost(
    features: list[tuple[int, set[int]]], n_examples: int, n_inactive: int
):
    evidence = make_sized(features)
    fake = FakeVectorVerbalizer(misses=name_missed(features))

    found = await gather(evidence, fake, n_examples, n_inactive)

    assert [one.feature for one in found] == [one.feature for one in evidence]
    for index, ((n, numbers), gathered) in enumerate(zip(features, found, strict=True)):
        asked = range(min(n, 2 * n_examples))
        there = [number for number in asked if number not in numbers][:n_examples]
        last = there[-1] if len(there) == n_examples else len(asked)
        assert list_ids(gathered.active) == [f"0.{number}" for number in there]
        assert [one.input_id for one in gathered.missed] == [
            f"0.{number}" for number in asked if number in numbers and number < last
        ]
        chosen = choose_passages(evidence[index], n_examples, n_inactive)
        assert list_ids(gathered.inactive) == list_off(chosen, there)
        assert all(
            place.passage is not None and place.passage.token.startswith(f" {index}.")
            for place in (*gathered.active, *gathered.inactive)
        )
        assert bool(gathered.reason) == (not there)


@pytest.mark.parametrize("n_lost", [0, 2])
async def test_a_difference_is_of_the_means_over_pairs(n_lost: int):
    evidence = make(0, FEWEST_PAIRS + n_lost)
    off = choose_passages(evidence, MOST_PAIRS, 1).inactive
    fake = FakeVectorVerbalizer(misses=[one.passage.token for one in off[:n_lost]])
    gathered = await subtract(evidence, fake)
    active = {one.id: one for one in choose_passages(evidence, MOST_PAIRS, 1).active}
    fires = await read([active[one.matched] for one in off[n_lost:]])
    quiet = await read([one.passage for one in off[n_lost:]])
    assert len(fires) == len(quiet) == FEWEST_PAIRS
    [place] = gathered.active
    assert (place.input_id, place.example) == ("contrast", "contrast")
    assert place.vector is not None
    np.testing.assert_allclose(place.vector, np.mean(fires, 0) - np.mean(quiet, 0), atol=1e-5)
    assert place.vector.dtype == np.float32
    assert (place.passage, place.position, place.norm) == (None, None, None)
    assert (gathered.inactive, gathered.reason, gathered.broke) == ([], "", "")


@pytest.mark.parametrize("lost", ["none", "peak", "off"])
async def test_fewer_pairs_make_no_difference(lost: str):
    evidence = make(0, FEWEST_PAIRS - (lost == "none"))
    off = choose_passages(evidence, MOST_PAIRS, 1).inactive[0].passage
    misses = {"none": [], "peak": name_peaks(0, [0]), "off": [off.token]}[lost]
    fake = FakeVectorVerbalizer(misses=misses)
    gathered = await subtract(evidence, fake)
    assert gathered.active == []
    assert gathered.reason == (
        f"{FEWEST_PAIRS - 1} pairs of places where it fires and where it is off; a difference "
        f"takes {FEWEST_PAIRS}"
    )


async def test_without_a_place_there_is_no_difference_for_the_same_reason():
    gathered = await subtract(make(0, 2), FakeVectorVerbalizer(misses=name_peaks(0, [0, 1])))
    assert gathered.reason == "told to miss ' 0.0.14'"


@pytest.mark.parametrize("n", [FEWEST_PAIRS, FEWEST_PAIRS + 1], ids=["too few", "enough"])
async def test_a_difference_of_fewer_pairs_than_there_are_tells_what_broke(n: int):
    gathered = await subtract(make(0, n), BreakingVectors(name_peaks(0, [0])))
    assert gathered.broke == BROKE
    assert bool(gathered.active) == (n > FEWEST_PAIRS)


NONE = np.zeros(D_MODEL, dtype=np.float32)
ONES = np.ones(D_MODEL, dtype=np.float32)


@pytest.mark.parametrize(
    ("direction", "reason"),
    [
        (None, "nobody read its decoder rows: name the transcoders"),
        ("it writes after layer 3", "it writes after layer 3"),
        (ONES[:4], "its direction has 4 numbers and the pair reads 32"),
        (NONE, "its direction is zero or not finite"),
        (np.where(np.arange(D_MODEL) == 3, np.nan, ONES).astype(np.float32), "not finite"),
        (np.where(np.arange(D_MODEL) == 3, np.inf, ONES).astype(np.float32), "not finite"),
    ],
    ids=["missing", "told", "short", "zero", "no number", "infinite"],
)
def test_a_direction_that_cannot_be_described_says_why(
    direction: np.ndarray | str | None, reason: str
):
    given = {} if direction is None else {FeatureId(2, 1): direction}
    [gathered] = gather_directions([FeatureId(2, 1)], given, D_MODEL)
    assert gathered.active == []
    assert gathered.reason.endswith(reason)


def test_directions_are_those_of_their_features():
    features = [FeatureId(2, index) for index in (3, 1, 2)]
    given = {feature: ONES * feature.index for feature in features}
    found = gather_directions(features, given, D_MODEL)
    assert [one.feature for one in found] == features
    for gathered in found:
        [place] = gathered.active
        assert place.input_id == "decoder"
        assert place.vector is not None
        np.testing.assert_array_equal(place.vector, ONES * gathered.feature.index)
        assert (place.norm, place.passage, gathered.reason) == (None, None, "")


def test_no_features_no_directions():
    assert gather_directions([], {}, D_MODEL) == []


def test_a_residual_that_a_server_keeps_has_no_length():
    passage = Passage("0.0", "All that rain", " rain", 1.0)
    assert Place("0.0", "0.0", None, passage, 12).norm is None
    assert Place("0.0", "0.0", ONES[:4], passage, 12).norm == 2
