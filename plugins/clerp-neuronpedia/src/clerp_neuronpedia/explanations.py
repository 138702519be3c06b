"""Neuronpedia's explanations as candidate labels."""

import math
import unicodedata
from collections.abc import Iterable

from clerp.evidence import CandidateLabel
from clerp_neuronpedia.feature_row import Explanation

MAX_CANDIDATES = 20
MAX_TEXT_CHARS = 512
"""Longest text that Neuronpedia itself takes for an explanation."""
MAX_NAME_CHARS = 80

_METHODS = (
    "np_max-act-logits",
    "np_max-act",
    "np_acts-logits-general",
    "eleuther_acts_top20",
    "oai_token-act-pair",
)


def rank_candidates(explanations: Iterable[Explanation]) -> tuple[CandidateLabel, ...]:
    """Turn explanations into candidates, best first and each once.

    Methods that saw promoted tokens and write short names go first, others follow by name; then
    the better score, then the text. Texts become one line without control characters.
    """
    ranked = sorted(explanations, key=_rank)
    candidates = (_to_candidate(explanation) for explanation in ranked)
    distinct = dict.fromkeys(candidate for candidate in candidates if candidate.text)
    return tuple(distinct)[:MAX_CANDIDATES]


def _rank(explanation: Explanation) -> tuple[int, str, float, float, str, str]:
    method = explanation.type_name or ""
    return (
        _METHODS.index(method) if method in _METHODS else len(_METHODS),
        method,
        -_read_score(explanation.score_v2),
        -_read_score(explanation.score_v1),
        explanation.description,
        explanation.explanation_model_name or "",
    )


def _read_score(score: float | None) -> float:
    return -math.inf if score is None or math.isnan(score) else score


def _to_candidate(explanation: Explanation) -> CandidateLabel:
    scores = (
        (clean_line(score.explanation_score_type_name, MAX_NAME_CHARS), score.value)
        for score in explanation.scores or ()
        if score.value is not None and math.isfinite(score.value)
    )
    return CandidateLabel(
        text=clean_line(explanation.description, MAX_TEXT_CHARS),
        method=clean_line(explanation.type_name or "", MAX_NAME_CHARS),
        model=clean_line(explanation.explanation_model_name or "", MAX_NAME_CHARS),
        scores=tuple(sorted(scores)[:MAX_CANDIDATES]),
    )


def clean_line(text: str, limit: int) -> str:
    """Fold white space and drop control, bidirectional and unassigned characters."""
    visible = "".join(c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    line = " ".join(visible.split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"
