"""Tier 2's way to a model: what is asked, how it travels, and what counts as an answer."""

from clerp.llm.answer import LabelAnswer, parse_answer
from clerp.llm.transport import Completion, LitellmTransport, Prompt, Transport

__all__ = [
    "Completion",
    "LabelAnswer",
    "LitellmTransport",
    "Prompt",
    "Transport",
    "parse_answer",
]
