"""What an NLA is asked about single features of a graph, and which of their examples still hold."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from clerp.config import Settings
from clerp.errors import InputError, NotAvailableError, UsageError, VerbalizerError
from clerp.event_loop import run_to_end
from clerp.evidence import EvidenceGap
from clerp.feature import FeatureId
from clerp.ledger import open_ledger
from clerp.naming import make_terms
from clerp.nla import open_verbalizer
from clerp.pipeline import find_feature
from clerp.plugins import Verbalizer
from clerp.pool import Pool, read_pools
from clerp.progress import Progress, ReportProgress
from clerp.proposing import OF_MODELS, check_method
from clerp.verbalizers import Missed
from clerp.verbalizers.choosing import cut_passage
from clerp.verbalizers.driving import Directions
from clerp.verbalizers.outcome import FeatureVerbalization, MethodName, tell_fault
from clerp.verbalizers.verbalization import InputKind
from clerp.verbalizing import LeftOut, NlaRequest, open_nla
from clerp_nla.inputs.decoder import DecoderRows
from clerp_nla.local import LocalVerbalizer
from clerp_nla.subject.firing import FiringCheck

_NOT_LOCAL = "a decoder direction is a vector of the model, and this NLA is not on this machine"
_NOT_HERE = "a peak can be run again only where the NLA is on this machine"
_NO_TRANSCODERS = "nobody says where its decoder rows are: name them with --transcoders"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about features."""

    kind: InputKind = "example"
    method: MethodName = ""
    transcoders: str | None = None
    """Where their rows are. Where they are given, peaks are run again before they are described."""


def ask_about(
    graph: Path,
    features: Sequence[str],
    question: Question,
    settings: Settings,
    report: ReportProgress,
) -> dict[FeatureId, FeatureVerbalization]:
    """Ask an NLA about features of a graph.

    Args:
        graph: Its file.
        features: `14_2268`, or ids of nodes.
        question: What is asked.
        settings: Name the NLA, the evidence, the ledger and, for some methods, a model.
        report: Is told how far this is.

    Returns:
        For each feature, in the order given, what was said or why nothing was.

    Raises:
        ClerpError: The graph, a feature, the NLA or a setting cannot be used.
    """
    _check(question, settings)
    verbalizer = open_verbalizer(settings)
    (pool,) = read_pools([graph], settings, report)
    wanted = list(dict.fromkeys(find_feature(pool.graphs[0], named) for named in features))
    report(Progress("verbalize", 0, len(wanted)))
    said = _ask(pool, wanted, verbalizer, question, settings)
    report(Progress("verbalize", len(wanted), len(wanted)))
    return {feature: said[feature] for feature in wanted}


def _check(question: Question, settings: Settings) -> None:
    check_method(question.method, question.kind)
    if question.method in OF_MODELS and not settings.llm:
        raise UsageError(
            f"the method {question.method} asks a language model, and none is named",
            remedy="Name one: --llm anthropic/claude-sonnet-4-5",
        )


def _ask(
    pool: Pool,
    features: Sequence[FeatureId],
    verbalizer: Verbalizer,
    question: Question,
    settings: Settings,
) -> dict[FeatureId, FeatureVerbalization]:
    confirmed = _Confirmed()
    directions: Directions = {}
    if question.kind == "decoder":
        directions = _read_directions(features, verbalizer, question.transcoders)
    elif question.transcoders is not None:
        confirmed = _confirm(pool, features, verbalizer, question.transcoders)
    request = NlaRequest(question.kind, question.method, directions, confirmed.left_out)
    asked = [feature for feature in features if feature not in confirmed.gone]

    async def ask() -> dict[FeatureId, FeatureVerbalization]:
        terms = make_terms(settings)
        async with open_nla(verbalizer, settings, ledger, question.method, terms) as nla:
            return await nla.ask(pool, asked, request)

    with open_ledger(settings.ledger) as ledger:
        said = run_to_end(ask)
    said |= {
        feature: FeatureVerbalization.decline(feature, question.kind, reason)
        for feature, reason in confirmed.gone.items()
    }
    unfinished = {"unfinished": confirmed.fault} if confirmed.fault else {}
    return {
        feature: replace(
            one,
            notes=(*one.notes, *confirmed.notes.get(feature, ())),
            details={**unfinished, **one.details},
        )
        for feature, one in said.items()
    }


@dataclass(frozen=True, slots=True)
class _Confirmed:
    """What came of running peaks again."""

    left_out: LeftOut | None = None
    """Ids of examples that do not hold; None where nothing was run."""
    gone: Mapping[FeatureId, str] = field(default_factory=dict[FeatureId, str])
    """Why no example of a feature holds."""
    notes: Mapping[FeatureId, tuple[str, ...]] = field(
        default_factory=dict[FeatureId, tuple[str, ...]]
    )
    fault: str = ""
    """Why nothing could be run, though it was asked for."""


def _confirm(
    pool: Pool, features: Sequence[FeatureId], verbalizer: Verbalizer, transcoders: str
) -> _Confirmed:
    """Find the examples at whose peaks a feature, run again, does not fire as the evidence says."""
    if not isinstance(verbalizer, LocalVerbalizer):
        return _Confirmed(notes=dict.fromkeys(features, (_NOT_HERE,)))
    try:
        check = FiringCheck(
            verbalizer.subject_place.folder,
            transcoders,
            features,
            device=verbalizer.placement.device,
            dtype=verbalizer.placement.dtype,
        )
    except (UsageError, InputError, VerbalizerError) as fault:
        why = f"peaks could not be run again: {tell_fault(fault)}"
        return _Confirmed(notes=dict.fromkeys(features, (why,)), fault=why)
    left_out, gone = dict[FeatureId, Collection[str]](), dict[FeatureId, str]()
    notes = dict[FeatureId, tuple[str, ...]]()
    for feature in features:
        evidence = pool.known[feature]
        if isinstance(evidence, EvidenceGap) or not evidence.top:
            continue
        peaks = [cut_passage(example, example.peak) for example in evidence.top]
        missed = [one for one in check.confirm(feature, peaks) if isinstance(one, Missed)]
        left_out[feature] = tuple(one.passage.id for one in missed)
        notes[feature] = tuple(f"{one.passage.id} was left out: {one.reason}" for one in missed)
        if len(missed) == len(peaks):
            gone[feature] = f"no peak holds: {missed[0].reason}"
    return _Confirmed(left_out, gone, notes)


def _read_directions(
    features: Sequence[FeatureId], verbalizer: Verbalizer, transcoders: str | None
) -> Directions:
    if not isinstance(verbalizer, LocalVerbalizer):
        return dict.fromkeys(features, _NOT_LOCAL)
    if transcoders is None:
        return dict.fromkeys(features, _NO_TRANSCODERS)
    try:
        rows = DecoderRows(transcoders, verbalizer.reach())
    except NotAvailableError as misfit:
        return dict.fromkeys(features, tell_fault(misfit))
    return {feature: _sum_up(rows, feature) for feature in features}


def _sum_up(rows: DecoderRows, feature: FeatureId) -> Float32[np.ndarray, " d_model"] | str:
    try:
        return rows.sum_up_to(feature)
    except NotAvailableError as undefined:
        return tell_fault(undefined)
