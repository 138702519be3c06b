"""The command line, which also notes the key of every answer that it was told is on disk."""

import os
import signal

from clerp.cli import main
from clerp.ledger import Answer, GroupCommit

_record_answer = GroupCommit.record_answer


async def record_and_tell(self: GroupCommit, answer: Answer) -> None:
    await _record_answer(self, answer)
    os.write(_told, f"{answer.key}\n".encode())


if __name__ == "__main__":
    # A shell ignores Ctrl-C for what it starts in the background, this suite perhaps.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _told = os.open("acknowledged", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    GroupCommit.record_answer = record_and_tell
    main()
