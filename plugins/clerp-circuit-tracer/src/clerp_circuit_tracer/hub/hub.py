"""The HuggingFace Hub and what the cache has of it: revisions, indexes and records."""

import json
import os
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO

from clerp.errors import EvidenceError, MissingEvidenceError, RemoteError
from clerp.evidence.bins import (
    INDEX,
    MAX_INDEX_BYTES,
    LayerIndex,
    read_layer,
    read_record,
    split_index,
)
from clerp.remote import Answer, Cache, Client, Patience, open_cache
from clerp.remote.address import check_base
from clerp_circuit_tracer.hub.place import Place, find_new_name, is_commit
from clerp_circuit_tracer.hub.spot import Spot, Stretch

NOT_CACHED = "not in the cache; run once without --offline"

_ENDPOINT = "https://huggingface.co"
_REDIRECTS = ("huggingface.co", "hf.co")
_MAX_PACKED_INDEX_BYTES = 2**28
_GZIP_OR_ZLIB = 47
# An index is read once and its layers often: speed before size.
_FAST = 1
_BIN_BYTES = re.compile(r"bytes .*/([0-9]{1,18})")
_MOVED = (301, 302, 303, 307, 308)
# The Hub says "401" where it does not say whether there is such a repository.
_NOT_THERE = (401, 404)
_WHY_NOT_THERE = {
    "EntryNotFound": f"there is no features/{INDEX}",
    "RevisionNotFound": "there is no such revision",
}
_BAD_TOKEN = "Invalid credentials in Authorization header"
_NOT_KEPT = "Run the same command again: what is broken is not kept"
_CHECK = "Check the name; for a private or gated repository set HF_TOKEN"


class Hub:
    """Reads from the cache, and from the Hub what the cache lacks. Threads may share it.

    Args:
        cache: An open one.
        client: An open one; None asks nobody.
        endpoint: Address of the Hub; what another one said is not taken for what this one says.
    """

    def __init__(self, cache: Cache, client: Client | None, endpoint: str) -> None:
        self._cache = cache
        self._client = client
        self._endpoint = endpoint

    def hang_up(self) -> None:
        """Break off whatever the Hub is being asked."""
        if self._client is not None:
            self._client.close()

    def pin(self, place: Place) -> Place:
        """Resolve the revision of a place to a commit; asked again in every run.

        Raises:
            MissingEvidenceError: There is no such repository, revision or index.
            RemoteError: The Hub does not answer, or not as documented.
        """
        if is_commit(place.revision):
            return place
        key = self._key(place, "commit")
        if self._client is not None:
            self._cache.put(key, _read_commit(self._client, place).encode())
        return place.pin(self._require(key, place).decode())

    def read_layer(self, place: Place, layer: int) -> LayerIndex | None:
        """Read where the records of one layer stand; None if the index does not have it.

        Args:
            place: At a commit.
            layer: Its number.

        Raises:
            MissingEvidenceError: There is no index.
            EvidenceError: The index is broken.
            RemoteError: The Hub does not answer, or not as documented.
        """
        if layer not in self.list_layers(place):
            return None
        packed = self._recall_index(place, str(layer))
        return read_layer(zlib.decompress(packed), f"{_name_index(place)}: layer {layer}")

    def list_layers(self, place: Place) -> list[int]:
        """List the layers that the index of a place has. Raises as `read_layer`."""
        return json.loads(self._recall_index(place, "layers"))

    def recall(self, spot: Spot) -> bytes | None:
        """Return a record, packed, if the cache has it."""
        return self._cache.get(self._key_of_record(spot))

    def fetch(self, stretch: Stretch) -> dict[Spot, EvidenceError]:
        """Bring some records into the cache.

        Returns:
            What is wrong with those that are damaged. They are not kept: whether the bin is, or
            only this answer, the next run sees.

        Raises:
            EvidenceError: The index does not fit the bin.
            RemoteError: The Hub does not answer, or not as documented.
        """
        first, span = stretch.spots[0], stretch.span
        answer = self._ask(first.place).get(
            first.place.locate(first.filename),
            max_bytes=span.size,
            span=(span.start, span.end - 1),
            accept=(404, 416),
        )
        _check_fits(answer, stretch)
        faults: dict[Spot, EvidenceError] = {}
        for spot in stretch.spots:
            start = spot.span.start - span.start
            record = answer.content[start : start + spot.span.size]
            try:
                read_record(BytesIO(record).read, len(record))
            except EvidenceError as fault:
                faults[spot] = fault
            else:
                self._cache.put(self._key_of_record(spot), record)
        return faults

    def _recall_index(self, place: Place, part: str) -> bytes:
        """Return a part of the index, after bringing all of it if the cache lacks the part."""
        key = self._key_of_index(place, part)
        kept = self._cache.get(key)
        if kept is None:
            self._fetch_index(place)
            kept = self._require(key, place)
        return kept

    def _fetch_index(self, place: Place) -> None:
        answer = self._ask(place).get(
            place.locate(INDEX), max_bytes=_MAX_PACKED_INDEX_BYTES, accept=_NOT_THERE
        )
        _check_is_there(answer, place)
        layers = _split(answer.content, _name_index(place))
        for layer, entry in layers.items():
            key = self._key_of_index(place, str(layer))
            self._cache.put(key, zlib.compress(entry, _FAST))
        # Last, because it says that all of them are there.
        listed = json.dumps(sorted(layers)).encode()
        self._cache.put(self._key_of_index(place, "layers"), listed)

    def _key(self, place: Place, what: str) -> str:
        return f"huggingface:{self._endpoint} {place} {what}"

    def _key_of_index(self, place: Place, part: str) -> str:
        return self._key(place, f"{INDEX} {part}")

    def _key_of_record(self, spot: Spot) -> str:
        return self._key(spot.place, f"{spot.filename} {spot.span.start}-{spot.span.end}")

    def _ask(self, place: Place) -> Client:
        if self._client is None:
            raise MissingEvidenceError(NOT_CACHED, where=str(place))
        return self._client

    def _require(self, key: str, place: Place) -> bytes:
        kept = self._cache.get(key)
        if kept is None:
            raise MissingEvidenceError(NOT_CACHED, where=str(place))
        return kept


