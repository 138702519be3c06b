"""The command line, which also notes the key of every answer that it was told is on disk.

And that of every answer which another run was asking for when it wanted to.
"""

import os
import signal
from pathlib import Path

from clerp.cli import main
from clerp.ledger import Answer, Claim, GroupCommit, Taken


def tell_on(folder: Path) -> None:
    """Note keys in files of this folder from now on."""
    claim, record_answer = GroupCommit.claim, GroupCommit.record_answer
    acknowledged, taken = (
        os.open(folder / name, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        for name in ("acknowledged", "taken")
    )

    async def claim_and_tell(
        self: GroupCommit, key: str, owner: str, seconds: float
    ) -> Claim | Answer | Taken:
        found = await claim(self, key, owner, seconds)
        if isinstance(found, Taken):
            os.write(taken, f"{key}\n".encode())
        return found

    async def record_and_tell(self: GroupCommit, answer: Answer) -> Answer:
        kept = await record_answer(self, answer)
        os.write(acknowledged, f"{answer.key}\n".encode())
        return kept

    GroupCommit.claim, GroupCommit.record_answer = claim_and_tell, record_and_tell


if __name__ == "__main__":
    # A shell ignores Ctrl-C for what it starts in the background, this suite perhaps.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tell_on(Path())
    main()
