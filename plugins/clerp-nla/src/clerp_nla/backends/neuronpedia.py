"""Pairs that Neuronpedia hosts for everybody: `/api/nla/*`, 120 requests an hour.

It takes text and places in it, and keeps residuals to itself. What was once said of a place is
served again, so that a second sample of it is the first.
"""

import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from clerp.errors import NotAvailableError, UsageError, VerbalizerError
from clerp.verbalizers import (
    Explained,
    Missed,
    ModelClaim,
    PairIdentity,
    Passage,
    Sampling,
)
from clerp.verbalizers.text_groups import group_passages
from clerp_nla.backends.calling import Line, Server
from clerp_nla.backends.pace import Pace
from clerp_nla.backends.server import read_description
from clerp_nla.backends.tokens import is_same_token
from clerp_nla.matching.names import is_same_model

MOST_CHARS = 16_384
"""Of a text."""
MOST_PLACES = 16
"""Of one request."""
UNTESTED = "the public pair was not tested on residuals of ordinary text"

_HOME = "https://www.neuronpedia.org"
_KEY = "NEURONPEDIA_API_KEY"
_ANSWER_BYTES = 2**24
_SOURCE = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    modelId: str  # noqa: N815 - the API's own name
    id: str
    layerNum: int  # noqa: N815 - the API's own name
    norm: float | None = None
    av: str | None = None
    ar: str | None = None

    @property
    def name(self) -> str:
        return f"{self.modelId}/{self.id}"

    @property
    def variance(self) -> float | None:
        """Of unit residuals, where the API says a value that can be one."""
        return self.norm if self.norm is not None and 0 < self.norm <= 1 else None


@dataclass(frozen=True, slots=True)
class _Sources:
    sources: list[_Source]


@dataclass(frozen=True, slots=True)
class _Result:
    position: int
    token: str
    description: str
    cosine_similarity: float | None = None


@dataclass(frozen=True, slots=True)
class _Explained:
    results: list[_Result]
    layer_index: int
    prompt_length: int


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
    _found: _Source | None = field(default=None, init=False)
    _shift: int = field(default=0, init=False)
    """Tokens that the server puts in front of a text, as far as it is known."""

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
            lambda line: line.get("/api/nla/sources", _Sources, max_bytes=_ANSWER_BYTES)
        ).sources
        named = [one for one in listed if self.source in ("", one.name)]
        fitting = [one for one in named if is_same_model(claim.model, one.modelId)]
        if not fitting:
            known = ", ".join(sorted(one.name for one in listed)) or "none"
            raise NotAvailableError(
                f"Neuronpedia has no NLA {self.source or 'source'} for "
                f"{claim.model or 'a graph that names no model'}",
                remedy=f"It has {known[:500]}; for other models a pair of one's own is needed",
            )
        self._found = found = min(fitting, key=lambda one: one.id)
        if found.layerNum < 0:
            raise VerbalizerError(f"no layer {found.layerNum}", where=self._server.where)
        return PairIdentity(
            f"neuronpedia:{found.name}",
            _sum_up(found),
            found.modelId,
            found.layerNum,
            d_model=0,
            untested=UNTESTED,
        )

    async def explain(
        self, passages: Sequence[Passage], sampling: Sampling
    ) -> list[Explained | Missed]:
        """Have the end of each passage described; those of one text in one request.

        Neuronpedia writes 256 tokens at most, whatever is asked, and knows no seed.

        Raises:
            VerbalizerError: Neuronpedia does not answer, or not as documented, or the requests of
                this hour are used up.
        """
        return await self._server.run(lambda line: self._explain(line, passages, sampling))

    def _explain(
        self, line: Line, passages: Sequence[Passage], sampling: Sampling
    ) -> list[Explained | Missed]:
        said: dict[int, Explained | Missed] = {}
        for group in group_passages(passages, MOST_PLACES):
            texts = [passages[place] for place in group]
            with self._lock:
                found = _Group(self, line, sampling, texts).explain()
            said |= dict(zip(group, found, strict=True))
        return [said[place] for place in range(len(passages))]


