"""JSON over HTTP to values of a known form, in a thread, so that the event loop lives."""

import asyncio
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from clerp.errors import EvidenceError, ExhaustedError, VerbalizerError
from clerp.remote import Answer, Client, Patience
from clerp.remote.address import check_base, show
from clerp_nla.backends.refusal import BAD_REQUEST, Refusal, read_refusal

REFUSED = (401, 403)
LIMITED = 429
# A server describes some dozens of vectors before its answer begins.
_PATIENCE = Patience(timeout=300.0)

_Result = TypeVar("_Result")
_Form = TypeVar("_Form")


@dataclass(frozen=True, slots=True)
class Server:
    """A server that speaks JSON.

    Args:
        base: `https://HOST`, or `http://` on this machine.
        headers: Sent to it alone, so that a key may be among them.
        key_name: Environment variable that holds the key.
        sleep: Waits so many seconds between attempts; None waits until the call is cancelled.

    Raises:
        UsageError: The address cannot be used.
    """

    base: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    key_name: str = ""
    stops_at_limit: bool = False
    """Whether an answer of 429 means that there is no use in waiting a minute."""
    sleep: Callable[[float], None] | None = None
    patience: Patience = _PATIENCE

    def __post_init__(self) -> None:
        check_base(self.base)

    @property
    def where(self) -> str:
        """The address, without anything that may be secret."""
        return show(self.base)

    async def run(self, work: "Callable[[Line], _Result]") -> _Result:
        """Do work that asks the server, in a thread.

        Who is cancelled hangs up, so that nobody waits for the thread.

        Raises:
            VerbalizerError: The server does not answer, or not as documented.
        """
        over = threading.Event()
        with self._open(over) as line:
            try:
                return await asyncio.to_thread(_ask, work, line)
            finally:
                over.set()

    def run_here(self, work: "Callable[[Line], _Result]") -> _Result:
        """Do work that asks the server, in this thread.

        Raises:
            VerbalizerError: As above.
        """
        with self._open(threading.Event()) as line:
            return _ask(work, line)

    @contextmanager
    def _open(self, over: threading.Event) -> "Generator[Line]":
        def wait(seconds: float) -> None:
            over.wait(seconds)

        sleep = self.sleep or wait
        with Client(self.base, headers=self.headers, patience=self.patience, sleep=sleep) as client:
            yield Line(client, self, sleep)


@dataclass(frozen=True, slots=True)
class Line:
    """An open connection to a server."""

    client: Client
    server: Server
    sleep: Callable[[float], None]
    """Waits so many seconds, or until the call is cancelled."""

    def get(self, path: str, form: type[_Form], *, max_bytes: int) -> _Form:
        """Read what stands at a path.

        Raises:
            EvidenceError: The server does not answer.
            VerbalizerError: It refuses, or answers something else.
        """
        answer = self.client.get(path, max_bytes=max_bytes, accept=self._accepted)
        return self._read(answer, path, form)

    def post(self, path: str, body: object, form: type[_Form], *, max_bytes: int) -> _Form:
        """Send JSON and read the answer; asked again after a fault.

        Raises:
            EvidenceError: The server does not answer.
            VerbalizerError: It refuses, or answers something else.
        """
        answer = self.client.post_json(path, body, max_bytes=max_bytes, accept=self._accepted)
        return self._read(answer, path, form)

    def post_unless_refused(
        self, path: str, body: object, form: type[_Form], *, max_bytes: int
    ) -> _Form | Refusal:
        """Do as `post`, but return what the server says of a request that it calls a bad one.

        Raises:
            EvidenceError: The server does not answer.
            VerbalizerError: It wants a key, or answers something else.
        """
        answer = self.client.post_json(path, body, max_bytes=max_bytes, accept=self._accepted)
        if answer.status in BAD_REQUEST:
            return read_refusal(answer)
        return self._read(answer, path, form)

    @property
    def _accepted(self) -> tuple[int, ...]:
        always = (*REFUSED, *BAD_REQUEST)
        return (*always, LIMITED) if self.server.stops_at_limit else always

    def _read(self, answer: Answer, path: str, form: type[_Form]) -> _Form:
        where = f"{self.server.where}{path}"
        if answer.status in REFUSED:
            raise VerbalizerError(
                f"the server refuses ({answer.status})",
                where=where,
                remedy=f"Set {self.server.key_name} to the server's key",
            )
        if answer.status in BAD_REQUEST:
            raise VerbalizerError(
                f"the server answered with status {read_refusal(answer)}", where=where
            )
        if answer.status == LIMITED:
            raise ExhaustedError(
                "the requests of this hour are used up (429)",
                where=where,
                remedy="Run the same command again in an hour: what was said is kept",
            )
        try:
            return msgspec.json.decode(answer.content, type=form)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
            raise VerbalizerError(
                f"the answer is not as documented: {fault}", where=where
            ) from fault


def _ask(work: Callable[[Line], _Result], line: Line) -> _Result:
    try:
        return work(line)
    except EvidenceError as fault:
        raise VerbalizerError(fault.what, where=fault.where, remedy=fault.remedy) from fault
