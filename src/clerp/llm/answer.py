"""A model's text to an answer that may become a label."""

import re

from pydantic import BaseModel, ConfigDict, ValidationError

from clerp.errors import AnswerError
from clerp.labels import clean_label

MAX_WORDS = 6
MAX_SENTENCE_CHARS = 400

_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)\n\s*```", re.DOTALL)


# Flat, without unions, references or limits: providers translate JSON schemas differently and some
# reject or ignore more than this, so that limits are checked here. The docstring is sent with it.
class LabelAnswer(BaseModel):
    """A name for a feature and what it rests on."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    label: str
    explanation: str
    evidence: list[str]
    abstain: bool
    abstain_reason: str


def parse_answer(text: str, *, asked: str = "") -> LabelAnswer:
    r"""Read and check an answer.

    Args:
        text: What the model answered: a JSON object, bare or in a ```json fence.
        asked: The text of the prompt. A label that repeats a line of it is an echo, no label.

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
    return answer.model_copy(
        update={
            "label": _check_label(answer.label, asked),
            "explanation": _check_sentence("explanation", answer.explanation),
        }
    )


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


def _check_label(label: str, asked: str) -> str:
    clean = clean_label(label)
    n_words = len(label.split())
    if not clean:
        raise AnswerError("the label is empty")
    if n_words > MAX_WORDS:
        raise AnswerError(f"the label has {n_words} words, not 1 to {MAX_WORDS}")
    if label.strip().casefold() in {line.strip().casefold() for line in asked.splitlines()}:
        raise AnswerError("the label repeats a line of the prompt")
    return clean


def _check_sentence(name: str, text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(line) > MAX_SENTENCE_CHARS:
        raise AnswerError(f"{name} is longer than {MAX_SENTENCE_CHARS} characters")
    return line
