import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.outcomes import make_label
from tests.pools import FEATURES, make_known, make_pool
from tests.strangers import Stranger, raising, returning
from tests.unit.graph.conftest import build_graph

from clerp.config import Settings
from clerp.errors import (
    AnswerError,
    LabelerError,
    LedgerError,
    PluginError,
    TransportError,
    UsageError,
)
from clerp.evidence import EvidenceGap
from clerp.feature import FeatureId
from clerp.graph import read_graph
from clerp.labelers import LabelRequest
from clerp.labels import Abstention, Label
from clerp.naming import name_feature, name_features
from clerp.progress import Progress, ignore_progress
from clerp.requests import Requests
from clerp.router import Role
from clerp.testing import FakeLabeler

FIRST = FEATURES[0]


async def name_first(labeler: Any, role: Any = "input", **labelers: Any):
    requests = Requests(make_pool(role), Settings())
    return await name_feature(requests, FIRST, labelers.get("labelers", {1: labeler}))


async def test_a_label_is_the_outcome_with_all_that_it_rests_on():
    label = make_label(details={"cost_usd": 0.5})
    pool = make_pool("input")
    outcome = await name_feature(Requests(pool, Settings()), FIRST, {1: returning(label)})
    assert (outcome.status, outcome.label, outcome.hint) == ("labeled", label, "")
    assert (outcome.reason, outcome.method) == (label.explanation, label.method)
    assert outcome.details == {"cost_usd": 0.5}
    assert outcome.route is pool.routes[FIRST]
    evidence = pool.known[FIRST]
    assert not isinstance(evidence, EvidenceGap)
    assert outcome.evidence_digest == evidence.digest


async def test_an_abstention_leaves_a_hint_and_the_reason():
    declined = Abstention("m", "two words, neither leads", {"cost_usd": 0.25})
    outcome = await name_first(returning(declined))
    assert (outcome.status, outcome.label) == ("abstained", None)
    assert (outcome.reason, outcome.method) == (declined.reason, "m")
    assert outcome.details == {"cost_usd": 0.25}
    assert outcome.hint.startswith("Dallas | ")
    assert outcome.evidence_digest


async def test_a_gap_goes_to_review_with_nothing_to_go_by():
    gap = EvidenceGap(FIRST, "lost")
    labeler = FakeLabeler()
    pool = make_pool("obscure", known={FIRST: gap})
    outcome = await name_feature(Requests(pool, Settings()), FIRST, {3: labeler})
    assert (outcome.status, outcome.label, outcome.method) == ("needs_review", None, "")
    assert (outcome.hint, outcome.evidence_digest) == ("", "")
    assert outcome.reason == outcome.route.reason
    assert labeler.asked == []


async def test_of_an_artefact_no_labeler_is_asked():
    labeler = FakeLabeler()
    outcome = await name_first(None, "artefact", labelers={1: labeler, 2: labeler, 3: labeler})
    assert (outcome.status, outcome.label, outcome.method) == ("abstained", None, "")
    assert outcome.reason == "told to be artefact"
    assert outcome.hint
    assert labeler.asked == []


@pytest.mark.parametrize(
    ("role", "reason"),
    [("cross", "no LLM configured"), ("obscure", "obscure: no window is alike enough")],
)
async def test_a_tier_without_a_labeler_goes_to_review(role: str, reason: str):
    outcome = await name_first(FakeLabeler(), role)
    assert (outcome.status, outcome.reason, outcome.method) == ("needs_review", reason, "")
    assert outcome.hint
    assert outcome.evidence_digest


async def test_what_is_in_doubt_says_what_the_router_found():
    route = make_pool("cross").routes[FIRST]
    doubtful = replace(route, tier=3, escalated_from=2)
    pool = make_pool("cross", routes={FIRST: doubtful})
    outcome = await name_feature(Requests(pool, Settings()), FIRST, {})
    assert outcome.reason == f"in doubt: {route.reason}"


@pytest.mark.parametrize(("role", "asked"), [("input", 1), ("output", 1), ("cross", 2)])
async def test_the_labeler_of_the_tier_is_asked_and_no_other(role: str, asked: int):
    labelers = {1: FakeLabeler("first"), 2: FakeLabeler("second")}
    outcome = await name_first(None, role, labelers=labelers)
    assert outcome.method == labelers[asked].name
    assert {tier: len(labeler.asked) for tier, labeler in labelers.items()} == {
        1: int(asked == 1),
        2: int(asked == 2),
    }


async def test_a_failure_keeps_what_was_paid_before_it():
    fault = AnswerError("no label", details={"cost_usd": 0.5})
    outcome = await name_first(raising(fault))
    assert (outcome.status, outcome.details) == ("failed", {"cost_usd": 0.5})


