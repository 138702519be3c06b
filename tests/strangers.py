"""Labelers of strangers, which may do anything."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from clerp.labelers import LabelRequest


@dataclass
class Stranger:
    """A labeler that answers by a function, which may do anything."""

    answer: Callable[[LabelRequest], Awaitable[Any]]
    name: str = "stranger"

    async def label(self, request: LabelRequest) -> Any:
        return await self.answer(request)


def raising(fault: BaseException) -> Stranger:
    async def answer(_: LabelRequest) -> Any:
        raise fault

    return Stranger(answer)


def returning(answer: object) -> Stranger:
    async def give(_: LabelRequest) -> Any:
        return answer

    return Stranger(give)
