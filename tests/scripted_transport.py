"""A transport that answers what a test tells it to, without a server."""

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.fake_llm import GOOD_ANSWER

from clerp.llm import AnswerFormat, Completion, Prompt

Reply = Completion | Exception

GOOD = Completion(json.dumps(GOOD_ANSWER), "m-2026", "stop", 600, 40, 0.001)
BAD = replace(GOOD, text="no", cost_usd=0.002)
"""No JSON."""


def say(**said: Any) -> Completion:
    """Answer as `GOOD`, in other words."""
    return replace(GOOD, text=json.dumps({**GOOD_ANSWER, **said}))


def decline(reason: str = "unrelated texts") -> Completion:
    return say(label="", abstain=True, abstain_reason=reason)


@dataclass
class Script:
    """Gives its replies one after the other; an error is raised."""

    replies: deque[Reply] = field(default_factory=deque)
    model: str = "m"
    parameters: dict[str, str | float | int | None] = field(default_factory=dict)
    prompts: list[Prompt] = field(default_factory=list)
    formats: list[AnswerFormat] = field(default_factory=list)
    closed: bool = False

    async def complete(
        self, prompt: Prompt, answer_format: AnswerFormat = "json_schema"
    ) -> Completion:
        self.prompts.append(prompt)
        self.formats.append(answer_format)
        reply = self.replies.popleft()
        if isinstance(reply, Exception):
            raise reply
        return replace(reply, answer_format=answer_format)

    async def aclose(self) -> None:
        self.closed = True


def make_script(replies: Sequence[Reply] = (), **given: Any) -> Script:
    return Script(deque(replies), **given)
