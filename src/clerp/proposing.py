"""What a method makes of what an NLA said of a feature: a proposal for a person, never a label."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

from clerp.errors import LabelerError, UsageError
from clerp.labelers.guard import ask_labeler
from clerp.labelers.request import Described, LabelRequest
from clerp.labels import Abstention
from clerp.plugins import Labeler
from clerp.verbalizers.claims import choose_paragraph
from clerp.verbalizers.outcome import FeatureVerbalization, MethodName, SaidOf, tell_fault
from clerp.verbalizers.verbalization import InputKind

OF_MODELS: tuple[MethodName, ...] = ("baez", "baez_last")
"""Methods that ask a language model."""
METHODS: tuple[MethodName, ...] = tuple(name for name in get_args(MethodName) if name)
_NEEDED_INPUT: dict[MethodName, InputKind] = {
    "baez": "example",
    "baez_last": "example",
    "nla_decoder": "decoder",
    "nla_contrast": "example",
}


def check_method(method: MethodName, kind: InputKind) -> None:
    """Check that a method is made for what was described.

    Raises:
        UsageError: It is made for another input.
    """
    needed = _NEEDED_INPUT.get(method, kind)
    if needed != kind:
        raise UsageError(
            f"the method {method} is made for the input {needed}, and not for {kind}",
            remedy=f"Give --input {needed}, or another --method",
        )


async def propose(
    said: FeatureVerbalization,
    method: MethodName,
    request: LabelRequest | None = None,
    labeler: Labeler | None = None,
) -> FeatureVerbalization:
    """Return what was said with what a method makes of it.

    Texts that fail the gates are made nothing of, and where nothing comes of others the notes say
    why.

    Args:
        said: Of one feature.
        method: `baez` and `baez_last` ask a language model for what the texts share; `nla_decoder`
            takes the text of the decoder direction as it is; `nla_contrast` takes the claims that
            no text makes where the feature is off.
        request: The feature, for methods that ask a model.
        labeler: The model, with one of these methods.

    Raises:
        UsageError: The method is made for another input, or there is no model to ask.
        ClerpError: The ledger failed, or something else that concerns every feature.
    """
    check_method(method, said.kind)
    if not said.is_available:
        return said
    if said.trust is not None and said.trust.status == "unusable":
        return _add_note(said, method, "nothing is made of texts that are unusable")
    match method:
        case "":
            return said
        case "nla_decoder":
            return _take_text(said)
        case "nla_contrast":
            return _take_claims(said)
        case "baez" | "baez_last":
            if request is None or labeler is None:
                raise UsageError(
                    f"the method {method} asks a language model, and none is named",
                    remedy="Name one: --llm anthropic/claude-sonnet-4-5",
                )
            return await _ask(said, method, request, labeler)


def _take_text(said: FeatureVerbalization) -> FeatureVerbalization:
    text = next((one.text for one in said.said if not one.fault), "")
    if not text:
        return _add_note(said, "nla_decoder", "no text of it can be used")
    return replace(said, method="nla_decoder", proposal=text)


def _take_claims(said: FeatureVerbalization) -> FeatureVerbalization:
    if not said.said_where_off:
        return _add_note(said, "nla_contrast", "there is no text of a place where it is off")
    contrast = said.trust.contrast if said.trust else None
    if contrast is None or contrast.withheld:
        why = contrast.withheld if contrast else "nobody knows whether texts differ where it is off"
        return _add_note(said, "nla_contrast", why)
    if not said.kept_claims:
        why = "all that is said where it fires is said where it is off, too"
        return _add_note(said, "nla_contrast", why)
    return replace(said, method="nla_contrast", proposal=" ".join(said.kept_claims))


async def _ask(
    said: FeatureVerbalization, method: MethodName, request: LabelRequest, labeler: Labeler
) -> FeatureVerbalization:
    chosen = _choose_texts(said.said, only_last=method == "baez_last")
    described = replace(said, method=method, notes=(*said.notes, *chosen.notes))
    try:
        answer = await ask_labeler(labeler, replace(request, descriptions=chosen.texts))
    except LabelerError as fault:
        why = tell_fault(fault)
        failed = _add_note(described, method, why)
        return replace(failed, details={**said.details, **fault.details, "unfinished": why})
    details = {**said.details, **answer.details}
    if isinstance(answer, Abstention):
        return replace(_add_note(described, method, answer.reason), details=details)
    return replace(described, proposal=answer.text, details=details)


@dataclass(frozen=True, slots=True)
class _Chosen:
    texts: tuple[Described, ...]
    notes: tuple[str, ...]


def _choose_texts(said: Sequence[SaidOf], *, only_last: bool) -> _Chosen:
    """Choose one text of each example: the first that can be used."""
    first: dict[str, SaidOf] = {}
    for one in said:
        if not one.fault and one.activation is not None:
            first.setdefault(one.input_id, one)
    texts: list[Described] = []
    notes: list[str] = []
    for place, one in first.items():
        text = one.text
        if only_last:
            paragraph = choose_paragraph(one.text)
            text = paragraph.text
            if paragraph.is_whole:
                notes.append(f"baez_last: the text of {place} is one paragraph, taken whole")
        texts.append(Described(place, text, one.activation or 0.0))
    return _Chosen(tuple(texts), tuple(notes))


def _add_note(said: FeatureVerbalization, method: MethodName, why: str) -> FeatureVerbalization:
    return replace(said, method=method, notes=(*said.notes, f"{method}: {why}"))
