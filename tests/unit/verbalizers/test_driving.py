"""Features to what a pair says of them: signals, controls, and what comes of faults."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.unit.verbalizers.driven import (
    CLAIM,
    PEAK,
    WordEmbedder,
    drive,
    find_word,
    make,
    make_many,
)

from clerp.errors import VerbalizerError
from clerp.feature import FeatureId
from clerp.ledger import Ledger, open_ledger
from clerp.testing import FakePassageVerbalizer, FakeVectorVerbalizer, make_evidence
from clerp.testing.fake_verbalizer import WORDS
from clerp.verbalizers import Extraction, Passage, Sampling, Verbalization
from clerp.verbalizers.choosing import choose_passages
from clerp.verbalizers.driving import N_BASELINE, N_RANDOM, Terms, verbalize_features
from clerp.verbalizers.places import FEWEST_PAIRS, MOST_PAIRS, Gathered
from clerp.verbalizers.recording import open_calls
from clerp.verbalizers.status import FEWEST_FEATURES
from clerp.verbalizers.work import Work


async def test_each_feature_is_told_of_with_every_signal(ledger: Ledger):
    evidence = make_many(FEWEST_FEATURES)
    told = await drive(evidence[::-1], FakeVectorVerbalizer(), ledger)
    assert list(told) == [one.feature for one in evidence]
    for feature, one in told.items():
        assert one.is_available
        assert len(one.said) == 5 * 4
        assert all(f'"{find_word(feature)}"' in said.text for said in one.said)
        assert all(said.text[start] == '"' for said in one.said for start, _ in said.quotes)
        assert one.trust is not None
        assert one.trust.gates.n_usable >= 16
        assert all("unusual length" in failure.reason for failure in one.trust.gates.failures)
        assert one.trust.self_agreement is not None
        assert one.trust.example_agreement is not None
        assert one.trust.contrast is not None
        assert one.trust.reconstruction is not None
        assert one.trust.reconstruction.fve > 0.5
        assert one.trust.reconstruction.mismatch_fve is not None
        assert one.trust.reconstruction.mismatch_fve < 0
        assert one.trust.reconstruction.n_distractors == 64
        assert one.trust.status == "suggestive"
        assert one.trust.notes == ()
        assert one.pair.startswith("fake-nla@")
        assert "unfinished" not in one.details


async def test_a_feature_without_a_theme_is_weak(ledger: Ledger):
    n = FEWEST_FEATURES - 1
    told = await drive([*make_many(n), make("", n)], FakeVectorVerbalizer(), ledger)
    trust = told[FeatureId(2, n)].trust
    assert trust is not None
    assert trust.status == "weak"
    assert trust.example_agreement is not None
    assert not trust.example_agreement.beats_baseline


async def test_one_feature_alone_is_held_against_ordinary_residuals(ledger: Ledger):
    fake = FakeVectorVerbalizer()
    [told] = (await drive([make("bread", 0)], fake, ledger)).values()
    assert told.trust is not None
    assert told.trust.self_agreement is not None
    assert told.trust.self_agreement.n_baseline == N_BASELINE
    assert told.trust.self_agreement.against == "ordinary residuals"
    assert f"describe {N_RANDOM}" in fake.asked


class Corpus(FakeVectorVerbalizer):
    """Says of places of one corpus what they share, and of ordinary text something else."""

    async def describe(self, vectors: Any, sampling: Sampling) -> list[Verbalization]:
        said = await super().describe(vectors, sampling)
        is_ordinary = len(vectors) == N_BASELINE
        own = "an old tale" if is_ordinary else "posts of one forum, short and rude"
        return [
            replace(one, text=f"{one.text}\n\n{own} {number}") for number, one in enumerate(said)
        ]


@pytest.mark.parametrize("n", [1, 3, FEWEST_FEATURES - 1])
async def test_what_a_corpus_shares_is_no_theme_of_a_few_features(ledger: Ledger, n: int):
    told = await drive([make("", index) for index in range(n)], Corpus(), ledger)
    assert len(told) == n
    for one in told.values():
        assert one.trust is not None
        assert one.trust.status == "weak"
        assert one.trust.example_agreement is None
        assert f"too few features to compare with ({n}, and it takes" in one.trust.status_line


async def test_a_feature_whose_texts_are_all_unusable_is_none_to_compare_with(ledger: Ledger):
    class Short(FakeVectorVerbalizer):
        async def describe(self, vectors: Any, sampling: Sampling) -> list[Verbalization]:
            said = await super().describe(vectors, sampling)
            return [replace(one, text="river") if '"river"' in one.text else one for one in said]

    assert "river" in WORDS
    others = [word for word in WORDS if word != "river"]
    evidence = [make(others[index % len(others)], index) for index in range(FEWEST_FEATURES - 1)]
    told = await drive([*evidence, make("river", 99)], Short(), ledger)
    trust = told[FeatureId(2, 0)].trust
    assert trust is not None
    assert trust.example_agreement is None
    assert f"({FEWEST_FEATURES - 1}, and it takes {FEWEST_FEATURES})" in trust.status_line


async def test_texts_of_ordinary_residuals_pass_the_gates_too(ledger: Ledger):
    class Curt(FakeVectorVerbalizer):
        async def describe(self, vectors: Any, sampling: Sampling) -> list[Verbalization]:
            said = await super().describe(vectors, sampling)
            if len(vectors) != N_BASELINE:
                return said
            return [replace(said[0], text="rain"), *said[1:]]

    [told] = (await drive([make("bread", 0)], Curt(), ledger)).values()
    assert told.trust is not None
    assert told.trust.self_agreement is not None
    assert told.trust.self_agreement.n_baseline == N_BASELINE - 1


@pytest.mark.parametrize("kind", ["decoder", "contrast"])
async def test_what_is_no_residual_is_held_against_random_vectors(ledger: Ledger, kind: Any):
    class Wordy(FakeVectorVerbalizer):
        """Says something else of each random vector."""

        async def describe(self, vectors: Any, sampling: Sampling) -> list[Verbalization]:
            said = await super().describe(vectors, sampling)
            return [replace(one, text=f"{one.text} No. {n}") for n, one in enumerate(said)]

    fake = Wordy()
    given = {FeatureId(2, 0): np.ones(32, dtype=np.float32)}
    evidence = [make("bread", 0, n=FEWEST_PAIRS + 8)]
    [told] = (
        await drive(evidence, fake, ledger, terms=Terms(kind=kind), directions=given)
    ).values()
    assert told.trust is not None
    assert told.trust.self_agreement is not None
    assert told.trust.self_agreement.against == "random vectors"
    assert told.trust.self_agreement.n_baseline == N_RANDOM
    assert told.trust.status == "weak"
    assert fake.asked.count(f"describe {N_RANDOM}") == 1


async def test_a_second_run_asks_nothing_and_says_the_same(ledger: Ledger):
    evidence = make_many(3)
    first = await drive(evidence, FakeVectorVerbalizer(), ledger)
    fake = FakeVectorVerbalizer()
    assert await drive(evidence, fake, ledger) == first
    assert fake.asked == []
    assert await drive(evidence, fake, ledger, ask=False) == first


async def test_without_a_ledger_entry_and_without_asking_it_is_unfinished(ledger: Ledger):
    await drive(make_many(2), FakeVectorVerbalizer(), ledger)
    told = await drive(make_many(3), FakeVectorVerbalizer(), ledger, ask=False)
    lacking = told[FeatureId(2, 2)]
    assert lacking.unavailable.startswith("not available: it is not in the ledger")
    assert lacking.unavailable.endswith(str(lacking.details["unfinished"]))
    assert told[FeatureId(2, 0)].is_available


async def test_what_breaks_for_one_feature_is_said_of_that_one(ledger: Ledger):
    told = await drive(make_many(4), FakeVectorVerbalizer(breaks=[WORDS[1]]), ledger)
    broken = told.pop(FeatureId(2, 1))
    assert broken.unavailable == f"not available: told to break at {WORDS[1]!r}"
    assert broken.details["unfinished"] == f"told to break at {WORDS[1]!r}"
    assert all(one.is_available for one in told.values())
    mended = await drive(make_many(4), FakeVectorVerbalizer(), ledger)
    assert mended[FeatureId(2, 1)].is_available


async def test_a_place_without_a_residual_gives_way_to_a_spare_one(ledger: Ledger):
    evidence = make("", 0)
    first = evidence.top[0].tokens[PEAK]
    [told] = (await drive([evidence], FakeVectorVerbalizer(misses=[first]), ledger)).values()
    missed = [said for said in told.said if said.fault]
    assert [(said.input_id, said.fault) for said in missed] == [("0.0", f"told to miss {first!r}")]
    assert {said.input_id for said in told.said if said.text} == {f"0.{n}" for n in range(1, 6)}
    assert "unfinished" not in told.details


async def test_without_any_residual_the_reason_is_the_first_one(ledger: Ledger):
    evidence = make("bread", 0)
    [told] = (await drive([evidence], FakeVectorVerbalizer(misses=[" bread"]), ledger)).values()
    assert told.unavailable == "not available: told to miss ' bread'"
    assert told.said[0].activation == 1.0
    assert told.trust is None
    assert "unfinished" not in told.details


async def test_a_feature_without_examples_has_no_place(ledger: Ledger):
    fake = FakeVectorVerbalizer()
    [told] = (await drive([make_evidence([])], fake, ledger)).values()
    assert "no example of the evidence" in told.unavailable
    assert fake.asked == []


async def test_held_out_examples_are_not_used(ledger: Ledger):
    held = {FeatureId(2, 0): ["0.0", "0.1"]}
    [told] = (
        await drive([make("bread", 0)], FakeVectorVerbalizer(), ledger, held_out=held)
    ).values()
    used = {said.input_id for said in (*told.said, *told.said_where_off)}
    assert not any(place.startswith(("0.0", "0.1")) for place in used)


async def test_a_feature_after_the_layer_is_told_to_be_so(ledger: Ledger):
    told = await drive([make("bread", 0, layer=7)], FakeVectorVerbalizer(), ledger)
    assert "of what leads to it" in told[FeatureId(7, 0)].notes[0]


async def test_texts_agree_by_their_last_paragraphs(ledger: Ledger):
    class Wandering(FakeVectorVerbalizer):
        """Begins with the same kind of text and ends on what the vector is."""

        async def describe(self, vectors: Any, sampling: Sampling) -> list[Verbalization]:
            said = await super().describe(vectors, sampling)
            return [replace(one, text=f"same same same\n\n{one.text}") for one in said]

    evidence = make_many(5)
    plain = await drive(evidence, FakeVectorVerbalizer(), ledger)
    with open_ledger(":memory:") as other:
        wandering = await drive(evidence, Wandering(), other)
    for one, changed in zip(plain.values(), wandering.values(), strict=True):
        assert one.trust is not None
        assert changed.trust is not None
        assert changed.trust.example_agreement == one.trust.example_agreement
        assert changed.trust.self_agreement == one.trust.self_agreement


async def test_a_text_of_one_paragraph_is_told_to_be_compared_whole(ledger: Ledger):
    class Terse(FakeVectorVerbalizer):
        async def describe(self, vectors: Any, sampling: Sampling) -> list[Verbalization]:
            said = await super().describe(vectors, sampling)
            return [replace(one, text=one.text.replace("\n\n", " ")) for one in said]

    for one in (await drive(make_many(2), Terse(), ledger)).values():
        assert one.trust is not None
        assert one.trust.notes == ("20 texts have one paragraph only, which was compared whole",)


async def test_greedy_texts_are_asked_for_once(ledger: Ledger):
    terms = Terms(sampling=Sampling(temperature=0.0))
    [told] = (await drive([make("bread", 0)], FakeVectorVerbalizer(), ledger, terms=terms)).values()
    assert [said.sample for said in told.said] == [0] * 5
    assert told.trust is not None
    assert told.trust.self_agreement is None
    assert told.details["samples"] == 1


async def test_a_text_that_is_the_same_without_a_vector_is_unusable(ledger: Ledger):
    class Deaf(FakeVectorVerbalizer):
        async def describe(self, vectors: Any, sampling: Sampling) -> list[Verbalization]:
            return [await super(Deaf, self).describe_nothing(sampling) for _ in vectors]

    told = await drive(make_many(3), Deaf(), ledger)
    for one in told.values():
        assert one.trust is not None
        assert one.trust.status == "unusable"
        assert "the same without a vector" in str(one.trust.gates)


async def test_a_mismatched_pair_gives_nothing_back(ledger: Ledger):
    class Mixed(FakeVectorVerbalizer):
        async def describe(self, vectors: Any, sampling: Sampling) -> list[Verbalization]:
            return await super().describe(np.roll(vectors, 5, axis=0), sampling)

    told = await drive(make_many(4), Mixed(), ledger)
    for one in told.values():
        assert one.trust is not None
        assert one.trust.status == "unusable"
        assert one.trust.gates.n_usable == 20
        assert one.trust.reconstruction is not None
        assert one.trust.reconstruction.fve < 0


class Bare:
    """A pair without residuals of ordinary text, and that cannot say anything of nothing."""

    name = "bare"

    def __init__(self) -> None:
        self._pair = FakeVectorVerbalizer()
        self.check = self._pair.check
        self.extract = self._pair.extract
        self.describe = self._pair.describe

    async def describe_nothing(self, sampling: Sampling) -> Verbalization:
        return Verbalization("", "", "this server always puts a vector in")

    async def compare(self, texts: Sequence[str], vectors: Any) -> Any:
        raise VerbalizerError("the critic is gone")


async def test_controls_that_cannot_be_run_are_named(ledger: Ledger):
    told = await drive(make_many(3), Bare(), ledger)
    for one in told.values():
        assert one.trust is not None
        assert one.trust.reconstruction is None
        assert any("always puts a vector in" in note for note in one.trust.notes)
        assert any("no residuals of ordinary text" in note for note in one.trust.notes)
        assert one.trust.status == "weak"
        assert "unfinished" not in one.details


async def test_a_critic_that_breaks_costs_the_reconstruction_alone(ledger: Ledger):
    class Half(FakeVectorVerbalizer):
        async def compare(self, texts: Sequence[str], vectors: Any) -> Any:
            raise VerbalizerError("the critic is gone")

    told = await drive(make_many(FEWEST_FEATURES), Half(), ledger)
    for one in told.values():
        assert one.trust is not None
        assert one.trust.reconstruction is None
        assert one.trust.example_agreement is not None
        assert one.trust.example_agreement.beats_baseline
        assert one.trust.status == "weak"
        assert "whether the critic gives the residuals back is not known" in one.trust.status_line
        assert any("the critic is gone" in note for note in one.trust.notes)
        assert one.details["unfinished"] == "the critic is gone"


async def test_a_difference_is_one_vector_and_never_more_than_weak(ledger: Ledger):
    evidence = [make(WORDS[index], index, n=FEWEST_PAIRS + 8) for index in range(3)]
    told = await drive(evidence, FakeVectorVerbalizer(), ledger, terms=Terms(kind="contrast"))
    for feature, one in told.items():
        assert [said.input_id for said in one.said] == ["contrast"] * 4
        assert all(f'"{WORDS[feature.index]}"' in said.text for said in one.said)
        assert one.trust is not None
        assert one.trust.status == "weak"
        assert one.trust.reconstruction is None


@pytest.mark.parametrize("broken", ["describe_nothing", "reference_vectors", "random"])
async def test_a_control_that_breaks_leaves_the_run_unfinished(ledger: Ledger, broken: str):
    class Breaking(FakeVectorVerbalizer):
        async def describe(self, vectors: Any, sampling: Sampling) -> list[Verbalization]:
            said = await super().describe(vectors, sampling)
            if broken == "random" and any("many kinds" in one.text for one in said):
                raise VerbalizerError("out of memory", where="/home/me/nla")
            return said

        async def describe_nothing(self, sampling: Sampling) -> Verbalization:
            if broken == "describe_nothing":
                raise VerbalizerError("out of memory", where="/home/me/nla")
            return await super().describe_nothing(sampling)

        def reference_vectors(self) -> Any:
            if broken == "reference_vectors":
                raise VerbalizerError("out of memory", where="/home/me/nla")
            return super().reference_vectors()

    for one in (await drive(make_many(2), Breaking(), ledger)).values():
        assert one.details["unfinished"] == "out of memory"
        assert "/home/me" not in str(one.to_record())
    for one in (await drive(make_many(2), FakeVectorVerbalizer(), ledger)).values():
        assert "unfinished" not in one.details


@pytest.mark.parametrize("method", ["extract", "describe", "compare"])
async def test_no_place_of_this_machine_gets_into_what_is_kept(ledger: Ledger, method: str):
    async def fail(*_: object) -> Any:
        raise VerbalizerError("it broke", where="/home/me/nla", remedy="Ask again")

    fake = FakeVectorVerbalizer()
    setattr(fake, method, fail)
    for one in (await drive(make_many(2), fake, ledger)).values():
        assert one.details["unfinished"] == "it broke. Ask again"
        assert "/home/me" not in str(one.to_record())


def test_a_place_that_is_missed_is_told_without_where_it_broke():
    gathered = Gathered(FeatureId(2, 0))
    passage = Passage("0.0", "All that rain", " rain", 1.0)
    gathered.miss(passage, VerbalizerError("it broke", where="/home/me/nla"))
    assert gathered.broke == gathered.finish().reason == "it broke"


async def test_a_server_tells_no_place_of_this_machine(ledger: Ledger):
    class Failing(FakePassageVerbalizer):
        async def explain(self, passages: Any, sampling: Sampling) -> Any:
            raise VerbalizerError("it broke", where="http://127.0.0.1:1")

    for one in (await drive(make_many(2), Failing(), ledger)).values():
        assert one.unavailable == "not available: it broke"
        assert "127.0.0.1" not in str(one.to_record())


async def test_a_difference_is_of_pairs_alone(ledger: Ledger):
    """A place where it fires and that is matched with none counts in neither mean."""

    class Noting(FakeVectorVerbalizer):
        described: Any = None

        async def describe(self, vectors: Any, sampling: Sampling) -> list[Verbalization]:
            if len(vectors) == 1:
                self.described = vectors[0]
            return await super().describe(vectors, sampling)

    evidence = make("bread", 0, n=FEWEST_PAIRS + 8)
    chosen = choose_passages(evidence, MOST_PAIRS, 1)
    lost = list(chosen.inactive[:3])
    fake = Noting(misses=[off.passage.token for off in lost])
    await drive([evidence], fake, ledger, terms=Terms(kind="contrast"))

    plain = FakeVectorVerbalizer()
    kept = [off for off in chosen.inactive if off not in lost]
    names = {passage.id: passage for passage in chosen.active}
    fires = await plain.extract([names[off.matched] for off in kept])
    quiet = await plain.extract([off.passage for off in kept])
    pairs = [
        one.vector - other.vector
        for one, other in zip(fires, quiet, strict=True)
        if isinstance(one, Extraction) and isinstance(other, Extraction)
    ]
    expected = np.mean(pairs, axis=0)
    assert len(pairs) == len(evidence.top) - 3
    assert np.allclose(fake.described, expected, atol=1e-4)


async def test_places_that_are_matched_with_none_make_no_pair(ledger: Ledger):
    evidence = make("bread", 0, n=FEWEST_PAIRS + 2)
    chosen = choose_passages(evidence, MOST_PAIRS, 1)
    fake = FakeVectorVerbalizer(misses=[off.passage.token for off in chosen.inactive[:3]])
    [one] = (await drive([evidence], fake, ledger, terms=Terms(kind="contrast"))).values()
    assert one.unavailable.startswith(f"not available: {FEWEST_PAIRS - 1} pairs of places")


async def test_claims_are_kept_only_where_the_places_differ(ledger: Ledger):
    class Even(FakeVectorVerbalizer):
        """Says the same kind of text wherever it is."""

        async def describe(self, vectors: Any, sampling: Sampling) -> list[Verbalization]:
            said = await super().describe(vectors, sampling)
            return [replace(one, text=f"A tale of a road {n % 3}") for n, one in enumerate(said)]

    for one in (await drive(make_many(3), Even(), ledger)).values():
        assert one.trust is not None
        assert one.kept_claims == ()
        assert any(note.startswith("no claim is kept: texts of") for note in one.trust.notes)


async def test_too_few_pairs_make_no_difference(ledger: Ledger):
    told = await drive(make_many(1), FakeVectorVerbalizer(), ledger, terms=Terms(kind="contrast"))
    [one] = told.values()
    assert one.unavailable.startswith("not available: 8 pairs of places")


async def test_a_direction_is_described_or_says_why_not(ledger: Ledger):
    evidence = make_many(5)
    direction = np.ones(32, dtype=np.float32)
    given = {
        FeatureId(2, 0): direction,
        FeatureId(2, 1): "it writes after layer 3",
        FeatureId(2, 2): direction[:4],
        FeatureId(2, 3): direction * 0,
    }
    told = await drive(
        evidence, FakeVectorVerbalizer(), ledger, terms=Terms(kind="decoder"), directions=given
    )
    reasons = [told[FeatureId(2, index)].unavailable for index in range(5)]
    assert reasons == [
        "",
        "not available: it writes after layer 3",
        "not available: its direction has 4 numbers and the pair reads 32",
        "not available: its direction is zero or not finite",
        "not available: nobody read its decoder rows: name the transcoders",
    ]
    assert {said.input_id for said in told[FeatureId(2, 0)].said} == {"decoder"}


async def test_a_server_on_passages_says_what_it_cannot_control(ledger: Ledger):
    fake = FakePassageVerbalizer(pair=FakeVectorVerbalizer(misses=[f" {WORDS[1]}"]))
    told = await drive(make_many(5), fake, ledger)
    assert told.pop(FeatureId(2, 1)).unavailable == f"not available: told to miss ' {WORDS[1]}'"
    for one in told.values():
        assert len(one.said) == 5
        assert len(one.said_where_off) == 10
        assert one.trust is not None
        assert one.trust.self_agreement is None
        assert one.trust.status == "weak"
        assert one.trust.reconstruction is not None
        assert one.trust.reconstruction.mismatch_fve is None
        assert one.trust.reconstruction.variance == 0.7
        assert len(one.trust.notes) == 2
    assert await drive(make_many(5), fake, ledger, ask=False) == told | {
        FeatureId(2, 1): (await drive(make_many(5), fake, ledger))[FeatureId(2, 1)]
    }


@pytest.mark.parametrize("kind", ["contrast", "decoder"])
async def test_a_server_on_passages_takes_no_vector(ledger: Ledger, kind: Any):
    fake = FakePassageVerbalizer()
    [told] = (await drive(make_many(1), fake, ledger, terms=Terms(kind=kind))).values()
    assert (
        told.unavailable
        == f"not available: fake-nla-server takes text alone, and {kind} is a vector"
    )
    assert fake.asked == []


async def test_no_features_no_questions(ledger: Ledger):
    fake = FakeVectorVerbalizer()
    assert await drive([], fake, ledger) == {}
    assert fake.asked == []


async def test_texts_that_were_told_are_on_record_when_a_later_stage_breaks(ledger: Ledger):
    class Late(FakeVectorVerbalizer):
        def reference_vectors(self) -> Any:
            raise VerbalizerError("out of memory")

    told = await drive(make_many(2), Late(), ledger)
    for one in told.values():
        assert one.trust is not None
        assert any("out of memory" in note for note in one.trust.notes)
    fake = FakeVectorVerbalizer()
    again = await drive(make_many(2), fake, ledger)
    assert [one.said for one in again.values()] == [one.said for one in told.values()]
    assert "reference_vectors" in fake.asked
    assert not any(call.startswith("extract") for call in fake.asked)


@pytest.mark.parametrize("verbalizer", [FakeVectorVerbalizer(), FakePassageVerbalizer()])
async def test_how_far_the_texts_are_is_told(ledger: Ledger, verbalizer: Any):
    shares: list[float] = []
    async with open_calls(verbalizer, CLAIM, ledger) as calls:
        watched = replace(calls, work=Work(shares.append))
        await verbalize_features(make_many(6), watched, WordEmbedder())
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len({share for share in shares if 0 < share < 1}) > 2
