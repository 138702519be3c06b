"""Every route to an outcome: the labeler of its tier is asked, or it is said why none is."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import cast

from clerp.config import Settings
from clerp.errors import ClerpError, LabelerError
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.labelers import LabelRequest
from clerp.labelers.token_frequency import hint
from clerp.labels import Abstention, Label
from clerp.ledger import Ledger
from clerp.outcome import LabeledFeature, Status
from clerp.plugins import Labeler, Ledgered, find
from clerp.pool import Pool
from clerp.progress import Progress, ReportProgress
from clerp.router import Route, Tier

_log = logging.getLogger("clerp")
_MAX_FAULT_CHARS = 200

Labelers = Mapping[Tier, Labeler]


@asynccontextmanager
async def open_labelers(
    settings: Settings, ledger: Ledger, *, ask: bool = True
) -> AsyncGenerator[Labelers]:
    """Make the labelers of tiers 1 and 2, and close what they opened.

    Args:
        settings: Names them; without `llm` there is none for tier 2.
        ledger: Where a labeler that pays keeps its answers.
        ask: False lets it use only answers that are there.
    """
    named: dict[Tier, str] = {1: settings.labeler}
    if settings.llm:
        named[2] = f"litellm:{settings.llm}"
    async with AsyncExitStack() as opened:
        labelers: dict[Tier, Labeler] = {}
        for tier, name in named.items():
            labeler = labelers[tier] = _open(name, ledger, ask=ask)
            if isinstance(labeler, Ledgered):
                opened.push_async_callback(labeler.aclose)
        yield labelers


async def name_features(
    pool: Pool, labelers: Labelers, concurrency: int, report: ReportProgress
) -> dict[FeatureId, LabeledFeature]:
    """Name every feature of a pool, `concurrency` at once.

    Returns:
        Outcomes sorted by feature. A labeler that breaks makes its feature `failed` and no more.

    Raises:
        ClerpError: The ledger failed, or something else that concerns every feature.
    """
    at_once = asyncio.Semaphore(concurrency)
    named: dict[FeatureId, LabeledFeature] = {}

    async def name(feature: FeatureId) -> None:
        async with at_once:
            named[feature] = await name_feature(pool, feature, labelers)
        report(Progress("label", len(named), len(pool.routes)))

    report(Progress("label", 0, len(pool.routes)))
    try:
        async with asyncio.TaskGroup() as tasks:
            for feature in pool.routes:
                tasks.create_task(name(feature))
    except ExceptionGroup as faults:
        raise faults.exceptions[0] from None
    return {feature: named[feature] for feature in pool.routes}


async def name_feature(pool: Pool, feature: FeatureId, labelers: Labelers) -> LabeledFeature:
    """Ask the labeler of a feature's tier, if it has one and the evidence is worth asking about.

    Raises:
        ClerpError: As `name_features`.
    """
    evidence, route = pool.known[feature], pool.routes[feature]
    if isinstance(evidence, EvidenceGap):
        return LabeledFeature(feature, route, "needs_review", None, route.reason, "", "", "")
    if route.role == "artefact":
        return _unnamed(route, evidence, "abstained", Abstention("", route.reason))
    labeler = labelers.get(route.tier)
    if labeler is None:
        missing = "no LLM configured" if route.tier == 2 else "obscure: no window is alike enough"
        return _unnamed(route, evidence, "needs_review", Abstention("", missing))
    request = LabelRequest(evidence, route, pool.logit_edges(feature))
    try:
        answer = await _ask(labeler, request)
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


def _open(name: str, ledger: Ledger, *, ask: bool) -> Labeler:
    labeler = find("labelers", name)
    return labeler.with_ledger(ledger, ask=ask) if isinstance(labeler, Ledgered) else labeler


async def _ask(labeler: Labeler, request: LabelRequest) -> Label | Abstention:
    """Ask a labeler that anybody may have written; whatever goes wrong in it is its own."""
    try:
        answer = cast(object, await labeler.label(request))
    except ClerpError:
        raise
    except (Exception, asyncio.CancelledError) as fault:
        if isinstance(fault, asyncio.CancelledError) and _is_cancelled():
            raise
        _log.debug("%s broke at %s", labeler.name, request.evidence.feature, exc_info=True)
        said = " ".join(f"{type(fault).__name__}: {fault}".split())[:_MAX_FAULT_CHARS]
        raise LabelerError(f"the labeler {labeler.name!r} broke: {said}") from fault
    if not isinstance(answer, Label | Abstention):
        raise LabelerError(
            f"the labeler {labeler.name!r} answered {type(answer).__name__}, which is neither a "
            "label nor an abstention"
        )
    return answer


def _is_cancelled() -> bool:
    # A labeler that lets the cancellation of a task of its own escape has not been cancelled; a
    # task group would take the feature for done.
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


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
