"""Evidence from Neuronpedia's API, kept as it arrives."""

import copy
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from clerp.errors import RemoteError
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.remote import Cache, open_cache
from clerp_neuronpedia.conversion import convert_row
from clerp_neuronpedia.feature_row import decode_row
from clerp_neuronpedia.place import Place, SourceSets
from clerp_neuronpedia.server import MAX_FEATURES, Server

NO_FEATURE = "Neuronpedia has no such feature"
NOT_CACHED = "not in the cache; run once without --offline"
NO_LORSA = "no set of attention features is named; write neuronpedia:MODEL/SET+LORSA_SET"

_HOME = "https://www.neuronpedia.org"
# Part of every key: rows that another version of this module kept are not read.
_FORM = "neuronpedia 2"
# Before a reason why there is no row. A row is JSON.
_REASON = b"no row: "

_Known = bytes | str
"""A row as `FeatureRow.encode` writes it, or why there is none."""


class NeuronpediaSource:
    """Evidence and explanations from Neuronpedia.

    Rows are cached one by one as they arrive, so that a run that was stopped goes on from there.
    Features that Neuronpedia does not have, or not in order, are asked for again on the next run,
    because sets grow and are mended; when nobody answers then, what was said before still holds.

    The server is `$NEURONPEDIA_URL`, by default https://www.neuronpedia.org. A key is needed only
    for what is not public, and taken from `$NEURONPEDIA_API_KEY`.

    Args:
        argument: `MODEL/SET`, or `MODEL/SET+LORSA_SET` for a graph with attention features.
        sleep: Waits so many seconds between attempts.

    Raises:
        UsageError: The argument is neither.
    """

    def __init__(self, argument: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sets = SourceSets.parse(argument)
        self.name = f"neuronpedia:{self._sets}"
        self._base = (os.environ.get("NEURONPEDIA_URL") or _HOME).rstrip("/")
        self._sleep = sleep
        self._is_offline = False

    def offline(self) -> "NeuronpediaSource":
        """Return the same source, which answers from the cache and asks nobody."""
        source = copy.copy(self)
        source._is_offline = True
        return source

    def read(self, features: Iterable[FeatureId]) -> Iterator[FeatureEvidence | EvidenceGap]:
        """Yield evidence, or the reason why there is none, once for each feature, in order.

        Raises:
            RemoteError: The server does not answer, not as expected, or its limit is used up;
                what came before is kept.
            EvidenceError: The cache cannot be used.
        """
        asked = list(features)
        with open_cache() as cache, self._open_server() as server:
            for start in range(0, len(asked), MAX_FEATURES):
                batch = asked[start : start + MAX_FEATURES]
                try:
                    known = self._learn(batch, cache, server)
                except RemoteError as fault:
                    raise _say_kept(fault, self._count_kept(asked, cache), len(asked)) from fault
                yield from (self._tell(feature, known) for feature in batch)

    def _open_server(self) -> AbstractContextManager[Server | None]:
        return nullcontext() if self._is_offline else Server(self._base, self._sleep)

    def _learn(
        self, batch: Sequence[FeatureId], cache: Cache, server: Server | None
    ) -> dict[Place, _Known]:
        places = self._locate(batch)
        recalled = ((place, self._recall(place, cache)) for place in places)
        known = {place: told for place, told in recalled if told is not None}
        missing = [place for place in places if not isinstance(known.get(place), bytes)]
        if server is None or not missing:
            return known
        try:
            return known | self._ask(missing, cache, server)
        except RemoteError as fault:
            if any(place not in known for place in missing):
                raise
            now = f"by an earlier run; now {fault.what}"
            return known | {place: f"{known[place]} ({now})" for place in missing}

    def _locate(self, features: Iterable[FeatureId]) -> list[Place]:
        located = map(self._sets.locate, features)
        return list(dict.fromkeys(place for place in located if place is not None))

    def _recall(self, place: Place, cache: Cache) -> _Known | None:
        content = cache.get(self._key(place))
        if content is None or not content.startswith(_REASON):
            return content
        return content.removeprefix(_REASON).decode(errors="replace")

    def _ask(self, places: Sequence[Place], cache: Cache, server: Server) -> dict[Place, _Known]:
        found = server.fetch(places)
        told: dict[Place, _Known] = {}
        for place in places:
            row = found.get(place, NO_FEATURE)
            told[place] = row if isinstance(row, bytes | str) else f"{place.name}: {row}"
            cache.put(self._key(place), _pack(told[place]))
        return told

    def _count_kept(self, features: Iterable[FeatureId], cache: Cache) -> int:
        places = map(self._sets.locate, features)
        return sum(place is not None and self._recall(place, cache) is not None for place in places)

    def _key(self, place: Place) -> str:
        return f"{_FORM} {self._base} {place.model} {place.name}"

    def _tell(
        self, feature: FeatureId, known: Mapping[Place, _Known]
    ) -> FeatureEvidence | EvidenceGap:
        place = self._sets.locate(feature)
        if place is None:
            return EvidenceGap(feature, NO_LORSA)
        match known.get(place):
            case None:
                return EvidenceGap(feature, NOT_CACHED)
            case str(reason):
                return EvidenceGap(feature, reason)
            case row:
                return convert_row(decode_row(row), feature, where=place.name)


def _pack(known: _Known) -> bytes:
    return known if isinstance(known, bytes) else _REASON + known.encode(errors="replace")


def _say_kept(fault: RemoteError, n_kept: int, n_asked: int) -> RemoteError:
    return RemoteError(
        f"{fault.what}, after {n_kept} of {n_asked} features",
        where=fault.where,
        remedy=fault.remedy,
    )