@pytest.mark.parametrize(
    "fault",
    [
        LabelerError("it broke", where="here", remedy="Mend it"),
        TransportError("it broke", where="here", remedy="Mend it"),
        AnswerError("it broke", where="here", remedy="Mend it"),
    ],
    ids=lambda fault: type(fault).__name__,
)
async def test_a_labeler_that_breaks_makes_its_feature_failed(fault: LabelerError):
    outcome = await name_first(raising(fault))
    assert (outcome.status, outcome.label) == ("failed", None)
    assert (outcome.reason, outcome.method) == ("here: it broke. Mend it", "stranger")
    assert outcome.hint


async def name_all(labeler: Any, n: int = 6, concurrency: int = 8, report: Any = ignore_progress):
    roles: list[Role] = ["input"] * n
    pool = make_pool(*roles)
    async with asyncio.timeout(20):
        return await name_features(pool, {1: labeler}, Settings(concurrency=concurrency), report)


async def test_one_failure_is_of_one_feature():
    labeler = FakeLabeler(breaks=[FEATURES[1]], abstains=[FEATURES[2]])
    outcomes = await name_all(labeler, n=4)
    assert [outcome.status for outcome in outcomes.values()] == [
        "labeled",
        "failed",
        "abstained",
        "labeled",
    ]


async def test_a_labeler_that_cancels_itself_does_not_lose_a_feature():
    async def answer(request: LabelRequest) -> Label:
        if request.evidence.feature == FEATURES[1]:
            raise asyncio.CancelledError
        return make_label()

    outcomes = await name_all(Stranger(answer), n=3)
    assert [o.status for o in outcomes.values()] == ["labeled", "failed", "labeled"]


async def test_outcomes_are_in_the_order_of_features_whoever_is_first():
    n = 4
    turns = {feature: asyncio.Event() for feature in FEATURES[:n]}
    turns[FEATURES[n - 1]].set()
    ended: list[FeatureId] = []

    async def answer(request: LabelRequest) -> Label:
        feature = request.evidence.feature
        await turns[feature].wait()
        ended.append(feature)
        for before in FEATURES[:n]:
            if before.layer == feature.layer - 1:
                turns[before].set()
        return make_label()

    outcomes = await name_all(Stranger(answer), n)
    assert ended == list(FEATURES[:n])[::-1]
    assert list(outcomes) == list(FEATURES[:n])
    assert all(outcome.feature == feature for feature, outcome in outcomes.items())


@pytest.mark.parametrize("concurrency", [1, 2, 3])
async def test_as_many_are_asked_at_once_as_allowed_and_never_more(concurrency: int):
    all_here = asyncio.Barrier(concurrency)
    running, most = 0, 0

    async def answer(_: LabelRequest) -> Label:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await all_here.wait()
        running -= 1
        return make_label()

    await name_all(Stranger(answer), n=6, concurrency=concurrency)
    assert (most, running) == (concurrency, 0)


@pytest.mark.parametrize(
    "fault", [LedgerError("disk full"), UsageError("no key"), PluginError("litellm is missing")]
)
async def test_what_concerns_every_feature_is_raised_and_stops_the_rest(fault: Exception):
    asked: list[FeatureId] = []
    cancelled: list[FeatureId] = []
    waiting = asyncio.Barrier(3)

    async def answer(request: LabelRequest) -> Label:
        asked.append(request.evidence.feature)
        try:
            await waiting.wait()
            if request.evidence.feature == FEATURES[1]:
                raise fault
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(request.evidence.feature)
            raise
        return make_label()

    with pytest.raises(type(fault)) as raised:
        await name_all(Stranger(answer), n=6, concurrency=3)
    assert raised.value is fault
    assert {*cancelled, FEATURES[1]} == set(asked)
    assert not set(FEATURES[4:]) & set(asked)


async def test_who_is_cancelled_from_outside_ends_as_cancelled():
    asked = asyncio.Event()

    async def answer(_: LabelRequest) -> Label:
        asked.set()
        await asyncio.Event().wait()
        return make_label()

    run = asyncio.create_task(name_all(Stranger(answer), n=2))
    await asked.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert run.cancelled()


async def test_a_cancellation_from_outside_is_no_failure_of_the_labeler():
    asked = asyncio.Event()

    async def answer(_: LabelRequest) -> Label:
        asked.set()
        await asyncio.Event().wait()
        return make_label()

    run = asyncio.create_task(name_first(Stranger(answer)))
    await asked.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_progress_counts_features_as_they_are_done():
    told: list[Progress] = []
    await name_all(FakeLabeler(breaks=[FIRST]), n=3, report=told.append)
    assert told == [Progress("label", done, 3) for done in range(4)]


async def test_a_pool_without_features_has_no_outcome():
    _, routes = make_known([])
    assert await name_features(make_pool("input", routes=routes), {}, Settings(), ignore_progress)
    told: list[Progress] = []
    empty = make_pool(graphs=[read_graph(build_graph())])
    assert await name_features(empty, {}, Settings(), told.append) == {}
    assert told == [Progress("label", 0, 0)]
