"""Labelers that anybody may have written: whatever goes wrong in one is its own."""

import asyncio
import logging
import traceback
from typing import cast

from clerp.errors import ClerpError, LabelerError
from clerp.labelers.request import LabelRequest
from clerp.labels import Abstention, Label
from clerp.llm.redaction import hide_keys, redact
from clerp.plugins import Labeler

_log = logging.getLogger("clerp")


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
        told = hide_keys("".join(traceback.format_exception(fault)))
        _log.debug("%s broke at %s\n%s", labeler.name, request.evidence.feature, told)
        broke = LabelerError(
            f"the labeler {labeler.name!r} broke: {redact(f'{type(fault).__name__}: {fault}')}"
        )
        # Its own exception may hold a key, and so would a traceback.
        raise broke from None
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
