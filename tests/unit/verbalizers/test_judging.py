"""Texts of many features to signals, and what is told where there is none."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.verbalizers.planted import PlantedEmbedder

from clerp.feature import FeatureId
from clerp.verbalizers import PairIdentity, Passage, Sampling, Verbalization
from clerp.verbalizers.agreement import Samples
from clerp.verbalizers.gates import Controls
from clerp.verbalizers.judging import Common, Material, Told, judge_features
from clerp.verbalizers.outcome import FeatureVerbalization, SaidOf
from clerp.verbalizers.places import Gathered, Place
from clerp.verbalizers.reconstruction import Reconstruction
from clerp.verbalizers.reference import Reference
from clerp.verbalizers.status import FEWEST_FEATURES
from clerp.verbalizers.trust import Trust

PAIR = PairIdentity("a-pair", "r", "a-model", 3, 4)
COMMON = Common(PAIR, "example", Sampling(seed=7), n_samples=2)
REFERENCE = Reference(np.full(4, 0.1, dtype=np.float32), 0.9, 64, low_norm=1.0, high_norm=3.0)


def write(topic: str, name: object = 0) -> str:
    """Write a text whose last paragraph embeds as the topic does, and a little as the name."""
    return f"A page of some book.\n\nall about {topic}:{name}"


def say(
    place: int | str, text: str, sample: int = 0, *, length: float = 2.0, position: int = 20
) -> Told:
    vector = np.full(4, length / 2, dtype=np.float32)
    passage = Passage(f"0.{place}", "All that rain", " rain", 1.0)
    where = Place(passage.id, f"0.{str(place)[0]}", vector, passage, position)
    return Told(where, sample, Verbalization(text, text))


def tell(index: int, *told: Told, layer: int = 2, **given: Any) -> Material:
    return Material(Gathered(FeatureId(layer, index)), told=list(told), **given)


def plant(index: int, topic: str, n_places: int = 4) -> Material:
    """Make a feature whose texts are all of a topic, two of each place."""
    texts = [
        say(place, write(topic, f"{index} {place} {sample}"), sample)
        for place in range(n_places)
        for sample in range(2)
    ]
    return tell(index, *texts)


def judge(
    materials: Sequence[Material], common: Common = COMMON, share: float = 0.5
) -> list[FeatureVerbalization]:
    return judge_features(materials, common, PlantedEmbedder(share))


def judge_one(material: Material, common: Common = COMMON) -> FeatureVerbalization:
    [found] = judge([material], common)
    return found


def trust(found: FeatureVerbalization) -> Trust:
    assert found.trust is not None
    return found.trust


def test_no_features_no_outcomes():
    assert judge([]) == []


@pytest.mark.parametrize(
    ("told", "reasons"),
    [
        (say(0, write("rain")), ()),
        (say(0, ""), ("empty",)),
        (say(0, "rain"), ("fewer than 3 words",)),
        (say(0, write("nothing")), ("the same without a vector",)),
        (say(0, write("rain"), length=3.1), ("a residual of unusual length",)),
        (say(0, write("rain"), length=3.0), ()),
        (say(0, write("rain"), position=9), ("among the first 10 tokens",)),
        (say(0, "", position=9), ("empty", "among the first 10 tokens")),
        (
            Told(say(0, "").place, 0, Verbalization("", "", "no closing tag")),
            ("no closing tag",),
        ),
        (
            Told(say(0, "").place, 0, Verbalization(write("rain"), "", n_tokens=200)),
            ("as long as was allowed",),
        ),
    ],
)
def test_text_and_place_make_a_text_unusable(told: Told, reasons: tuple[str, ...]):
    controls = Controls(nothing=(write("nothing"),), reference=REFERENCE)
    assert replace(COMMON, controls=controls).check(told) == reasons


def test_a_vector_that_is_no_residual_has_no_place_to_be_checked():
    place = Place("decoder", "decoder", np.full(4, 100, dtype=np.float32))
    common = replace(COMMON, controls=Controls(reference=REFERENCE))
    assert common.check(Told(place, 0, Verbalization(write("rain"), ""))) == ()


def test_usable_texts_are_collected_by_place_in_order_of_samples():
    told = [
        say(0, write("rain", 1), 0),
        say(1, write("snow", 1), 0),
        say("0-12", write("wind", 1), 0),
        say(2, "hail", 0),
        say(0, "rain", 1),
        say(1, write("snow", 2), 1),
        say(0, write("rain", 3), 2),
    ]
    assert COMMON.collect(told) == [
        Samples("0.0", (write("rain", 1), write("rain", 3))),
        Samples("0.1", (write("snow", 1), write("snow", 2))),
        Samples("0.0", (write("wind", 1),)),
    ]
    assert COMMON.collect([]) == []


def test_all_that_was_said_is_told_and_then_what_was_missed():
    material = tell(0, say(0, f'{write("rain")} "so to say"'), say(1, "hail", 1))
    material.gathered.missed.append(SaidOf("0.2", " sun", "", fault="no such token"))
    material.told_off.append(say("0-12", write("wind")))
    found = judge_one(material)
    assert [(one.input_id, one.sample, one.fault) for one in found.said] == [
        ("0.0", 0, ""),
        ("0.1", 1, ""),
        ("0.2", 0, "no such token"),
    ]
    first = found.said[0]
    assert (first.token, first.activation) == (" rain", 1.0)
    assert [first.text[start:stop] for start, stop in first.quotes] == ['"so to say"']
    assert [one.text for one in found.said_where_off] == [write("wind")]
    assert (found.pair, found.kind, found.unavailable) == (str(PAIR), "example", "")
    assert trust(found).gates.n_texts == 2
    assert trust(found).gates.n_usable == 1


def test_of_a_vector_that_is_no_residual_no_token_is_told():
    place = Place("decoder", "decoder", np.ones(4, dtype=np.float32))
    told = Told(place, 0, Verbalization("", "", "no closing tag"))
    found = judge_one(tell(0, told), replace(COMMON, kind="decoder"))
    assert found.said == (SaidOf("decoder", "", "", fault="no closing tag"),)


@pytest.mark.parametrize(
    ("reason", "broke", "told"),
    [
        ("no such token", "", "no such token"),
        ("no such token", "out of memory", "no such token"),
        ("", "out of memory", "out of memory"),
    ],
)
def test_a_feature_of_which_nothing_was_said_says_why(reason: str, broke: str, told: str):
    missed = SaidOf("0.2", " sun", "", fault="no such token")
    gathered = Gathered(FeatureId(9, 0), missed=[missed], reason=reason, broke=broke)
    found = judge_one(Material(gathered))
    assert found.unavailable == f"not available: {told}"
    assert found.said == (missed,)
    assert (found.trust, found.notes, found.pair) == (None, (), str(PAIR))
    assert found.details.get("unfinished", "") == broke
    assert found.details["seed"] == 7


@pytest.mark.parametrize(
    ("own", "common", "told"),
    [("", "", None), ("the own", "", "the own"), ("", "all", "all"), ("the own", "all", "the own")],
)
def test_what_broke_leaves_a_feature_unfinished(own: str, common: str, told: str | None):
    material = plant(0, "rain")
    material.gathered.broke = own
    found = judge_one(material, replace(COMMON, broke=common))
    assert found.details.get("unfinished") == told
    assert found.details == {
        "samples": 2,
        "temperature": 1.0,
        "max_new_tokens": 200,
        "seed": 7,
        **({} if told is None else {"unfinished": told}),
    }


@pytest.mark.parametrize(
    ("n", "n_unusable", "is_judged"),
    [
        (FEWEST_FEATURES, 0, True),
        (FEWEST_FEATURES - 1, 0, False),
        (FEWEST_FEATURES - 1, 1, False),
        (FEWEST_FEATURES, 1, True),
    ],
)
def test_it_takes_some_features_before_examples_are_held_against_each_other(
    n: int, n_unusable: int, is_judged: bool
):
    materials = [plant(index, f"topic {index}") for index in range(n)]
    materials += [tell(n + index, say(0, "hail")) for index in range(n_unusable)]
    found = judge(materials)
    assert [one.feature for one in found] == [one.gathered.feature for one in materials]
    for one in found[:n]:
        assert (trust(one).example_agreement is not None) == is_judged
        assert (f"({n}, and it takes {FEWEST_FEATURES})" in trust(one).status_line) != is_judged
        assert trust(one).self_agreement is not None


def test_the_last_paragraphs_are_compared():
    plain = [plant(index, "rain" if index < 8 else f"topic {index}") for index in range(16)]
    opened = [
        replace(one, told=[replace(t, verbalization=_open(t, n)) for n, t in enumerate(one.told)])
        for one in plain
    ]
    for one, other in zip(judge(plain), judge(opened), strict=True):
        assert trust(one).example_agreement == trust(other).example_agreement
        assert trust(one).self_agreement == trust(other).self_agreement


def _open(told: Told, number: int) -> Verbalization:
    text = f"One of {number} openings.\n\n{told.verbalization.text}"
    return Verbalization(text, text)


def test_samples_of_few_features_are_held_against_the_baseline():
    baseline = tuple(Samples(f"ordinary {n}", (write(f"subject {n}"),)) for n in range(20))
    common = replace(COMMON, baseline=baseline, baseline_of="ordinary residuals")
    alone, beside = judge_one(plant(0, "rain")), judge_one(plant(0, "rain"), common)
    assert trust(alone).self_agreement is None
    agreement = trust(beside).self_agreement
    assert agreement is not None
    assert (agreement.n_baseline, agreement.against) == (20, "ordinary residuals")
    assert agreement.beats_baseline
    assert trust(beside).example_agreement is None


N_PLACES = 7


def contrast_one(off: str) -> FeatureVerbalization:
    """Make a feature whose first texts are of rain, and its second ones of anything."""
    told = [
        say(place, write("rain" if sample == 0 else f"thing {place}", f"on {place}"), sample)
        for place in range(N_PLACES)
        for sample in range(2)
    ]
    silent = [say(f"{place}-12", write(off, f"off {place}")) for place in range(N_PLACES)]
    others = [plant(index, f"subject {index}") for index in range(1, 9)]
    return judge([replace(tell(0, *told), told_off=silent), *others], share=0.95)[0]


def test_texts_where_it_is_off_are_held_against_the_first_ones_where_it_fires():
    found = contrast_one("wind")
    contrast = trust(found).contrast
    assert contrast is not None
    assert (contrast.n_active, contrast.n_inactive) == (N_PLACES, N_PLACES)
    assert contrast.active > 0.9
    assert contrast.beats_chance
    assert found.kept_claims == tuple(claim.text for claim in contrast.kept)
    [claim] = contrast.kept
    assert claim.text.startswith("all about rain:on ")
    assert (claim.n_active, claim.n_inactive) == (N_PLACES, 0)
    assert not any("no claim is kept" in note for note in trust(found).notes)


def test_why_no_claim_is_kept_is_told():
    found = contrast_one("rain")
    assert found.kept_claims == ()
    [note] = [note for note in trust(found).notes if note.startswith("no claim is kept: ")]
    assert "do not surely differ" in note


@pytest.mark.parametrize("off", [[], ["hail"], ["", "hail"]], ids=["none", "one", "two"])
def test_without_a_usable_text_where_it_is_off_there_is_no_contrast(off: list[str]):
    material = plant(0, "rain")
    material.told_off = [say(f"{place}-12", text) for place, text in enumerate(off)]
    found = judge_one(material)
    assert trust(found).contrast is None
    assert len(found.said_where_off) == len(off)


@pytest.mark.parametrize(
    ("n", "note"),
    [
        (0, ()),
        (1, ("1 text has one paragraph only, which was compared whole",)),
        (2, ("2 texts have one paragraph only, which was compared whole",)),
    ],
)
def test_texts_of_one_paragraph_are_counted_if_they_are_usable(n: int, note: tuple[str, ...]):
    short = [say(2, f"all about snow:{i}") for i in range(n)]
    told = [say(0, write("rain")), say(1, "hail"), *short]
    assert trust(judge_one(tell(0, *told))).notes == note


def test_notes_of_the_run_come_before_those_of_the_feature():
    material = plant(0, "rain")
    material.notes.append("of the feature")
    material.told.append(say(3, "all about snow:1"))
    notes = trust(judge_one(material, replace(COMMON, notes=("of the run",)))).notes
    assert notes[:2] == ("of the run", "of the feature")
    assert notes[2].startswith("1 text has")


@pytest.mark.parametrize(("layer", "is_later"), [(2, False), (3, False), (4, True)])
def test_a_feature_after_the_layer_that_is_described_is_told_to_be_so(layer: int, is_later: bool):
    found = judge_one(tell(0, say(0, write("rain")), layer=layer))
    assert found.notes == (
        (
            "the feature writes in layer 4, after layer 3, which is described: the texts are of "
            "what leads to it",
        )
        if is_later
        else ()
    )


def test_what_was_reconstructed_stands_beside():
    measured = Reconstruction(0.6, 0.9, 64, -0.5, None, 8, 2)
    found = judge_one(replace(plant(0, "rain"), reconstruction=measured))
    assert trust(found).reconstruction == measured
    untested = replace(PAIR, untested="nobody tried it")
    line = trust(judge_one(plant(0, "rain"), replace(COMMON, pair=untested))).status_line
    assert "nobody tried it" in line


said_texts = st.sampled_from(["", "rain", write("rain"), write("snow", 1), "all about wind:2"])


@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(st.lists(said_texts, max_size=5), st.lists(said_texts, max_size=3)), max_size=4
    )
)
def test_no_text_and_no_feature_is_lost(features: list[tuple[list[str], list[str]]]):
    materials: list[Material] = []
    for index, (there, off) in enumerate(features):
        material = tell(index, *(say(n // 2, text, n % 2) for n, text in enumerate(there)))
        material.gathered.reason = "" if there else "nothing there"
        material.told_off = [say(f"{n}-12", text) for n, text in enumerate(off)]
        materials.append(material)

    found = judge(materials)

    assert [one.feature.index for one in found] == list(range(len(features)))
    for (there, off), one in zip(features, found, strict=True):
        assert [said.text for said in one.said] == there
        assert one.is_available == bool(there)
        if there:
            assert [said.text for said in one.said_where_off] == off
            assert trust(one).gates.n_texts == len(there)
            assert trust(one).gates.n_usable == sum(" " in text for text in there)
