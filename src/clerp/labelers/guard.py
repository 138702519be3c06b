"""Labelers that anybody may have written: whatever goes wrong in one is its own."""

import asyncio
import logging
from typing import cast

from clerp.errors import ClerpError, LabelerError
from clerp.labelers.request import LabelRequest
from clerp.labels import Abstention, Label
from clerp.plugins import Labeler

_log = logging.getLogger("clerp")
_MAX_FAULT_CHARS = 200


async def ask_labeler(labeler: Labeler, request: LabelRequest) -> Label | Abstention:
    """Ask a labeler for a name.

    Raises:
        LabelerError: It broke, in whatever way, or answered something else.
        ClerpError: Something that concerns every feature failed.
    """
    try:
        answer = cast(object, await labeler.label(request))
    except ClerpError:
        raise
    except (Exception, asyncio.CancelledError) as fault:
        if isinstance(fault, asyncio.CancelledError) and _is_cancelled():
            raise
        _log.debug("%s broke at %s", labeler.name, request.evidence.feature, exc_info=True)
        said = " ".join(f"{type(fault).__name__}: {fault}".split())[:_MAX_FAULT_CHARS]
        raise LabelerError(f"the labeler {labeler.name!r} broke: {said}") from fault
    if not isinstance(answer, Label | Abstention):
        raise LabelerError(
            f"the labeler {labeler.name!r} answered {type(answer).__name__}, which is neither a "
            "label nor an abstention"
        )
    return answer


def _is_cancelled() -> bool:
    # A labeler that lets the cancellation of a task of its own escape has not been cancelled; a
    # task group would take the feature for done.
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
