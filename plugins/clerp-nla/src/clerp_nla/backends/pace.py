"""Turns for requests to a server that allows so many an hour, to all runs of one machine."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from clerp.errors import EvidenceError
from clerp.remote import open_cache

PER_HOUR = 120
"""Requests from one address of the network."""
AT_ONCE = 20
"""Requests of an hour that do not wait for their turn; small runs have no more."""
HOUR = 3600.0
SECONDS_BETWEEN = HOUR / (PER_HOUR - AT_ONCE)


@dataclass(frozen=True, slots=True)
class Pace:
    """Some turns at once, then one at a time, never more than the hour allows.

    The last turns are kept in clerp's cache, for a run that starts after another has
    ended. Of two runs that take a turn in the same moment one may not see the other's.

    Args:
        server: Whose turns they are; any name.
        clock: Seconds since 1970.
    """

    server: str
    clock: Callable[[], float] = time.time

    def find_wait(self) -> float:
        """Take a turn and return the seconds until it comes.

        Raises:
            EvidenceError: The cache cannot be read or written, or holds something else there.
        """
        now = self.clock()
        name = f"nla-turns/{self.server}"
        with open_cache() as cache:
            # A clock that was put back leaves turns that nobody will have.
            turns = [one for one in _read(cache.get(name)) if now - HOUR < one <= now + HOUR]
            turn = now if len(turns) < AT_ONCE else max(now, max(turns) + SECONDS_BETWEEN)
            # More than these decide nothing, and the cache forgets nothing.
            last = sorted([*turns, turn])[-AT_ONCE:]
            cache.put(name, json.dumps(last).encode())
        return turn - now


def _read(content: bytes | None) -> list[float]:
    if content is None:
        return []
    try:
        turns = json.loads(content)
        return [float(turn) for turn in turns]
    except (ValueError, TypeError, RecursionError) as fault:
        raise EvidenceError(
            "the cache holds turns that cannot be read", remedy="Delete the cache"
        ) from fault
