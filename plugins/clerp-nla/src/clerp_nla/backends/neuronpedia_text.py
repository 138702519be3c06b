"""What Neuronpedia is asked of one text: which tokens are the places, and what is said there.

It counts places by its own tokens. How many it puts in front of a text is learned from the first
answer, and a text that it cuts otherwise is asked about place by place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clerp.errors import VerbalizerError
from clerp.verbalizers import Explained, Missed, Passage, Sampling
from clerp_nla.backends.calling import Line
from clerp_nla.backends.neuronpedia_source import Source
from clerp_nla.backends.pace import Pace
from clerp_nla.backends.refusal import Refusal
from clerp_nla.backends.server import read_description
from clerp_nla.backends.tokens import is_same_token

MOST_CHARS = 16_384
"""Of a text."""

_PATH = "/api/nla/explain"
_ANSWER_BYTES = 2**24


@dataclass(frozen=True, slots=True)
class _Result:
    position: int
    token: str
    description: str
    cosine_similarity: float | None = None


@dataclass(frozen=True, slots=True)
class _Told:
    results: list[_Result]
    layer_index: int
    prompt_length: int


@dataclass(slots=True)
class Counting:
    """How the server counts places."""

    shift: int = 0
    """Tokens that it puts in front of a text, as far as it is known."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How texts are asked about; one at a time, for what is learned of one is for the next."""

    line: Line
    source: Source
    pace: Pace
    counting: Counting
    sampling: Sampling

    def explain(self, passages: Sequence[Passage]) -> list[Explained | Missed]:
        """Have the ends of passages described that are all the beginning of the first one.

        Raises:
            EvidenceError: The server does not answer.
            VerbalizerError: It refuses, or answers something else.
        """
        longest = passages[0]
        if len(longest.text) > MOST_CHARS:
            reason = f"longer than the {MOST_CHARS} characters that Neuronpedia takes"
            return [Missed(passage, reason) for passage in passages]
        places = [self._guess(passage) for passage in passages]
        told = self._ask(longest.text, places)
        if isinstance(told, Refusal):
            # A place after the end is refused: then the first one tells how long the text is.
            told = self._insist(longest.text, [0])
        # The text ends where the longest passage does: so many tokens the guess was off.
        off = told.prompt_length - 1 - places[0]
        if off:
            places = [max(0, place + off) for place in places]
            told = self._insist(longest.text, places)
        results = {result.position: result for result in told.results}
        found = [
            self._read(passage, place, results)
            for passage, place in zip(passages, places, strict=True)
        ]
        if off in (-1, 1) and not any(isinstance(one, Missed) for one in found):
            self.counting.shift += off
        # Of a text that the server cuts otherwise only the end is known: each is asked for alone.
        return [found[0], *(self._settle(one) for one in found[1:])]

    def _settle(self, found: Explained | Missed) -> Explained | Missed:
        return found if isinstance(found, Explained) else self.explain([found.passage])[0]

    def _guess(self, passage: Passage) -> int:
        return max(0, (passage.n_tokens or 1) - 1 + self.counting.shift)

    def _insist(self, text: str, places: Sequence[int]) -> _Told:
        told = self._ask(text, places)
        if isinstance(told, Refusal):
            raise VerbalizerError(
                f"a text or places that the server refuses ({told})", where=self._where
            )
        return told

    @property
    def _where(self) -> str:
        return f"{self.line.server.where}{_PATH}"

    def _ask(self, text: str, places: Sequence[int]) -> _Told | Refusal:
        body = {
            "modelId": self.source.modelId,
            "nlaSourceId": self.source.id,
            "text": text,
            "positions": sorted(set(places)),
            "temperature": self.sampling.temperature,
        }
        if seconds := self.pace.find_wait():
            self.line.sleep(seconds)
        told = self.line.post_unless_refused(_PATH, body, _Told, max_bytes=_ANSWER_BYTES)
        return told if isinstance(told, Refusal) else self._check(told)

    def _check(self, told: _Told) -> _Told:
        if told.layer_index != self.source.layerNum:
            raise VerbalizerError(
                f"texts of layer {told.layer_index}, and the source is of {self.source.layerNum}",
                where=self._where,
            )
        if told.prompt_length < 1:
            raise VerbalizerError(f"a text of {told.prompt_length} tokens", where=self._where)
        return told

    def _read(
        self, passage: Passage, place: int, results: Mapping[int, _Result]
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
        return Explained(
            passage,
            read_description(result.description),
            place,
            result.cosine_similarity,
            self.source.variance,
        )
