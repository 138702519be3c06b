"""What a labeler's answer must be to stand in a labelled graph."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast, get_args

import numpy as np

from clerp.errors import LabelerError
from clerp.labelers import LabelRequest
from clerp.labels import MAX_LABEL_CHARS, Abstention, Confidence, Label, clean_label
from clerp.testing.contract import (
    ContractError,
    find_own_path,
    is_encodable,
    is_line,
    require,
)


def check_answer(
    answer: object, name: str, request: LabelRequest, subject: str
) -> Label | Abstention:
    """Check what a labeler returned.

    Args:
        answer: Whatever it returned.
        name: The labeler's name.
        request: What it was asked.
        subject: How a message names labeler and request.

    Raises:
        ContractError: It cannot stand in a labelled graph.
    """
    match answer:
        case Label():
            said = _check_label(answer, request, subject)
        case Abstention():
            said = [("reason", answer.reason)]
        case _:
            raise ContractError(
                f"{subject} returned {answer!r}: it returns a Label or an Abstention, and raises"
                " LabelerError when it broke"
            )
    require(
        answer.method == name,
        f"{subject} answered by the method {answer.method!r}: that is the labeler's name",
    )
    _check_details(answer.details, subject)
    for what, text in said:
        require(is_line(text), f"{subject} gives the {what} {text!r}: it is one line of text")
    _refuse_paths(json.dumps([said, answer.details], ensure_ascii=False), request, subject)
    return answer


def check_fault(fault: LabelerError, request: LabelRequest, subject: str) -> None:
    """Check that an error can stand in a labelled graph as the reason why there is no label.

    Raises:
        ContractError: It is not one line or names a folder of this machine.
    """
    text = str(fault)
    require(is_line(text), f"{subject} broke with {text!r}: the reason is one line of text")
    _refuse_paths(text, request, subject)


def write_request(request: LabelRequest) -> str:
    """Write all that a request holds, to see whether it has changed."""
    return json.dumps(request, default=_spell, ensure_ascii=False)


def _check_label(label: Label, request: LabelRequest, subject: str) -> list[tuple[str, str]]:
    _check_text(label.text, subject)
    known = {example.id for example in (*request.evidence.top, *request.evidence.lower)}
    unknown = [example for example in label.evidence if example not in known]
    require(
        not unknown, f"{subject} rests on the examples {unknown}, which the request does not have"
    )
    require(
        label.confidence in get_args(Confidence),
        f"{subject} is {label.confidence!r} confident: it is one of {get_args(Confidence)}",
    )
    return [("label", label.text), ("explanation", label.explanation)]


def _check_text(text: object, subject: str) -> None:
    require(is_line(text), f"{subject} labels {text!r}: a label is one line of text")
    label = cast(str, text)
    require(
        len(label) <= MAX_LABEL_CHARS,
        f"{subject} gives a label of {len(label)} characters: at most {MAX_LABEL_CHARS}",
    )
    require(
        clean_label(label) == label,
        f"{subject} labels {label!r}, which is not clean: clerp.labels.clean_label makes it"
        f" {clean_label(label)!r}",
    )


def _check_details(details: object, subject: str) -> None:
    require(isinstance(details, dict), f"{subject} gives details that are no dict: {details!r}")
    for key, value in cast(dict[object, object], details).items():
        require(
            isinstance(key, str) and _is_plain(value),
            f"{subject} gives the detail {key!r}: {value!r}, which JSON cannot hold: values are"
            " text, finite numbers or None",
        )


def _is_plain(value: object) -> bool:
    match value:
        case str():
            return is_encodable(value)
        case float():
            return math.isfinite(value)
        case _:
            return value is None or isinstance(value, int)


def _refuse_paths(text: str, request: LabelRequest, subject: str) -> None:
    path = find_own_path(text, given=write_request(request))
    require(path is None, f"{subject} names {path}, a folder of this machine, in its answer")


def _spell(value: Any) -> object:  # noqa: ANN401 - json hands over anything
    match value:
        case np.ndarray():
            return cast(object, value.tolist())
        case Mapping():
            return dict(cast(Mapping[str, object], value))
        case _:
            return {field.name: getattr(value, field.name) for field in fields(value)}
