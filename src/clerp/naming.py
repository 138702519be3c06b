"""Every route to an outcome: the labeler of its tier is asked, or it is said why none is."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import cast

from clerp.config import Settings
from clerp.errors import LabelerError, UsageError
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.labelers.combined import FallbackLabeler, RefiningLabeler
from clerp.labelers.guard import ask_labeler
from clerp.labelers.llm import LlmLabeler, Terms, open_llm
from clerp.labelers.token_frequency import hint
from clerp.labels import Abstention
from clerp.ledger import Ledger
from clerp.llm.budget import Budget
from clerp.llm.prices import Price
from clerp.outcome import LabeledFeature, Status
from clerp.plugins import Labeler, Ledgered, find
from clerp.pool import Pool
from clerp.progress import Progress, ReportProgress
from clerp.requests import Requests
from clerp.review.lock import make_reviewed
from clerp.router import Route, Tier

REFINER = "small-llm"
"""The method that words labels of tier 1 better."""

Labelers = Mapping[Tier, Labeler]


@asynccontextmanager
async def open_labelers(
    settings: Settings, ledger: Ledger, *, ask: bool = True, terms: Terms | None = None
) -> AsyncGenerator[Labelers]:
    """Make the labelers of all tiers, and close what they opened.

    Args:
        settings: Names them; without `llm` there is none for tier 2.
        ledger: Where a labeler that pays keeps its answers.
        ask: False lets it use only answers that are there.
        terms: What asking may cost, and what came of it; by default that of the settings.

    Raises:
        UsageError: A setting names what there is not, or there is a budget without a price.
        PluginError: A labeler is not installed.
    """
    async with AsyncExitStack() as opened:
        labelers: dict[Tier, Labeler] = {}
        for labeler, tiers in _make_labelers(settings, terms or make_terms(settings), ask=ask):
            ready = labeler
            if isinstance(labeler, Ledgered):
                ready = labeler.with_ledger(ledger, ask=ask)
                opened.push_async_callback(cast(Ledgered, ready).aclose)
            labelers |= dict.fromkeys(tiers, ready)
        yield labelers


def make_terms(settings: Settings) -> Terms:
    """Read from settings what the calls of a run may cost, and how fast they may go."""
    prices = {model: Price(price.input, price.output) for model, price in settings.prices.items()}
    return Terms(Budget(settings.budget), prices, settings.concurrency, settings.llm_timeout)


def _make_labelers(
    settings: Settings, terms: Terms, *, ask: bool
) -> list[tuple[Labeler, Sequence[Tier]]]:
    llm = _make_llm(settings, terms, ask=ask)
    if settings.llm_all and settings.refine:
        raise UsageError(
            "refine words labels of tier 1 better, and with llm_all there are none",
            remedy="Leave out one of the two",
        )
    if llm and settings.llm_all:
        return [(llm, (1, 2, 3))]
    first = _bind(find("labelers", settings.labeler), settings, terms)
    if settings.refine:
        refiner = open_llm(settings.refine, method=REFINER, terms=terms, ask=ask)
        first = RefiningLabeler(first, refiner)
    made: list[tuple[Labeler, Sequence[Tier]]] = [(first, (1,))]
    return [*made, (llm, (2,))] if llm else made


def _bind(labeler: Labeler, settings: Settings, terms: Terms) -> Labeler:
    """Hold a labeler that may pay to the terms of the run."""
    if isinstance(labeler, LlmLabeler):
        return open_llm(settings.labeler.partition(":")[2], terms=terms)
    if isinstance(labeler, Ledgered) and terms.budget.is_limited:
        raise UsageError(
            f"the labeler {labeler.name!r} keeps to no budget",
            remedy="Leave out --budget, or name another --labeler",
        )
    return labeler


def _make_llm(settings: Settings, terms: Terms, *, ask: bool) -> Labeler | None:
    if not settings.llm:
        _check_no_model_is_needed(settings)
        return None
    first = open_llm(settings.llm, method=settings.method, terms=terms, ask=ask)
    if not settings.fallback_model:
        return first
    second = open_llm(settings.fallback_model, method=settings.method, terms=terms, ask=ask)
    return FallbackLabeler(first, replace(second, instead_of=first.transport.model))


def _check_no_model_is_needed(settings: Settings) -> None:
    for name in ("llm_all", "fallback_model"):
        if getattr(settings, name):
            raise UsageError(
                f"{name} says something of a model, and none is named",
                remedy="Name one: --llm anthropic/claude-sonnet-4-5",
            )


async def name_features(
    pool: Pool, labelers: Labelers, settings: Settings, report: ReportProgress
) -> dict[FeatureId, LabeledFeature]:
    """Name every feature of a pool, `settings.concurrency` at once.

    Returns:
        Outcomes sorted by feature. A labeler that breaks makes its feature `failed` and no more.

    Raises:
        ClerpError: The ledger failed, or something else that concerns every feature.
    """
    requests = Requests(pool, settings)
    at_once = asyncio.Semaphore(settings.concurrency)
    named: dict[FeatureId, LabeledFeature] = {}

    async def name(feature: FeatureId) -> None:
        async with at_once:
            named[feature] = await name_feature(requests, feature, labelers)
        report(Progress("label", len(named), len(pool.routes)))

    report(Progress("label", 0, len(pool.routes)))
    try:
        async with asyncio.TaskGroup() as tasks:
            for feature in pool.routes:
                tasks.create_task(name(feature))
    except ExceptionGroup as faults:
        raise faults.exceptions[0] from None
    return {feature: named[feature] for feature in pool.routes}


async def name_feature(
    requests: Requests, feature: FeatureId, labelers: Labelers
) -> LabeledFeature:
    """Ask the labeler of a feature's tier, if it has one and the evidence is worth asking about.

    Raises:
        ClerpError: As `name_features`.
    """
    pool = requests.pool
    evidence, route = pool.known[feature], pool.routes[feature]
    if feature in pool.reviewed:
        reviewed = make_reviewed(route, evidence, pool.reviewed[feature])
        if reviewed is not None:
            return reviewed
    if isinstance(evidence, EvidenceGap):
        return LabeledFeature(feature, route, "needs_review", None, route.reason, "", "", "")
    if route.role == "artefact":
        return _unnamed(route, evidence, "abstained", Abstention("", route.reason))
    labeler = labelers.get(route.tier)
    if labeler is None:
        return _unnamed(route, evidence, "needs_review", Abstention("", _say_missing(route)))
    request = await requests.make(feature)
    try:
        answer = await ask_labeler(labeler, request)
    except LabelerError as fault:
        return _unnamed(
            route, evidence, "failed", Abstention(labeler.name, str(fault), dict(fault.details))
        )
    if isinstance(answer, Abstention):
        return _unnamed(route, evidence, "abstained", answer)
    return LabeledFeature(
        feature=feature,
        route=route,
        status="labeled",
        label=answer,
        reason=answer.explanation,
        method=answer.method,
        hint="",
        evidence_digest=evidence.digest,
        details=answer.details,
    )


def _say_missing(route: Route) -> str:
    if route.tier == 2:
        return "no LLM configured"
    if route.role == "obscure":
        return "obscure: no window is alike enough"
    return f"in doubt: {route.reason}"


def _unnamed(
    route: Route, evidence: FeatureEvidence, status: Status, declined: Abstention
) -> LabeledFeature:
    return LabeledFeature(
        feature=route.feature,
        route=route,
        status=status,
        label=None,
        reason=declined.reason,
        method=declined.method,
        hint=hint(evidence),
        evidence_digest=evidence.digest,
        details=declined.details,
    )
