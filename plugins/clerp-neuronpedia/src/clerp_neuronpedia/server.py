"""Neuronpedia's `POST /api/features`: many features in one request.

It is undocumented but what Neuronpedia's own graph page uses. Features that do not exist are left
out of the answer, and the rest comes in an order of its own.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType

import msgspec

from clerp.errors import EvidenceError, RemoteError
from clerp.evidence.decoding import decode_document
from clerp.remote import Client, Patience
from clerp_neuronpedia.feature_row import identify, read_row
from clerp_neuronpedia.place import Place

MAX_FEATURES = 250
"""Most features of one request."""
MAX_ANSWER_BYTES = 256 * 2**20
"""250 features of 50 activations of 128 tokens take 30 MB, and 150 MB with every field filled."""
MAX_ROWS = 2 * MAX_FEATURES
"""Most rows of an answer, those included that nobody asked for."""

_PATH = "/api/features"
_KEY = "NEURONPEDIA_API_KEY"
# The answer begins only when all features are read from the database.
_PATIENCE = Patience(timeout=120.0)
_REFUSED = (401, 403)
_LATER = "Run the same command again in an hour: what has been read is kept"

# A list is built whole before its length is checked; this stops at the first row too many.
_Rows = msgspec.defstruct(
    "_Rows",
    [(f"row_{n}", msgspec.Raw, msgspec.field(default=msgspec.Raw())) for n in range(MAX_ROWS)],
    array_like=True,
    forbid_unknown_fields=True,
)

Found = bytes | EvidenceError
"""A row as `FeatureRow.encode` writes it, or what is wrong with it."""


class Server:
    """One of Neuronpedia's servers. A context manager.

    The limit is 25,000 requests an hour for each address of the network. With 250 features a
    request one run never gets there by itself, so requests are not spaced out; but others may
    share the address. Answers say how many requests are left and not when there will be more, and
    that can take an hour: after the last one it stops, rather than wait or run into the 429.

    Args:
        base: Where it is.
        sleep: Waits so many seconds between attempts.

    Raises:
        UsageError: The address cannot be used.
    """

    def __init__(self, base: str, sleep: Callable[[float], None]) -> None:
        # A key that was read from a file often ends in a line break.
        key = os.environ.get(_KEY, "").strip()
        self._where = f"{base}{_PATH}"
        self._is_used_up = False
        self._resources = ExitStack()
        self._client = self._resources.enter_context(
            Client(
                base,
                headers={"X-Api-Key": key} if key else {},
                patience=_PATIENCE,
                sleep=sleep,
            )
        )

    def __enter__(self) -> "Server":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._resources.close()

    def fetch(self, places: Sequence[Place]) -> dict[Place, Found]:
        """Ask for the rows of at most `MAX_FEATURES` places; those that do not exist are left out.

        Raises:
            RemoteError: The server does not answer, not as expected, or its limit is used up.
        """
        if self._is_used_up:
            raise RemoteError(
                "the requests of this hour are used up", where=self._where, remedy=_LATER
            )
        answer = self._client.post_json(
            _PATH, _write_request(places), max_bytes=MAX_ANSWER_BYTES, accept=_REFUSED
        )
        if answer.status in _REFUSED:
            raise RemoteError(
                f"Neuronpedia refuses to show these features ({answer.status})",
                where=self._where,
                remedy=f"Set {_KEY} to the key of an account that may read them",
            )
        self._is_used_up = answer.headers.get("x-limit-remaining", "").strip() == "0"
        return _read_answer(answer.content, frozenset(places), self._where)


def _write_request(places: Sequence[Place]) -> list[dict[str, str | int]]:
    # Without maxActsToReturn: it would cut off the activations of lower intervals.
    return [
        {"modelId": place.model, "layer": place.source, "index": int(place.row)} for place in places
    ]


def _read_answer(content: bytes, wanted: frozenset[Place], where: str) -> dict[Place, Found]:
    found: dict[Place, Found] = {}
    for raw in _split(content, where):
        place = _find_place(raw)
        if place is not None and place in wanted:
            row = _read_found(bytes(raw))
            found[place] = _choose(found.get(place, row), row)
    return found


def _split(content: bytes, where: str) -> Iterator[msgspec.Raw]:
    try:
        rows = msgspec.json.decode(content, type=_Rows)
    except (ValueError, RecursionError) as error:
        raise RemoteError(
            f"the answer is no list of at most {MAX_ROWS} features",
            where=where,
            remedy="Run the same command again; check NEURONPEDIA_URL where it is set",
        ) from error
    given = (getattr(rows, name) for name in rows.__struct_fields__)
    return (raw for raw in given if bytes(raw))


def _find_place(raw: msgspec.Raw) -> Place | None:
    identity = identify(raw)
    if identity is None:
        return None
    return Place(identity.model_id, identity.layer, str(identity.index))


def _read_found(raw: bytes) -> Found:
    try:
        return read_row(decode_document(raw)).encode()
    except EvidenceError as fault:
        return fault


def _choose(one: Found, other: Found) -> Found:
    return one if one == other else EvidenceError("the answer has two different rows")
