"""How long a server is waited for."""

import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from clerp.errors import RemoteError

RUN_AGAIN = "Run the same command again: what has been read is kept"

_FIRST_WAIT_SECONDS = 0.5


class TransientError(RemoteError):
    """A fault that may be gone on the next attempt."""

    def __init__(self, what: str, *, where: str = "", retry_after: float | None = None) -> None:
        super().__init__(what, where=where, remedy=RUN_AGAIN)
        self.retry_after = retry_after
        """Seconds that the server asked to wait."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long a server is waited for."""

    attempts: int = 5
    longest_wait: float = 60.0
    """Seconds between two attempts, at most."""
    timeout: float = 30.0
    """Seconds to connect, and between two pieces of an answer; see `Pace` for all of it."""

    def choose_wait(self, fault: TransientError, attempt: int) -> float:
        """Return the seconds to wait after an attempt, counted from 1.

        Exponential with full jitter (Marc Brooker, "Exponential Backoff And Jitter", 2015), but
        not less than the server asked for.

        Raises:
            RemoteError: The server asks for more than `longest_wait`.
        """
        asked = fault.retry_after or 0.0
        if asked > self.longest_wait:
            raise RemoteError(
                f"{fault.what}, to be asked again in {asked:.0f} s",
                where=fault.where,
                remedy="Run the same command again then: what has been read is kept",
            ) from fault
        # Beyond 2**32 half seconds nobody waits, and a float overflows at last.
        ceiling = min(self.longest_wait, _FIRST_WAIT_SECONDS * 2 ** min(attempt - 1, 32))
        return max(asked, random.uniform(0, ceiling))


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Read the seconds of a Retry-After header (RFC 9110, 10.2.3): a number, or a date.

    Fractions, which the RFC does not know, are what some gateways write.
    """
    written = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", written):
        return float(written)
    try:
        return max(0.0, parsedate_to_datetime(written).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
