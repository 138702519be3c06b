"""Tier 2's way to a model: what is asked, how it travels, and what counts as an answer."""

from clerp.llm.answer import LabelAnswer, parse_answer
from clerp.llm.formats import FormatLadder
from clerp.llm.litellm_transport import LitellmTransport
from clerp.llm.opening import open_transport
from clerp.llm.prompt import AnswerFormat, Prompt
from clerp.llm.transport import Completion, Transport

__all__ = [
    "AnswerFormat",
    "Completion",
    "FormatLadder",
    "LabelAnswer",
    "LitellmTransport",
    "Prompt",
    "Transport",
    "open_transport",
    "parse_answer",
]
