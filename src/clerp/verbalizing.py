"""Tier 3: what an NLA says of the features of a run that resist labelling."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from clerp.config import Settings
from clerp.errors import NotAvailableError, VerbalizerError
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.labelers.llm import LlmLabeler, open_llm
from clerp.labelers.llm import Terms as ModelTerms
from clerp.labelers.methods import find_description_method, list_held_out
from clerp.ledger import Ledger
from clerp.nla import claim_model
from clerp.outcome import LabeledFeature
from clerp.plugins import Verbalizer, find
from clerp.pool import Pool
from clerp.progress import Progress, ReportProgress
from clerp.proposing import OF_MODELS, propose
from clerp.requests import Requests
from clerp.verbalizers.driving import Terms, verbalize_features
from clerp.verbalizers.outcome import FeatureVerbalization, MethodName, tell_fault
from clerp.verbalizers.recording import RecordedCalls, open_calls
from clerp.verbalizers.verbalization import InputKind
from clerp.verbalizers.work import Work

Named = Mapping[FeatureId, LabeledFeature]
Said = Mapping[FeatureId, FeatureVerbalization]
ReportShare = Callable[[float], None]
"""Is told the share of the texts that are there, from 0 to 1."""
_CHANCE = 0.05


@dataclass(frozen=True, slots=True)
class NlaRequest:
    """What an NLA is asked of features, and what is made of that."""

    kind: InputKind = "example"
    method: MethodName = ""
    """How a proposal is made of the texts; empty where none is."""
    record: Callable[[RecordedCalls], None] | None = None
    """Is given the calls when all has been said, to write them down."""


@dataclass(frozen=True, slots=True)
class Nla:
    """A verbalizer, and a language model for methods that ask one, with all that a run sets."""

    verbalizer: Verbalizer
    settings: Settings
    ledger: Ledger
    model: LlmLabeler | None = None

    async def ask(
        self,
        pool: Pool,
        features: Sequence[FeatureId],
        request: NlaRequest,
        report: ReportProgress,
    ) -> dict[FeatureId, FeatureVerbalization]:
        """Ask about features.

        Args:
            pool: That they are in.
            features: Whatever their tier.
            request: What is asked.
            report: Is told how far this is, features by the share of their texts that are there.

        Returns:
            What was said of each, or why nothing was: a pair that does not fit, or that broke,
            ends no run.

        Raises:
            ClerpError: The ledger failed, or the method is made for something else, or
                transcoders cannot be used.
        """
        n = len(features)

        def report_share(share: float) -> None:
            report(Progress("verbalize", int(share * n), n))

        report_share(0.0)
        evidence = [e for f in features if isinstance(e := pool.known[f], FeatureEvidence)]
        gaps = [gap for f in features if isinstance(gap := pool.known[f], EvidenceGap)]
        said = {
            gap.feature: FeatureVerbalization.decline(gap.feature, request.kind, gap.reason)
            for gap in gaps
        }
        if evidence:
            said |= await self._describe(pool, evidence, request, report_share)
        told = await self._propose(pool, said, request) if request.method else said
        report(Progress("verbalize", n, n))
        return told

    async def _describe(
        self,
        pool: Pool,
        evidence: Sequence[FeatureEvidence],
        request: NlaRequest,
        report: ReportShare,
    ) -> dict[FeatureId, FeatureVerbalization]:
        settings = self.settings
        claim = claim_model(pool.graphs[0], settings.nla_model)
        try:
            async with open_calls(
                self.verbalizer, claim, self.ledger, ask=not settings.offline
            ) as calls:
                said = await verbalize_features(
                    evidence,
                    replace(calls, work=Work(report)),
                    find("embedders", settings.embedder),
                    Terms(request.kind, settings.nla_examples, settings.nla_samples),
                    # Which ones depends on all examples, also on those whose peaks do not hold.
                    held_out={one.feature: list_held_out(one) for one in evidence},
                    transcoders=settings.nla_transcoders,
                )
                if request.record is not None:
                    request.record(calls)
                return said
        except VerbalizerError as fault:
            reason = tell_fault(fault)
            may_mend = not isinstance(fault, NotAvailableError)
            details = {"unfinished": reason} if may_mend else {}
            return {
                one.feature: replace(
                    FeatureVerbalization.decline(one.feature, request.kind, reason),
                    details=details,
                )
                for one in evidence
            }

    async def _propose(
        self, pool: Pool, said: Said, request: NlaRequest
    ) -> dict[FeatureId, FeatureVerbalization]:
        requests = Requests(pool, self.settings)
        at_once = asyncio.Semaphore(self.settings.concurrency)
        proposed = dict(said)

        async def make(feature: FeatureId) -> None:
            async with at_once:
                asked = await requests.make(feature) if request.method in OF_MODELS else None
                proposed[feature] = await propose(said[feature], request.method, asked, self.model)

        try:
            async with asyncio.TaskGroup() as tasks:
                for feature in said:
                    tasks.create_task(make(feature))
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from None
        return proposed


@asynccontextmanager
async def open_nla(
    verbalizer: Verbalizer,
    settings: Settings,
    ledger: Ledger,
    method: MethodName,
    terms: ModelTerms,
) -> AsyncGenerator[Nla]:
    """Open an NLA and, where a method asks one and it is named, a language model.

    Args:
        verbalizer: As `clerp.nla.open_verbalizer` makes it.
        settings: Name the model, and how much is asked.
        ledger: Where all that is said is kept.
        method: What is to be made of the texts.
        terms: What the model may cost.

    Raises:
        ClerpError: The model cannot be asked.
    """
    nla = Nla(verbalizer, settings, ledger)
    if method not in OF_MODELS or not settings.llm:
        yield nla
        return
    ask = not settings.offline
    made = open_llm(settings.llm, terms=terms, ask=ask)
    asking = replace(made, method=find_description_method(method))
    model = asking.with_ledger(ledger, ask=ask)
    try:
        yield replace(nla, model=model)
    finally:
        await model.aclose()


async def verbalize_pools(
    pools: Sequence[Pool],
    named: Sequence[Named],
    verbalizer: Verbalizer,
    settings: Settings,
    ledger: Ledger,
    terms: ModelTerms,
    report: ReportProgress,
) -> list[Named]:
    """Ask an NLA about the features of tier 3 of some pools.

    Where a language model is named it says, by the method `baez`, what the texts of a feature
    share: hardly anybody reads twenty texts of each. That is still no label.

    Args:
        pools: With what people decided.
        named: What became of their features so far.
        verbalizer: As `clerp.nla.open_verbalizer` makes it.
        settings: How much is asked, and whether anybody may be.
        ledger: Where all that is said is kept.
        terms: What a language model may cost.
        report: Is told how far this is.

    Returns:
        The same outcomes, those of tier 3 with what was said of them or why nothing was.

    Raises:
        ClerpError: The ledger failed, or the language model cannot be asked.
    """
    method: MethodName = "baez" if settings.llm else ""
    told: list[Named] = []
    async with open_nla(verbalizer, settings, ledger, method, terms) as nla:
        for pool, outcomes in zip(pools, named, strict=True):
            asked = list_tier_3(pool)
            said = await nla.ask(pool, asked, NlaRequest(method=method), report)
            changed = {f: replace(outcomes[f], verbalization=one) for f, one in said.items()}
            told.append({**outcomes, **changed})
    return told


def list_tier_3(pool: Pool) -> list[FeatureId]:
    """List the features that an NLA is asked about: those that wait for a person to name them.

    They are obscure, or a model would be asked but for doubt about their role. Artefacts are not
    among them, for they have nothing to name.
    """
    return [
        feature
        for feature, route in pool.routes.items()
        if route.tier == 3
        and route.role != "artefact"
        and (feature not in pool.reviewed or pool.reviewed[feature].label is None)
        and isinstance(pool.known[feature], FeatureEvidence)
    ]


def note_verbalizations(features: Sequence[LabeledFeature]) -> tuple[str, ...]:
    """Say what came of asking an NLA about features, in a sentence or two."""
    said = [f.verbalization for f in features if f.verbalization is not None]
    statuses = Counter(one.trust.status for one in said if one.trust is not None)
    missing = Counter(one.unavailable for one in said if one.unavailable)
    notes: list[str] = []
    if statuses:
        told = ", ".join(f"{n} {status}" for status, n in sorted(statuses.items()))
        notes.append(
            f"An NLA spoke of {statuses.total()} of {len(said)} "
            f"{_name_features(len(said))} of tier 3: {told}. It is experimental and gives no "
            "labels; read it with clerp why or clerp review"
        )
    if statuses["suggestive"]:
        n_judged = statuses.total() - statuses["unusable"]
        notes.append(
            f"By chance alone up to {_CHANCE * n_judged:.2g} of {n_judged} "
            f"{_name_features(n_judged)} would be suggestive: p is not corrected for how many were "
            "asked about"
        )
    for reason, n in missing.most_common(1):
        others = missing.total() - n
        more = f"; {others} more for other reasons" if others else ""
        were = "was" if n == 1 else "were"
        notes.append(f"{n} {_name_features(n)} of tier 3 {were} not verbalized, {reason}{more}")
    return tuple(notes)


def _name_features(n: int) -> str:
    return "feature" if n == 1 else "features"
