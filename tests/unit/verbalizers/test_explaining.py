"""Passages that a server describes without handing out residuals."""

from collections.abc import Collection, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.verbalizers.distinct_peaks import (
    BROKE,
    CLAIM,
    SIZES,
    BreakingPassages,
    make,
    make_sized,
    name_missed,
    name_peaks,
)

from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.ledger import open_ledger
from clerp.testing import make_evidence
from clerp.verbalizers import Explained, PairIdentity, Passage, Sampling, Verbalization
from clerp.verbalizers.choosing import choose_passages
from clerp.verbalizers.explaining import explain_passages, summarise
from clerp.verbalizers.judging import Common, Material, Told
from clerp.verbalizers.places import Gathered, Place
from clerp.verbalizers.reconstruction import Reconstruction, summarise_cosines
from clerp.verbalizers.recording import PASSAGES, open_calls

PAIR = PairIdentity("a-pair", "r", "a-model", 3, 0)
SAMPLING = Sampling(temperature=0.7)


async def explain(
    evidence: Sequence[FeatureEvidence],
    fake: BreakingPassages,
    n_examples: int = 2,
    n_inactive: int = 1,
    held_out: Mapping[FeatureId, Collection[str]] | None = None,
) -> list[Material]:
    with open_ledger(":memory:") as ledger:
        async with open_calls(fake, CLAIM, ledger) as calls:
            return await explain_passages(
                evidence, calls, SAMPLING, n_examples, n_inactive, held_out or {}
            )


def list_ids(told: Sequence[Told]) -> list[str]:
    return [one.place.input_id for one in told]


async def test_peaks_and_places_where_it_is_off_are_described():
    evidence = make(0, 5)
    fake = BreakingPassages()
    [material] = await explain([evidence], fake)
    chosen = choose_passages(evidence, 2, 1)
    assert list_ids(material.told) == ["0.0", "0.1"]
    off = [one for one in chosen.inactive if one.matched in ("0.0", "0.1")]
    assert sorted(list_ids(material.told_off)) == sorted(one.passage.id for one in off)
    first = material.told[0]
    [said] = await fake.explain([chosen.active[0]], SAMPLING)
    assert isinstance(said, Explained)
    assert (first.verbalization, first.sample) == (said.verbalization, 0)
    place = first.place
    assert (place.passage, place.position) == (said.passage, said.position)
    assert (place.cosine, place.variance) == (said.cosine, said.variance)
    assert (place.example, place.vector, place.norm) == ("0.0", None, None)
    examples = {one.passage.id: one.example for one in off}
    assert all(examples[one.place.input_id] == one.place.example for one in material.told_off)
    gathered = material.gathered
    assert gathered.active == [one.place for one in material.told]
    assert gathered.inactive == [one.place for one in material.told_off]
    assert (gathered.missed, gathered.reason, gathered.broke) == ([], "", "")


async def test_of_one_example_there_is_one_text():
    [material] = await explain([make(0, 1)], BreakingPassages(), n_inactive=0)
    assert list_ids(material.told) == ["0.0"]
    assert material.told_off == []


async def test_without_an_example_nothing_is_asked():
    fake = BreakingPassages()
    [material] = await explain([make_evidence([])], fake)
    assert fake.requests == []
    assert material.told == material.told_off == []
    assert material.gathered.reason == (
        "no example of the evidence has a peak that a text can end with"
    )


async def test_spare_examples_are_asked_nothing():
    fake = BreakingPassages(misses=name_peaks(0, [0]))
    [material] = await explain([make(0, 5)], fake)
    assert list_ids(material.told) == ["0.1"]
    asked = {name.split("-")[0] for names in fake.requests for name in names}
    assert asked == {"0.0", "0.1"}


async def test_held_out_examples_are_asked_nothing():
    fake = BreakingPassages()
    [material] = await explain([make(0, 5)], fake, held_out={FeatureId(2, 0): ["0.0", "0.2"]})
    assert list_ids(material.told) == ["0.1", "0.3"]
    asked = {name.split("-")[0] for names in fake.requests for name in names}
    assert asked.isdisjoint({"0.0", "0.2"})


async def test_places_of_one_text_are_asked_about_together():
    fake = BreakingPassages()
    await explain([make(0, 8)], fake, n_examples=8, n_inactive=2)
    texts = [{name.split("-")[0] for name in names} for names in fake.requests]
    assert all(len(examples) == 1 for examples in texts)
    n_places = sum(map(len, fake.requests))
    assert n_places == 8 * 3 > PASSAGES
    # Each text is read once, and once more where a request that holds no more comes between.
    assert len(texts) <= 8 + n_places // PASSAGES


async def test_where_all_are_missed_the_first_reason_stands():
    [material] = await explain([make(0, 2)], BreakingPassages(misses=name_peaks(0, [0, 1])))
    assert material.told == []
    assert [one.input_id for one in material.gathered.missed] == ["0.0", "0.1"]
    assert material.gathered.reason == "told to miss ' 0.0.14'"
    assert material.gathered.broke == ""


