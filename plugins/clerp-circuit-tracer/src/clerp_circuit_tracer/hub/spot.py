"""Where records stand in the bins of a repository, and which are fetched together."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from clerp.evidence.bins import Span
from clerp_circuit_tracer.hub.place import Place

MAX_STRETCH_BYTES = 2**22
"""Most bytes of records that are fetched with one request; one record alone may be larger."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where one record stands."""

    place: Place
    """At a commit."""
    filename: str
    span: Span
    name: str
    """What a reason calls the record."""
    bin_bytes: int
    """Size that the bin has at least, by the index."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Records that touch, so that one request brings them."""

    spots: tuple[Spot, ...]

    @property
    def span(self) -> Span:
        """From the first byte of the first record to the last of the last."""
        return Span(self.spots[0].span.start, self.spots[-1].span.end)


def join_touching(spots: Iterable[Spot]) -> Iterator[Stretch]:
    """Join the records of a bin that touch, up to `MAX_STRETCH_BYTES`; each record comes once."""
    joined: list[Spot] = []
    for spot in sorted(set(spots), key=lambda s: (str(s.place), s.filename, s.span.start)):
        if joined and not _may_join(joined, spot):
            yield Stretch(tuple(joined))
            joined = []
        joined.append(spot)
    if joined:
        yield Stretch(tuple(joined))


def _may_join(joined: list[Spot], spot: Spot) -> bool:
    first, last = joined[0], joined[-1]
    same_bin = (last.place, last.filename) == (spot.place, spot.filename)
    touches = last.span.end == spot.span.start
    return same_bin and touches and spot.span.end - first.span.start <= MAX_STRETCH_BYTES
