"""What an NLA is asked in a run, and what becomes of features of which it says nothing."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.fake_llm import always_good, run_fake_llm
from tests.outcomes import make_named, make_unnamed
from tests.pools import FEATURES, make_pool
from tests.rerunning import OFF, RerunningVerbalizer
from tests.verbalizations import make_trust, make_verbalization

from clerp.config import Settings
from clerp.errors import InputError, LedgerError, VerbalizerError
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.labelers.llm import Terms
from clerp.labelers.methods import list_held_out
from clerp.ledger import Ledger, open_ledger
from clerp.ledger.decision import Verdict
from clerp.llm.budget import Budget
from clerp.llm.prices import Price
from clerp.outcome import LabeledFeature, list_charges
from clerp.pool import Pool
from clerp.progress import Progress, ignore_progress
from clerp.report.verbalized import view_verbalization
from clerp.testing import make_evidence
from clerp.testing.fake_verbalizer import (
    MODEL,
    FakePassageVerbalizer,
    FakeVectorVerbalizer,
)
from clerp.verbalizers.outcome import FeatureVerbalization
from clerp.verbalizers.peaks import NOT_RUN_AGAIN
from clerp.verbalizing import (
    Named,
    list_tier_3,
    note_verbalizations,
    verbalize_pools,
)

FIRST, SECOND, THIRD, FOURTH = FEATURES[:4]
WORDS = {FIRST: " Texas", THIRD: " music"}
OWN = "owner/transcoders"
"""What graphs here call their transcoders."""
SETTINGS = Settings(nla="nla:org/pair", nla_model=MODEL, nla_examples=4, nla_samples=3)


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with open_ledger(":memory:") as opened:
        yield opened


def make_known() -> dict[Any, FeatureEvidence | EvidenceGap]:
    """Make evidence whose peaks all stand on one of the words that the fake pair knows."""
    return {
        feature: make_evidence(
            [
                (*(f" {feature.index}a{n}b{i}" for i in range(12)), word, " end", " of", " it")
                for n in range(6)
            ],
            feature=feature,
            peak=12,
        )
        for feature, word in WORDS.items()
    }


def make_obscure_pool(**given: Any) -> Pool:
    return make_pool("obscure", "input", "obscure", "artefact", known=make_known(), **given)


def make_outcomes(pool: Pool) -> dict[Any, LabeledFeature]:
    return {
        feature: replace(
            make_unnamed(feature) if route.role != "input" else make_named(feature), route=route
        )
        for feature, route in pool.routes.items()
    }


def make_verbalizer(**given: Any) -> FakeVectorVerbalizer:
    return FakeVectorVerbalizer(**given)


async def ask(
    ledger: Ledger, verbalizer: Any = None, settings: Settings = SETTINGS, **given: Any
) -> Named:
    pool = given.get("pool") or make_obscure_pool()
    [told] = await verbalize_pools(
        [pool],
        [make_outcomes(pool)],
        verbalizer or make_verbalizer(),
        settings,
        ledger,
        given.get("terms", Terms()),
        given.get("report", ignore_progress),
    )
    return told


async def test_obscure_features_are_described_and_no_others(ledger: Ledger):
    told = await ask(ledger)
    assert {f for f, outcome in told.items() if outcome.verbalization} == {FIRST, THIRD}
    said = told[FIRST].verbalization
    assert said is not None
    assert len({one.input_id for one in said.said}) == 4
    assert len(said.said) == 4 * 3
    assert all("Texas" in one.text for one in said.said)
    assert said.trust is not None
    # It names nothing.
    outcome = told[FIRST]
    assert (outcome.label, outcome.status, outcome.hint) == (
        None,
        "needs_review",
        make_unnamed().hint,
    )


async def test_what_was_not_asked_about_is_as_it_was(ledger: Ledger):
    told = await ask(ledger)
    before = make_outcomes(make_obscure_pool())
    assert list(told) == list(before)
    assert {f: told[f] for f in (SECOND, FOURTH)} == {f: before[f] for f in (SECOND, FOURTH)}


def test_artefacts_gaps_and_what_people_named_are_left_alone():
    gap = EvidenceGap(SECOND, "lost")
    pool = make_pool("obscure", "obscure", "artefact", "obscure", known={SECOND: gap})
    judged = {
        FOURTH: Verdict("agreed", "", "obscure", ("ada",)),
        FIRST: Verdict("agreed", None, "obscure", ("ada",)),
    }
    # Of the first people only said the role.
    assert list_tier_3(replace(pool, reviewed=judged)) == [FIRST]


def test_what_is_too_close_to_call_is_asked_about_as_well():
    pool = make_pool("cross", "input", "cross", "artefact")
    doubtful = replace(pool.routes[THIRD], tier=3, escalated_from=2)
    assert list_tier_3(replace(pool, routes={**pool.routes, THIRD: doubtful})) == [THIRD]


async def test_examples_that_labels_are_scored_on_are_not_described(ledger: Ledger):
    texts = [(*(f" {n}w{i}" for i in range(12)), " Texas", " it") for n in range(20)]
    evidence = make_evidence(texts, feature=FIRST, peak=12)
    pool = make_pool("obscure", known={FIRST: evidence})
    told = await ask(ledger, settings=SETTINGS.model_copy(update={"nla_examples": 20}), pool=pool)
    said = told[FIRST].verbalization
    assert said is not None
    # A fifth of twenty is held out.
    assert len({one.input_id for one in said.said}) == 16


async def test_a_pair_of_another_model_leaves_a_reason_and_what_is_needed(ledger: Ledger):
    verbalizer = make_verbalizer(model="other-2b")
    told = await ask(ledger, verbalizer)
    for feature in (FIRST, THIRD):
        said = told[feature].verbalization
        assert said is not None
        assert said.unavailable == (
            "not available: the pair is made for 'other-2b', the graph is of 'fake-2b'. An NLA of "
            "'fake-2b' is needed"
        )
        assert not told[feature].is_unfinished
    assert verbalizer.asked == []


class Unreachable(FakeVectorVerbalizer):
    def check(self, claim: Any) -> Any:
        raise VerbalizerError("the server is down", where="/home/ada/pair", remedy="Start it")


async def test_a_pair_that_cannot_be_asked_leaves_the_run_unfinished(ledger: Ledger):
    told = await ask(ledger, Unreachable())
    said = told[FIRST].verbalization
    assert said is not None
    assert said.unavailable == "not available: the server is down. Start it"
    assert told[FIRST].is_unfinished
    assert not told[SECOND].is_unfinished


@pytest.mark.parametrize(
    "fault", [InputError("the weights hold NaN", where="/home/ada/pair"), RuntimeError("no memory")]
)
async def test_a_pair_whose_check_breaks_in_any_way_ends_no_run(ledger: Ledger, fault: Exception):
    class Broken(FakeVectorVerbalizer):
        def check(self, claim: Any) -> Any:
            raise fault

    told = await ask(ledger, Broken())
    said = told[FIRST].verbalization
    assert said is not None
    assert str(fault).rpartition(": ")[2] in said.unavailable
    assert "ada" not in said.unavailable
    assert told[FIRST].is_unfinished


async def test_a_second_run_asks_nobody_and_says_the_same(ledger: Ledger):
    first, again = make_verbalizer(), make_verbalizer()
    told = await ask(ledger, first)
    assert first.asked
    assert await ask(ledger, again) == told
    assert again.asked == []


async def test_offline_only_the_ledger_answers(ledger: Ledger):
    offline = SETTINGS.model_copy(update={"offline": True})
    silent = make_verbalizer()
    missing = await ask(ledger, silent, offline)
    said = missing[FIRST].verbalization
    assert said is not None
    assert said.unavailable.endswith("Run once without --offline")
    told = await ask(ledger)
    assert await ask(ledger, silent, offline) == told
    assert silent.asked == []


async def test_a_server_that_keeps_residuals_says_which_controls_are_missing(ledger: Ledger):
    told = await ask(ledger, FakePassageVerbalizer(pair=make_verbalizer()))
    said = told[FIRST].verbalization
    assert said is not None
    view = view_verbalization(said)
    assert any("keeps residuals to itself" in note for note in view.notes)


async def test_where_nothing_is_obscure_nobody_is_asked(ledger: Ledger):
    verbalizer = make_verbalizer()
    pool = make_pool("input", "artefact")
    told = await ask(ledger, verbalizer, pool=pool)
    assert verbalizer.asked == []
    assert told == make_outcomes(pool)


async def test_progress_begins_with_nothing_and_ends_with_all(ledger: Ledger):
    told: list[Progress] = []
    await ask(ledger, report=told.append)
    assert (told[0], told[-1]) == (Progress("verbalize", 0, 2), Progress("verbalize", 2, 2))
    assert [one.done for one in told] == sorted(one.done for one in told)
    assert Progress("verbalize", 1, 2) in told


async def test_a_ledger_that_fails_ends_the_run(ledger: Ledger):
    ledger.close()
    with pytest.raises(LedgerError):
        await ask(ledger)


async def test_with_a_model_each_feature_has_a_proposal_and_still_no_label(ledger: Ledger):
    with run_fake_llm(always_good) as fake:
        settings = SETTINGS.model_copy(update={"llm": f"http:m@{fake.address}"})
        terms = Terms(prices={"http:m": Price(1.0, 1.0)}, budget=Budget(1.0))
        told = await ask(ledger, settings=settings, terms=terms)
        prompts = [json.dumps(request) for request in fake.requests]
        assert await ask(ledger, settings=settings, terms=terms) == told
        assert len(fake.requests) == len(prompts) == 2
    assert all("Texas" in prompt or "music" in prompt for prompt in prompts)
    for feature in (FIRST, THIRD):
        outcome = told[feature]
        assert outcome.verbalization is not None
        assert outcome.verbalization.method == "baez"
        assert outcome.verbalization.proposal
        assert (outcome.label, outcome.status) == (None, "needs_review")
    charged = [c for c in list_charges(told.values()) if "cost_usd" in c.details]
    assert [c.method for c in charged] == ["baez", "baez"]


async def test_a_budget_that_is_used_up_leaves_texts_without_a_proposal(ledger: Ledger):
    with run_fake_llm(always_good) as fake:
        settings = SETTINGS.model_copy(update={"llm": f"http:m@{fake.address}"})
        terms = Terms(prices={"http:m": Price(1.0, 1.0)}, budget=Budget(0.0))
        told = await ask(ledger, settings=settings, terms=terms)
        assert fake.requests == []
    said = told[FIRST].verbalization
    assert said is not None
    assert said.said
    assert said.proposal == ""
    assert "budget" in said.notes[-1]
    assert told[FIRST].is_unfinished


def test_a_note_counts_what_was_said_and_why_nothing_was():
    gone = FeatureVerbalization.decline(SECOND, "example", "no peak")
    lost = FeatureVerbalization.decline(THIRD, "example", "lost")
    features = [
        make_unnamed(FIRST, verbalization=make_verbalization(FIRST)),
        make_unnamed(SECOND, verbalization=gone),
        make_unnamed(FOURTH, verbalization=gone),
        make_unnamed(THIRD, verbalization=lost),
        make_named(FIRST),
    ]
    spoke, by_chance, missing = note_verbalizations(features)
    assert spoke.startswith("An NLA spoke of 1 of 4 features of tier 3: 1 suggestive. It is")
    assert by_chance.startswith("By chance alone up to 0.05 of 1 feature would be suggestive")
    assert missing == (
        "2 features of tier 3 were not verbalized, not available: no peak; 1 more for other reasons"
    )
    (alone,) = note_verbalizations([make_unnamed(FIRST, verbalization=gone)])
    assert alone == "1 feature of tier 3 was not verbalized, not available: no peak"
    said = make_verbalization(FIRST)
    spoke, by_chance = note_verbalizations([make_unnamed(FIRST, verbalization=said)])
    assert spoke.startswith("An NLA spoke of 1 of 1 feature of tier 3: 1 suggestive. It is")
    assert by_chance.startswith("By chance alone up to 0.05 of 1 feature would be suggestive")
    assert note_verbalizations([make_named(FIRST)]) == ()


def test_how_many_could_be_suggestive_by_chance_is_said_where_any_is():
    def note(*statuses: Any) -> tuple[str, ...]:
        said = [make_verbalization(trust=make_trust(status=status)) for status in statuses]
        return note_verbalizations([make_unnamed(FIRST, verbalization=one) for one in said])

    assert len(note(*["weak"] * 40)) == 1
    assert note("suggestive", *["weak"] * 39, "unusable")[1].startswith(
        "By chance alone up to 2 of 40 features"
    )


async def test_that_peaks_were_not_run_again_is_noted_with_every_text(ledger: Ledger):
    told = await ask(ledger)
    for feature in (FIRST, THIRD):
        said = told[feature].verbalization
        assert said is not None
        assert NOT_RUN_AGAIN in said.notes


async def test_examples_that_do_not_hold_are_left_out_and_the_held_out_ones_stay(ledger: Ledger):
    texts = [(*(f" {n}w{i}" for i in range(12)), " Texas", " it") for n in range(20)]
    evidence = make_evidence(texts, feature=FIRST, peak=12)
    pool = make_pool("obscure", known={FIRST: evidence})
    held_out = list_held_out(evidence)
    off = {example.id for example in evidence.top[::2]}
    assert off & set(held_out)
    settings = SETTINGS.model_copy(update={"nla_examples": 20, "nla_transcoders": OWN})
    told = await ask(ledger, RerunningVerbalizer(off=off, set_name=OWN), settings, pool=pool)
    said = told[FIRST].verbalization
    assert said is not None
    gone = off - set(held_out)
    used = {one.input_id for one in said.said}
    assert used == {example.id for example in evidence.top} - gone - set(held_out)
    near = {one.input_id.partition("-")[0] for one in said.said_where_off}
    assert near.isdisjoint({*off, *held_out})
    assert said.notes == tuple(f"{e.id} was left out: {OFF}" for e in evidence.top if e.id in off)
    assert not told[FIRST].is_unfinished


async def test_peaks_are_run_again_once_and_offline_by_nobody(ledger: Ledger):
    settings = SETTINGS.model_copy(update={"nla_transcoders": OWN})
    told = await ask(ledger, RerunningVerbalizer(off=["0.1"], set_name=OWN), settings)
    again, silent = (RerunningVerbalizer(set_name=OWN) for _ in range(2))
    assert await ask(ledger, again, settings) == told
    offline = settings.model_copy(update={"offline": True})
    assert await ask(ledger, silent, offline) == told
    assert again.asked == silent.asked == silent.opened == []


async def test_a_set_that_cannot_be_read_costs_the_check_of_peaks_alone(ledger: Ledger):
    settings = SETTINGS.model_copy(update={"nla_transcoders": OWN})
    fault = InputError("the file is cut off", where="/home/ada/rows", remedy="Fetch it again")
    told = await ask(ledger, RerunningVerbalizer(open_fault=fault), settings)
    for feature in (FIRST, THIRD):
        said = told[feature].verbalization
        assert said is not None
        assert said.said
        why = "peaks could not be run again: the file is cut off. Fetch it again"
        assert said.notes == (NOT_RUN_AGAIN, why)
        assert told[feature].is_unfinished


def test_people_who_named_a_feature_are_asked_nothing_more():
    pool = replace(
        make_obscure_pool(), reviewed={FIRST: Verdict("agreed", "a name", "cross", ("ada",))}
    )
    assert list_tier_3(pool) == [THIRD]
