"""Leaving a provider alone that is down."""


class Breaker:
    """A circuit breaker (Michael Nygard, "Release It!", 2007), for requests that can wait.

    Closed, it lets every request begin. Failures in a row open it: none begins until a rest is
    over, then a single one, the probe. An answer closes it; a probe that fails opens it again. It
    gives up when it opened too often without an answer in between; and the first time already
    where the provider has never shown that it is there, and nothing is under way that could.

    Args:
        failures: In a row, that open it.
        rest: Seconds without a request.
        openings: Without an answer in between, after which it gives up.
    """

    def __init__(self, *, failures: int, rest: float, openings: int) -> None:
        self._failures = failures
        self._rest = rest
        self._openings = openings
        self._n_failed = 0
        self._n_opened = 0
        self._is_known = False
        self.gives_up = False
        """Whether no further request should be made."""
        self.rests_until = float("-inf")
        """When the next request may begin, by the clock that tells `now`."""
        self.is_probing = False
        """Whether a probe is under way; nothing else may begin."""

    @property
    def is_open(self) -> bool:
        """Whether there was no answer since it opened."""
        return self._n_opened > 0

    def begin(self) -> bool:
        """Take note of a request that begins; say whether it is a probe."""
        self.is_probing = self.is_open
        return self.is_probing

    def end_probe(self) -> None:
        """Let the next request begin: the probe is over, whatever came of it."""
        self.is_probing = False

    def note_answer(self) -> None:
        """Close: the provider is there."""
        self._is_known = True
        self._n_failed = self._n_opened = 0
        self.rests_until = float("-inf")

    def note_failure(self, now: float, *, is_probe: bool, is_known: bool, is_last: bool) -> None:
        """Count a failure, and open if it is one too many.

        Args:
            now: Seconds.
            is_probe: What `begin` said of the request.
            is_known: Whether the failure itself shows that the provider is there.
            is_last: Whether no other request is under way.
        """
        self._is_known = self._is_known or is_known
        # What was under way when the breaker opened says nothing new.
        if is_probe or not self.is_open:
            self._count(now)
        hopeless = is_last and self.is_open and not self._is_known
        self.gives_up = hopeless or self._n_opened >= self._openings

    def _count(self, now: float) -> None:
        self._n_failed += 1
        if self.is_open or self._n_failed >= self._failures:
            self._n_opened += 1
            self.rests_until = now + self._rest
