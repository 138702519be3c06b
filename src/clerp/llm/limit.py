"""How many requests may be under way at once."""

# Weight of the newest reply in the share of busy ones.
_GAIN = 1 / 16


class AdaptiveLimit:
    """Additive increase, multiplicative decrease, by how much is refused.

    One more for every answer; for a busy reply, less by half the share of the latest replies that
    were busy, as DCTCP does it (RFC 8257): the odd failure hardly slows a run down, and where all
    is refused the limit halves. What was under way at a decrease belongs to the round before and
    changes nothing: a burst of busy replies is one sign, not many.

    Args:
        most: The limit at the start, and its upper bound.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._round = 0
        self._peak = 0
        self._busy_share = 0.0
        self.in_flight = 0
        """Requests under way."""
        self.value = most

    @property
    def has_room(self) -> bool:
        """Whether one more may begin."""
        return self.in_flight < self.value

    def begin(self) -> int:
        """Take note of a request that begins; return its round."""
        self.in_flight += 1
        self._peak = max(self._peak, self.in_flight)
        return self._round

    def end(self) -> None:
        """Take note of a request that is over."""
        self.in_flight -= 1

    def note_answer(self, begun_in: int) -> None:
        """Raise the limit, for a request of this round."""
        self._busy_share *= 1 - _GAIN
        if begun_in == self._round:
            self.value = min(self.value + 1, self._most)

    def note_busy(self, begun_in: int) -> None:
        """Lower the limit, for a request of this round."""
        self._busy_share += _GAIN * (1 - self._busy_share)
        if begun_in == self._round:
            # A limit far above what was under way would not be felt when it is lower.
            used = min(self.value, self._peak)
            self.value = max(1, int(used * (1 - self._busy_share / 2)))
            self._peak = self.in_flight
            self._round += 1
