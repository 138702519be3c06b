"""A pair on a server of one's own: the NLA server of Neuronpedia's repository (`apps/nla`).

It takes vectors. It has no seed, says nothing without a vector, takes a text that was cut off for a
whole one, and scores one text with one vector at a time.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float32

from clerp.errors import UsageError, VerbalizerError
from clerp.verbalizers import (
    Extraction,
    Missed,
    ModelClaim,
    PairIdentity,
    Passage,
    Sampling,
    Verbalization,
)
from clerp_nla.backends.calling import Line, Server
from clerp_nla.backends.health import Health, identify
from clerp_nla.backends.tokens import is_same_token
from clerp_nla.matching.references import load_reference_texts

MOST_VECTORS = 512
"""Of one `/describe`."""
MOST_CHARS = 65_536
"""Of a text whose residuals are read."""
MOST_DESCRIBED_CHARS = 8_192
"""Of a text that is scored."""
MOST_TOKENS = 4_096
"""Of a passage that is read."""
NO_EMPTY = "this server always puts a vector in"
UNTESTED = "the server's pair was not tested on residuals of ordinary text"
N_TEXTS, N_PLACES = 32, 4
"""Texts of which reference vectors are read, and places of each."""
FIRST_PLACE = 10

_KEY = "CLERP_NLA_KEY"
_SMALL_BYTES = 2**20
# A number of JSON takes up to 25 characters.
_BYTES_PER_NUMBER = 26
_ANSWER_BYTES = 2**24


@dataclass(frozen=True, slots=True)
class _Described:
    description: str


@dataclass(frozen=True, slots=True)
class _Descriptions:
    results: list[_Described]


@dataclass(frozen=True, slots=True)
class _Score:
    cosine_similarity: float


@dataclass(frozen=True, slots=True)
class _Token:
    token: str
    position: int
    activation: list[float]


@dataclass(frozen=True, slots=True)
class _Extracted:
    layer_index: int
    tokens: list[_Token]


@dataclass(slots=True)
class ServerVerbalizer:
    """A `VectorVerbalizer` over HTTP.

    Args:
        base: Where the server is.
        sleep: Waits so many seconds between attempts.

    Raises:
        UsageError: The address cannot be used.
    """

    base: str
    sleep: Callable[[float], None] | None = None
    name: str = "nla-server"
    asks_one_by_one: bool = field(default=True, init=False)
    """A text that is scored, and a passage that is read, is a request or more of its own."""
    _server: Server = field(init=False)
    _pair: PairIdentity | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        key = os.environ.get(_KEY, "").strip()
        headers = {"X-Secret-Key": key} if key else {}
        self._server = Server(self.base, headers, key_name=_KEY, sleep=self.sleep)

    @property
    def setting(self) -> str:
        """Where it is: several servers have one name."""
        return self.base

    def check(self, claim: ModelClaim) -> PairIdentity:
        """Ask which pair it is.

        What it serves is not tried on residuals of ordinary text, and the identity says so.

        Raises:
            NotAvailableError: It is for another model, or lacks a part.
            VerbalizerError: It does not answer, or not as documented.
        """
        health = self._server.run_here(lambda line: line.get("/", Health, max_bytes=_SMALL_BYTES))
        pair = identify(health, claim, self._server.where)
        texts = f"{load_reference_texts(None, N_TEXTS).name}, {N_PLACES} places of {N_TEXTS}"
        self._pair = replace(pair, reference=texts, untested=UNTESTED)
        return self._pair

    async def extract(self, passages: Sequence[Passage]) -> list[Extraction | Missed]:
        """Read the residual at the end of each passage.

        Raises:
            VerbalizerError: The server does not answer, or not as documented.
        """
        return await self._server.run(lambda line: [self._extract(line, one) for one in passages])

    async def describe(
        self, vectors: Float32[np.ndarray, "vector d_model"], sampling: Sampling
    ) -> list[Verbalization]:
        """Have each vector described; the seed is not sent, since the server has none.

        Raises:
            VerbalizerError: The server does not answer, or not as documented.
        """
        parts = [vectors[i : i + MOST_VECTORS] for i in range(0, len(vectors), MOST_VECTORS)]
        return await self._server.run(
            lambda line: [said for part in parts for said in self._describe(line, part, sampling)]
        )

    async def compare(
        self, texts: Sequence[str], vectors: Float32[np.ndarray, "vector d_model"]
    ) -> Float32[np.ndarray, "text vector"]:
        """Have each text scored with each vector, one after the other.

        Raises:
            VerbalizerError: The server does not answer, or not as documented; a text is too long.
        """
        too_long = max((len(text) for text in texts), default=0)
        if too_long > MOST_DESCRIBED_CHARS:
            raise VerbalizerError(
                f"a text of {too_long} characters, and the server scores {MOST_DESCRIBED_CHARS}",
                where=self._server.where,
            )
        rows = [_spell(vector) for vector in vectors]
        cosines = await self._server.run(
            lambda line: [[_score(line, text, row) for row in rows] for text in texts]
        )
        return np.array(cosines, dtype=np.float32).reshape(len(texts), len(vectors))

    async def describe_nothing(self, sampling: Sampling) -> Verbalization:
        """Say that this server cannot."""
        return Verbalization("", "", NO_EMPTY)

    def reference_vectors(self) -> Float32[np.ndarray, "vector d_model"]:
        """Read residuals of clerp's ordinary text, at several places of each passage.

        Raises:
            VerbalizerError: The server does not answer, or not as documented.
        """
        texts = load_reference_texts(None, N_TEXTS).texts
        read = self._server.run_here(lambda line: [self._read(line, text) for text in texts])
        chosen = [token.activation for tokens in read for token in _spread(tokens)]
        return np.array(chosen, dtype=np.float32)

    def _extract(self, line: Line, passage: Passage) -> Extraction | Missed:
        if len(passage.text) > MOST_CHARS:
            return Missed(passage, f"longer than the {MOST_CHARS} characters that the server reads")
        last = max(self._read(line, passage.text), key=lambda token: token.position)
        if not is_same_token(last.token, passage.token):
            return Missed(
                passage,
                f"the server ends the text with {last.token!r}, the evidence with "
                f"{passage.token!r}",
            )
        return Extraction(passage, np.array(last.activation, dtype=np.float32), last.position)

    def _read(self, line: Line, text: str) -> list[_Token]:
        pair = self._get_pair()
        # Every token of the text comes with its residual, and never more tokens than bytes.
        n_tokens = min(len(text.encode()) + 16, MOST_TOKENS)
        most = _ANSWER_BYTES + n_tokens * pair.d_model * _BYTES_PER_NUMBER
        read = line.post("/extract", {"text": text}, _Extracted, max_bytes=most)
        where = f"{self._server.where}/extract"
        if read.layer_index != pair.layer:
            raise VerbalizerError(
                f"residuals of layer {read.layer_index}, and the pair is for {pair.layer}",
                where=where,
            )
        if not read.tokens:
            raise VerbalizerError("a text without tokens", where=where)
        for token in read.tokens:
            if len(token.activation) != pair.d_model or not np.isfinite(token.activation).all():
                raise VerbalizerError(
                    f"a residual that is not {pair.d_model} finite numbers", where=where
                )
        return read.tokens

    def _describe(
        self, line: Line, vectors: Float32[np.ndarray, "vector d_model"], sampling: Sampling
    ) -> list[Verbalization]:
        body = {
            "activations": [_spell(vector) for vector in vectors],
            "temperature": sampling.temperature,
            "max_new_tokens": sampling.max_new_tokens,
            "stream": False,
        }
        told = line.post("/describe", body, _Descriptions, max_bytes=_ANSWER_BYTES)
        if len(told.results) != len(vectors):
            raise VerbalizerError(
                f"{len(told.results)} descriptions of {len(vectors)} vectors",
                where=f"{self._server.where}/describe",
            )
        return [read_description(one.description) for one in told.results]

    def _get_pair(self) -> PairIdentity:
        if self._pair is None:
            raise VerbalizerError("nobody has checked which pair it is", where=self._server.where)
        return self._pair


def open_server(argument: str) -> ServerVerbalizer:
    """Make the verbalizer `nla-server:URL`.

    Raises:
        UsageError: There is no URL, or it cannot be used.
    """
    if not argument:
        raise UsageError(
            "nla-server takes the address of a server",
            remedy="Write nla-server:http://127.0.0.1:5009",
        )
    return ServerVerbalizer(argument.rstrip("/"))


def read_description(description: str) -> Verbalization:
    """Make a verbalization of what a server says was said."""
    text = description.strip().removeprefix("<explanation>").removesuffix("</explanation>").strip()
    return Verbalization(text, description, "" if text else "empty")


def _score(line: Line, text: str, vector: list[float]) -> float:
    body = {"description": text, "activation": vector}
    return line.post("/score", body, _Score, max_bytes=_SMALL_BYTES).cosine_similarity


def _spread(tokens: Sequence[_Token]) -> list[_Token]:
    usable = [token for token in tokens if token.position >= FIRST_PLACE and any(token.activation)]
    places = np.unique(np.linspace(0, len(usable) - 1, N_PLACES).astype(np.int64))
    return [usable[place] for place in places] if usable else []


def _spell(vector: Float32[np.ndarray, " d_model"]) -> list[float]:
    """Write numbers with the seven digits that they have."""
    return [float(f"{value:.8g}") for value in vector.tolist()]
