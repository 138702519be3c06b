"""A model's text to an answer that may become a label."""

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from clerp.errors import AnswerError
from clerp.evidence import ActivationExample
from clerp.labels import MAX_LABEL_CHARS, clean_label
from clerp.llm.redaction import fold_line
from clerp.llm.suspicion import find_suspicion

MAX_WORDS = 6
MAX_SENTENCE_CHARS = 400

_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)\n\s*```", re.DOTALL)


def _drop_titles(schema: dict[str, Any]) -> None:
    """Leave out what repeats the names: every request pays for it."""
    schema.pop("title")
    schema.pop("description")
    for field in schema["properties"].values():
        field.pop("title")


# Flat, without unions, references or limits: providers translate JSON schemas differently and some
# reject or ignore more than this, so that limits are checked here.
class LabelAnswer(BaseModel):
    """A name for a feature and what it rests on."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, json_schema_extra=_drop_titles
    )

    label: str
    explanation: str
    evidence: list[str]
    abstain: bool
    abstain_reason: str


def parse_answer(
    text: str, *, asked: str = "", shown: Sequence[ActivationExample] = ()
) -> LabelAnswer:
    r"""Read and check an answer.

    Args:
        text: What the model answered: a JSON object, bare or in a ```json fence.
        asked: The text of the prompt, data and all. A label that repeats it is an echo, no label.
        shown: The examples in the prompt. A label that one of them dictates is no label.

    Returns:
        The answer, its label clean and of 1 to 6 words unless it abstains.

    Raises:
        AnswerError: The text is no such answer. `what` says what is wrong in clerp's own words and
            quotes nothing of the answer, so that it may be shown to a model again.
    """
    answer = _validate(_unwrap(text))
    if answer.abstain:
        reason = _check_sentence("abstain_reason", answer.abstain_reason)
        return answer.model_copy(update={"abstain_reason": reason})
    if suspicion := find_suspicion(answer.label, asked, shown):
        raise AnswerError(f"the label {suspicion}")
    return answer.model_copy(
        update={
            "label": _check_label(answer.label),
            "explanation": _check_sentence("explanation", answer.explanation),
        }
    )


def unknown_ids(answer: LabelAnswer, shown: Sequence[ActivationExample]) -> tuple[str, ...]:
    """Return the ids that an answer rests on but was not shown, each once, in its order.

    They are the model's own text, of any length.
    """
    known = {example.id for example in shown}
    return tuple(dict.fromkeys(given for given in answer.evidence if given not in known))


def _unwrap(text: str) -> str:
    bare = text.strip()
    if bare.startswith("{"):
        return bare
    fenced = _FENCED.findall(bare)
    return fenced[0] if len(fenced) == 1 else bare


def _validate(text: str) -> LabelAnswer:
    try:
        return LabelAnswer.model_validate_json(text)
    except ValidationError as invalid:
        complaint = "; ".join(_complaints(invalid))
    # Outside of the handler: the validator's own error quotes the answer.
    raise AnswerError(f"the answer does not fit the schema: {complaint}")


def _complaints(invalid: ValidationError) -> list[str]:
    said: list[str] = []
    for error in invalid.errors(include_input=False, include_context=False, include_url=False):
        place = error["loc"][0] if error["loc"] else "the answer"
        # A key that is not ours is the model's text.
        known = place if place in {*LabelAnswer.model_fields, "the answer"} else "another key"
        line = f"{known}: {error['msg']}"
        if line not in said:
            said.append(line)
    return said


def _check_label(label: str) -> str:
    clean = clean_label(label)
    n_words = len(label.split())
    if not clean:
        raise AnswerError("the label is empty")
    if n_words > MAX_WORDS:
        raise AnswerError(f"the label has {n_words} words, not 1 to {MAX_WORDS}")
    # A little too long is cut where it is written; a text of one endless word is no name.
    if len(label.strip()) > 2 * MAX_LABEL_CHARS:
        raise AnswerError(f"the label is longer than {MAX_LABEL_CHARS} characters")
    return clean


def _check_sentence(name: str, text: str) -> str:
    line = fold_line(text)
    if len(line) > MAX_SENTENCE_CHARS:
        raise AnswerError(f"{name} is longer than {MAX_SENTENCE_CHARS} characters")
    return line