@contextmanager
def open_hub(*, ask: bool, patience: Patience, sleep: Callable[[float], None]) -> Iterator[Hub]:
    """Open the cache, and connections to `$HF_ENDPOINT` with the token `$HF_TOKEN`.

    Args:
        ask: False makes it use only what the cache has.
        patience: As for `Client`.
        sleep: As for `Client`.

    Raises:
        EvidenceError: The cache cannot be used.
        UsageError: The endpoint or the token cannot be used.
    """
    endpoint = check_base(os.environ.get("HF_ENDPOINT") or _ENDPOINT)
    with open_cache() as cache:
        if not ask:
            yield Hub(cache, None, endpoint)
            return
        token = os.environ.get("HF_TOKEN", "").strip()
        with Client(
            endpoint,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            redirects=_REDIRECTS,
            patience=patience,
            sleep=sleep,
        ) as client:
            yield Hub(cache, client, endpoint)


def _name_index(place: Place) -> str:
    return f"{place} features/{INDEX}"


def _read_commit(client: Client, place: Place) -> str:
    # Large files redirect to another host, which does not know of commits: it is not asked.
    answer = client.head(place.locate(INDEX), accept=(*_NOT_THERE, *_MOVED))
    _check_is_there(answer, place)
    commit = answer.headers.get("x-repo-commit", "")
    if is_commit(commit):
        return commit
    if answer.status in _MOVED:
        name = find_new_name(answer.headers.get("location", ""))
        raise MissingEvidenceError(
            f"the repository has moved{f' to {name}' if name else ''}",
            where=str(place),
            remedy="Name it by its new name",
        )
    raise RemoteError("the server does not say which commit this is", where=str(place))


def _check_is_there(answer: Answer, place: Place) -> None:
    if answer.headers.get("x-error-message") == _BAD_TOKEN:
        raise RemoteError(
            "the Hub does not know this token", where=str(place), remedy="Check HF_TOKEN"
        )
    if answer.status in _NOT_THERE:
        code = answer.headers.get("x-error-code", "")
        what = _WHY_NOT_THERE.get(code, "there is no such public repository, or no index in it")
        raise MissingEvidenceError(what, where=str(place), remedy=_CHECK)


def _split(packed: bytes, where: str) -> Mapping[int, bytes]:
    try:
        entries = split_index(_unpack(packed, where), where)
        # All of them now: an index that is kept is never asked for again.
        known = (n for n, entry in entries.items() if read_layer(entry, f"{where}: layer {n}"))
        return {layer: bytes(entries[layer]) for layer in known}
    except EvidenceError as fault:
        raise RemoteError(fault.what, where=fault.where, remedy=_NOT_KEPT) from fault


def _unpack(packed: bytes, where: str) -> bytes:
    stream = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        content = stream.decompress(packed, MAX_INDEX_BYTES)
    except zlib.error as error:
        raise EvidenceError("broken index: damaged gzip data", where=where) from error
    if not stream.eof:
        raise EvidenceError("broken index: cut short, or too large", where=where)
    return content


def _check_fits(answer: Answer, stretch: Stretch) -> None:
    spot = stretch.spots[0]
    where = f"{spot.place} features/{spot.filename}"
    if answer.status == 404:
        raise EvidenceError("the index names this bin, but there is none", where=where)
    total = _BIN_BYTES.fullmatch(answer.headers.get("content-range", ""))
    if answer.status == 416 or (total and int(total[1]) < spot.bin_bytes):
        has = f"has {total[1]} bytes" if total else "is shorter"
        raise EvidenceError(
            f"the index does not fit: offsets end at byte {spot.bin_bytes}, but the bin {has}",
            where=where,
        )
