"""Pairs that Neuronpedia hosts for everybody: `/api/nla/*`, 120 requests an hour.

It takes text and places in it, and keeps residuals to itself. What was once said of a place is
served again, so that a second sample of it is the first.
"""

import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from clerp.errors import UsageError, VerbalizerError
from clerp.verbalizers import Explained, Missed, ModelClaim, PairIdentity, Passage, Sampling
from clerp.verbalizers.text_groups import group_passages
from clerp_nla.backends.calling import Line, Server
from clerp_nla.backends.neuronpedia_source import Source, Sources, choose_source
from clerp_nla.backends.neuronpedia_text import Asking, Counting
from clerp_nla.backends.pace import Pace

MOST_PLACES = 16
"""Of one request."""

_HOME = "https://www.neuronpedia.org"
_KEY = "NEURONPEDIA_API_KEY"
_LIST_BYTES = 2**24
_SOURCE = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")


@dataclass(slots=True)
class NeuronpediaVerbalizer:
    """A `PassageVerbalizer` at Neuronpedia.

    The server is `$NEURONPEDIA_URL`, by default https://www.neuronpedia.org; a key is not needed,
    and taken from `$NEURONPEDIA_API_KEY`.

    Args:
        source: `MODEL/SOURCE`; empty takes what there is for the graph's model.
        sleep: Waits so many seconds.
        clock: Seconds since 1970, for turns.

    Raises:
        UsageError: The source or the address cannot be used.
    """

    source: str = ""
    sleep: Callable[[float], None] | None = None
    clock: Callable[[], float] = time.time
    name: str = field(init=False)
    _server: Server = field(init=False)
    _pace: Pace = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    """One text at a time: what was learned of the start token, and turns, are for the next one."""
    _found: Source | None = field(default=None, init=False)
    _counting: Counting = field(default_factory=Counting, init=False)

    def __post_init__(self) -> None:
        if self.source and not _SOURCE.fullmatch(self.source):
            raise UsageError(
                f"{self.source!r} is no NLA source of Neuronpedia",
                remedy="Write neuronpedia-nla:MODEL/SOURCE, or neuronpedia-nla: alone",
            )
        self.name = f"neuronpedia-nla:{self.source}" if self.source else "neuronpedia-nla"
        # A key that was read from a file often ends in a line break.
        key = os.environ.get(_KEY, "").strip()
        self._server = Server(
            (os.environ.get("NEURONPEDIA_URL") or _HOME).rstrip("/"),
            {"X-Api-Key": key} if key else {},
            key_name=_KEY,
            stops_at_limit=True,
            sleep=self.sleep,
        )
        self._pace = Pace(self._server.base, self.clock)

    @property
    def setting(self) -> str:
        """Where it is."""
        return self._server.base

    def check(self, claim: ModelClaim) -> PairIdentity:
        """Find the source for a model.

        Raises:
            NotAvailableError: There is none.
            VerbalizerError: Neuronpedia does not answer, or not as documented.
        """
        listed = self._server.run_here(
            lambda line: line.get("/api/nla/sources", Sources, max_bytes=_LIST_BYTES)
        ).sources
        self._found = found = choose_source(listed, self.source, claim)
        if found.layerNum < 0:
            raise VerbalizerError(f"no layer {found.layerNum}", where=self._server.where)
        return found.identify()

    async def explain(
        self, passages: Sequence[Passage], sampling: Sampling
    ) -> list[Explained | Missed]:
        """Have the end of each passage described; those of one text in one request.

        Neuronpedia writes 256 tokens at most, whatever is asked, and knows no seed.

        Raises:
            VerbalizerError: Neuronpedia does not answer, or not as documented, or the requests of
                this hour are used up.
        """
        source = self._found
        if source is None:
            raise VerbalizerError("nobody has checked which pair it is", where=self._server.where)

        def ask(line: Line) -> list[Explained | Missed]:
            asking = Asking(line, source, self._pace, self._counting, sampling)
            return self._explain(asking, passages)

        return await self._server.run(ask)

    def _explain(self, asking: Asking, passages: Sequence[Passage]) -> list[Explained | Missed]:
        said: dict[int, Explained | Missed] = {}
        for group in group_passages(passages, MOST_PLACES):
            with self._lock:
                found = asking.explain([passages[place] for place in group])
            said |= dict(zip(group, found, strict=True))
        return [said[place] for place in range(len(passages))]


def open_neuronpedia(argument: str) -> NeuronpediaVerbalizer:
    """Make the verbalizer `neuronpedia-nla:` or `neuronpedia-nla:MODEL/SOURCE`.

    Raises:
        UsageError: The argument is neither.
    """
    return NeuronpediaVerbalizer(argument)