@dataclass(frozen=True, slots=True)
class _Group:
    """Passages that are all the beginning of the first one."""

    verbalizer: NeuronpediaVerbalizer
    line: Line
    sampling: Sampling
    passages: Sequence[Passage]

    def explain(self) -> list[Explained | Missed]:
        longest = self.passages[0]
        if len(longest.text) > MOST_CHARS:
            reason = f"longer than the {MOST_CHARS} characters that Neuronpedia takes"
            return [Missed(passage, reason) for passage in self.passages]
        places = [self._guess(passage) for passage in self.passages]
        # A place after the end is refused: then the first one tells how long the text is.
        told = self._ask(places) or self._insist([0])
        # The text ends where the longest passage does: so many tokens the guess was off.
        off = told.prompt_length - 1 - places[0]
        if off:
            places = [max(0, place + off) for place in places]
            told = self._insist(places)
        results = {result.position: result for result in told.results}
        found = [
            self._read(passage, place, results)
            for passage, place in zip(self.passages, places, strict=True)
        ]
        if off in (-1, 1) and not any(isinstance(one, Missed) for one in found):
            self.verbalizer._shift += off
        # Of a text that the server cuts otherwise only the end is known: each is asked for alone.
        return [found[0], *(self._settle(one) for one in found[1:])]

    def _settle(self, found: Explained | Missed) -> Explained | Missed:
        if isinstance(found, Explained):
            return found
        alone = _Group(self.verbalizer, self.line, self.sampling, [found.passage])
        return alone.explain()[0]

    def _guess(self, passage: Passage) -> int:
        return max(0, (passage.n_tokens or 1) - 1 + self.verbalizer._shift)

    def _insist(self, places: Sequence[int]) -> _Explained:
        told = self._ask(places)
        if told is None:
            raise VerbalizerError("a text or places that the server refuses", where=self._where)
        return told

    @property
    def _where(self) -> str:
        return f"{self.verbalizer._server.where}/api/nla/explain"

    def _ask(self, places: Sequence[int]) -> _Explained | None:
        source = self.verbalizer._found
        where = self._where
        if source is None:
            raise VerbalizerError("nobody has checked which pair it is", where=where)
        body = {
            "modelId": source.modelId,
            "nlaSourceId": source.id,
            "text": self.passages[0].text,
            "positions": sorted(set(places)),
            "temperature": self.sampling.temperature,
        }
        if seconds := self.verbalizer._pace.find_wait():
            self.line.sleep(seconds)
        told = self.line.post_unless_refused(
            "/api/nla/explain", body, _Explained, max_bytes=_ANSWER_BYTES
        )
        if told is None:
            return None
        if told.layer_index != source.layerNum:
            raise VerbalizerError(
                f"texts of layer {told.layer_index}, and the source is of {source.layerNum}",
                where=where,
            )
        if told.prompt_length < 1:
            raise VerbalizerError(f"a text of {told.prompt_length} tokens", where=where)
        return told

    def _read(
        self, passage: Passage, place: int, results: dict[int, _Result]
    ) -> Explained | Missed:
        result = results.get(place)
        if result is None:
            return Missed(passage, f"Neuronpedia says nothing of place {place}")
        if not is_same_token(result.token, passage.token):
            return Missed(
                passage,
                f"Neuronpedia has {result.token[:40]!r} at place {place}, the evidence "
                f"{passage.token[:40]!r}",
            )
        source = self.verbalizer._found
        return Explained(
            passage,
            read_description(result.description),
            place,
            result.cosine_similarity,
            source.variance if source else None,
        )


def open_neuronpedia(argument: str) -> NeuronpediaVerbalizer:
    """Make the verbalizer `neuronpedia-nla:` or `neuronpedia-nla:MODEL/SOURCE`.

    Raises:
        UsageError: The argument is neither.
    """
    return NeuronpediaVerbalizer(argument)


def _sum_up(source: _Source) -> str:
    """Return a digest of the models behind a source, and their names."""
    models = f"av {source.av or 'unnamed'}, ar {source.ar or 'unnamed'}"
    plain = " ".join(models.split())[:200]
    return f"{hashlib.sha256(models.encode(errors='replace')).hexdigest()[:12]} ({plain})"
