"""Tier 3: what an NLA says of the features of a run that resist labelling."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from clerp.config import Settings
from clerp.errors import InputError, NotAvailableError, VerbalizerError
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
from clerp.verbalizers.driving import Directions, Terms, verbalize_features
from clerp.verbalizers.outcome import FeatureVerbalization, MethodName, tell_fault
from clerp.verbalizers.recording import open_calls
from clerp.verbalizers.verbalization import InputKind

Named = Mapping[FeatureId, LabeledFeature]
Said = Mapping[FeatureId, FeatureVerbalization]
LeftOut = Mapping[FeatureId, Collection[str]]
NOT_RUN_AGAIN = "no peak was run again: that the feature fires there is what the evidence says"
_CHANCE = 0.05


@dataclass(frozen=True, slots=True)
class NlaRequest:
    """What an NLA is asked of features, and what is made of that."""

    kind: InputKind = "example"
    method: MethodName = ""
    """How a proposal is made of the texts; empty where none is."""
    directions: Directions = field(default_factory=dict[FeatureId, str])
    """What decoder rows write, or why there is none, for the kind `decoder`."""
    left_out: LeftOut | None = None
    """Ids of examples, by feature, that do not fire as the evidence says; None where nobody ran
    them again."""


@dataclass(frozen=True, slots=True)
class Nla:
    """A verbalizer, and a language model for methods that ask one, with all that a run sets."""

    verbalizer: Verbalizer
    settings: Settings
    ledger: Ledger
    model: LlmLabeler | None = None

    async def ask(
        self, pool: Pool, features: Sequence[FeatureId], request: NlaRequest
    ) -> dict[FeatureId, FeatureVerbalization]:
        """Ask about features.

        Returns:
            What was said of each, or why nothing was: a pair that does not fit, or that broke,
            ends no run.

        Raises:
            ClerpError: The ledger failed, or the method is made for something else.
        """
        evidence = [e for f in features if isinstance(e := pool.known[f], FeatureEvidence)]
        gaps = [gap for f in features if isinstance(gap := pool.known[f], EvidenceGap)]
        said = {
            gap.feature: FeatureVerbalization.decline(gap.feature, request.kind, gap.reason)
            for gap in gaps
        }
        if evidence:
            said |= await self._describe(pool, evidence, request)
        if request.left_out is None and request.kind != "decoder":
            said = {feature: _add_note(one, NOT_RUN_AGAIN) for feature, one in said.items()}
        return await self._propose(pool, said, request) if request.method else said

    async def _describe(
        self, pool: Pool, evidence: Sequence[FeatureEvidence], request: NlaRequest
    ) -> dict[FeatureId, FeatureVerbalization]:
        settings = self.settings
        claim = claim_model(pool.graphs[0], settings.nla_model)
        left_out = request.left_out or {}
        try:
            async with open_calls(
                self.verbalizer, claim, self.ledger, ask=not settings.offline
            ) as calls:
                return await verbalize_features(
                    evidence,
                    calls,
                    find("embedders", settings.embedder),
                    Terms(request.kind, settings.nla_examples, settings.nla_samples),
                    # Which examples are held out depends on all of them, also on those left out.
                    held_out={
                        one.feature: (*list_held_out(one), *left_out.get(one.feature, ()))
                        for one in evidence
                    },
                    directions=request.directions,
                )
        except (VerbalizerError, InputError) as fault:
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
    """Ask an NLA about the obscure features of some pools.

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
        The same outcomes, those of obscure features with what was said of them or why nothing was.

    Raises:
        ClerpError: The ledger failed, or the language model cannot be asked.
    """
    method: MethodName = "baez" if settings.llm else ""
    told: list[Named] = []
    async with open_nla(verbalizer, settings, ledger, method, terms) as nla:
        for pool, outcomes in zip(pools, named, strict=True):
            asked = list_obscure(pool)
            report(Progress("verbalize", 0, len(asked)))
            said = await nla.ask(pool, asked, NlaRequest(method=method)) if asked else {}
            changed = {f: replace(outcomes[f], verbalization=one) for f, one in said.items()}
            told.append({**outcomes, **changed})
            report(Progress("verbalize", len(asked), len(asked)))
    return told


def list_obscure(pool: Pool) -> list[FeatureId]:
    """List the features that an NLA is asked about: obscure ones that no person has judged."""
    return [
        feature
        for feature, route in pool.routes.items()
        if route.role == "obscure"
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
            f"An NLA spoke of {statuses.total()} of {len(said)} obscure features: {told}. It is "
            "experimental and gives no labels; read it with clerp why or clerp review"
        )
    if statuses["suggestive"]:
        n_judged = statuses.total() - statuses["unusable"]
        notes.append(
            f"By chance alone up to {_CHANCE * n_judged:.2g} of {n_judged} features would be "
            "suggestive: p is not corrected for how many were asked about"
        )
    for reason, n in missing.most_common(1):
        others = missing.total() - n
        more = f"; {others} more for other reasons" if others else ""
        were = "feature was" if n == 1 else "features were"
        notes.append(f"{n} obscure {were} not verbalized, {reason}{more}")
    return tuple(notes)


def _add_note(said: FeatureVerbalization, note: str) -> FeatureVerbalization:
    return replace(said, notes=(*said.notes, note)) if said.is_available else said