async def test_what_breaks_at_a_peak_may_be_mended_and_is_missed():
    [material] = await explain([make(0, 3)], BreakingPassages(name_peaks(0, [1])))
    assert list_ids(material.told) == ["0.0"]
    assert [one.fault for one in material.gathered.missed] == [material.gathered.broke] == [BROKE]


async def test_a_place_where_it_is_off_may_be_missed_and_may_break():
    evidence = make(0, 2)
    off = choose_passages(evidence, 2, 1).inactive[0].passage
    [missed] = await explain([evidence], BreakingPassages(misses=[off.token]))
    [broken] = await explain([evidence], BreakingPassages([off.token]))
    for material in (missed, broken):
        assert list_ids(material.told) == ["0.0", "0.1"]
        assert len(material.told_off) == 1
        assert off.id not in list_ids(material.told_off)
        assert material.gathered.missed == []
    assert (missed.gathered.broke, broken.gathered.broke) == ("", BROKE)


@settings(max_examples=25)
@given(SIZES, st.integers(1, 3), st.integers(0, 2))
async def test_each_feature_gets_its_own_and_none_is_lost(
    features: list[tuple[int, set[int]]], n_examples: int, n_inactive: int
):
    evidence = make_sized(features)
    fake = BreakingPassages(misses=name_missed(features))

    materials = await explain(evidence, fake, n_examples, n_inactive)

    assert [one.gathered.feature for one in materials] == [one.feature for one in evidence]
    n_asked = 0
    for index, ((n, numbers), material) in enumerate(zip(features, materials, strict=True)):
        asked = range(min(n, n_examples))
        gone = [number for number in asked if number in numbers]
        assert [one.input_id for one in material.gathered.missed] == [
            f"0.{number}" for number in gone
        ]
        there = [f"0.{number}" for number in asked if number not in numbers]
        assert list_ids(material.told) == there
        used = {f"0.{number}" for number in asked}
        off = choose_passages(evidence[index], n_examples, n_inactive).inactive
        expected = [one.passage.id for one in off if one.matched in used]
        assert sorted(list_ids(material.told_off)) == sorted(expected)
        assert all(
            told.place.passage is not None and told.place.passage.token.startswith(f" {index}.")
            for told in (*material.told, *material.told_off)
        )
        n_asked += len(asked) + len(expected)
    assert sum(map(len, fake.requests)) == n_asked


def say(
    place: int, cosine: float | None, variance: float | None = 0.5, text: str = "all about the rain"
) -> Told:
    passage = Passage(f"0.{place}", "All that rain", " rain", 1.0)
    where = Place(passage.id, passage.id, None, passage, 20, cosine, variance)
    return Told(where, 0, Verbalization(text, text))


def sum_up(*told: Told) -> Reconstruction | None:
    material = Material(Gathered(FeatureId(2, 0)), told=list(told))
    summarise([material], Common(PAIR, "example", SAMPLING, 1))
    return material.reconstruction


def test_the_cosines_of_usable_texts_are_summed_up():
    assert sum_up(say(0, 0.9), say(1, 0.7)) == summarise_cosines([0.9, 0.7], 0.5)
    assert sum_up(say(0, 0.9), say(1, 0.1, text="rain")) == summarise_cosines([0.9], 0.5)
    assert sum_up(say(0, 0.9), say(1, None)) == summarise_cosines([0.9], 0.5)
    assert sum_up(say(0, None), say(1, 0.7, None), say(2, 0.5, 0.25)) == summarise_cosines(
        [0.7, 0.5], 0.5
    )


@pytest.mark.parametrize(
    "told",
    [
        [],
        [say(0, None)],
        [say(0, 0.9, None)],
        [say(0, 0.9, 0.0)],
        [say(0, 0.9, text="rain")],
    ],
    ids=["nothing", "no cosine", "no variance", "a variance of none", "no usable text"],
)
def test_what_the_server_does_not_say_is_not_summed_up(told: list[Told]):
    assert sum_up(*told) is None


@pytest.mark.parametrize("variance", [-0.5, 1.005])
def test_a_variance_that_is_none_costs_the_reconstruction_alone(variance: float):
    materials = [
        Material(Gathered(FeatureId(2, index)), told=[say(0, 0.9, told)])
        for index, told in enumerate((variance, 0.5))
    ]
    summarise(materials, Common(PAIR, "example", SAMPLING, 1))
    assert materials[0].reconstruction is None
    assert materials[0].notes == [
        f"reconstruction was not measured: {variance} is no variance of unit vectors"
    ]
    assert materials[1].reconstruction == summarise_cosines([0.9], 0.5)
    assert materials[1].notes == []


def test_each_feature_is_summed_up_by_itself():
    materials = [
        Material(Gathered(FeatureId(2, index)), told=[say(0, cosine)])
        for index, cosine in enumerate((0.9, 0.3))
    ]
    summarise(materials, Common(PAIR, "example", SAMPLING, 1))
    assert [one.reconstruction for one in materials] == [
        summarise_cosines([0.9], 0.5),
        summarise_cosines([0.3], 0.5),
    ]
