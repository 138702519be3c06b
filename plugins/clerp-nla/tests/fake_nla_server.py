"""Servers of a pair, on a real socket, written from what is documented of two real ones.

`serve_own` answers as the NLA server of Neuronpedia's repository does (`apps/nla/openapi.json`),
`serve_public` as the public `/api/nla/*`. What they say comes from `clerp.testing`'s small world.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tests.loopback import Asked, Loopback, Reply, serve

from clerp.testing import FakeVectorVerbalizer
from clerp.verbalizers import Extraction, Passage, Sampling

START = "<bos>"
SECRET = "open-sesame-2026"
MODEL = "gemma-3-27b-it"
SOURCE = "kitft-l41"
LAYER = 41
_TOKEN = re.compile(r"\s*\S+|\s+$")


def cut_tokens(text: str) -> list[str]:
    """Cut a text as the fake model does: a start token, unless it is there, and words."""
    words = _TOKEN.findall(text.removeprefix(START))
    return [START, *words]


@dataclass
class World:
    """What both servers know."""

    pair: FakeVectorVerbalizer = field(default_factory=FakeVectorVerbalizer)
    adds_start: bool = True

    def cut(self, text: str) -> list[str]:
        tokens = cut_tokens(text)
        return tokens if self.adds_start or text.startswith(START) else tokens[1:]

    def read(self, text: str) -> list[np.ndarray[Any, Any]]:
        """Return a residual for each token."""
        tokens = self.cut(text)
        passages = [
            Passage("x", "".join(tokens[: place + 1]).removeprefix(START) or START, token, 1.0)
            for place, token in enumerate(tokens)
        ]
        found = [self.pair._extract(passage) for passage in passages]
        return [one.vector for one in found if isinstance(one, Extraction)]

    def describe(self, vector: Sequence[float], temperature: float) -> str:
        given = np.array(vector, dtype=np.float32)
        return self.pair._describe(given, Sampling(temperature=temperature)).text

    def score(self, text: str, vector: Sequence[float]) -> float:
        rebuilt = self.pair._imagine(text.split('"')[1] if '"' in text else "")
        given = np.array(vector, dtype=np.float64)
        lengths = np.linalg.norm(rebuilt) * np.linalg.norm(given)
        return float(rebuilt @ given / lengths)


@dataclass
class OwnServer:
    """Answers as the self-hosted one; `health` is changed by what a test says."""

    world: World = field(default_factory=World)
    health: dict[str, Any] = field(default_factory=dict[str, Any])
    layer_index: int = LAYER

    def answer(self, asked: Asked) -> Reply:
        if asked.headers.get("x-secret-key") != SECRET:
            return Reply(b'{"error": "Invalid or missing X-SECRET-KEY header"}', status=401)
        body = json.loads(asked.body or b"{}")
        match asked.method, asked.path:
            case "GET", "/":
                return _json(self._tell_health())
            case "POST", "/describe":
                return self._describe(body)
            case "POST", "/score":
                return self._score(body)
            case "POST", "/extract":
                return self._extract(body)
            case _:
                return Reply(b'{"detail": "Not Found"}', status=404)

    def _tell_health(self) -> dict[str, Any]:
        limits = {
            "max_input_chars": 65536,
            "max_positions_per_request": 512,
            "max_new_tokens": 4096,
            "max_describe_batch": 512,
            "max_description_chars": 8192,
            "max_completion_tokens": 512,
        }
        return {
            "status": "ok",
            "verbalizer_model": "kitft/nla-gemma3-27b-L41-av",
            "source_model": f"google/{MODEL}",
            "source_truncated": True,
            "extraction_layer": LAYER,
            "d_model": self.world.pair.d_model,
            "verbalizer_quantization": "fp8",
            "reconstructor_available": True,
            "reconstructor_int4": True,
            "reconstructor_fp8": False,
            "completion_available": False,
            "num_cuda_devices": 1,
            "max_concurrent": 8,
            "max_concurrent_explains": 1,
            "source_max_concurrent": 1,
            "reconstructor_max_concurrent": 1,
            "max_describe_requests": 4,
            "limits": limits,
        } | self.health

    def _describe(self, body: dict[str, Any]) -> Reply:
        rows, width = body.get("activations", []), self.world.pair.d_model
        known = {"activations", "temperature", "max_new_tokens", "stream"}
        if (
            not 1 <= len(rows) <= 512
            or any(len(row) != width for row in rows)
            or body.keys() - known
        ):
            return Reply(b'{"detail": []}', status=422)
        if not 0 < body["max_new_tokens"] <= 4096 or not 0 <= body["temperature"] <= 5:
            return Reply(b'{"detail": []}', status=422)
        said = [self.world.describe(row, body["temperature"]) for row in rows]
        return _json(
            {
                "results": [
                    {
                        "description": text,
                        "mse": 2 - 2 * self.world.score(text, row),
                        "cosine_similarity": self.world.score(text, row),
                    }
                    for text, row in zip(said, rows, strict=True)
                ]
            }
        )

    def _score(self, body: dict[str, Any]) -> Reply:
        if len(body["description"]) > 8192 or len(body["activation"]) != self.world.pair.d_model:
            return Reply(b'{"detail": []}', status=422)
        cosine = self.world.score(body["description"], body["activation"])
        return _json({"mse": 2 - 2 * cosine, "cosine_similarity": cosine})

    def _extract(self, body: dict[str, Any]) -> Reply:
        text = body["text"]
        if len(text) > 65536:
            return Reply(b'{"detail": []}', status=422)
        tokens = [
            {
                "token": token,
                "token_id": 7,
                "position": place,
                "activation": vector.tolist(),
                "l2_norm": float(np.linalg.norm(vector)),
            }
            for place, (token, vector) in enumerate(
                zip(self.world.cut(text), self.world.read(text), strict=True)
            )
        ]
        return _json({"layer_index": self.layer_index, "tokens": tokens})


@dataclass
class PublicServer:
    """Answers as Neuronpedia does, with its limits; `results` are changed by what a test says."""

    world: World = field(default_factory=World)
    sources: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    left: int = 120
    """Requests of this hour."""
    layer_index: int = LAYER
    change: dict[str, Any] = field(default_factory=dict[str, Any])
    """Put into each result."""

    def __post_init__(self) -> None:
        self.sources = self.sources or [
            make_source(),
            make_source("llama3.3-70b-it", "kitft-l53", 53),
        ]

    def answer(self, asked: Asked) -> Reply:
        match asked.method, asked.path:
            case "GET", "/api/nla/sources":
                return _json({"sources": self.sources})
            case "POST", "/api/nla/explain":
                return self._explain(json.loads(asked.body))
            case _:
                return Reply(b"{}", status=404)

    def _explain(self, body: dict[str, Any]) -> Reply:
        if self.left == 0:
            limit = {"endpoint": "/api/nla/explain", "limitPerWindow": 120, "error": "Rate limit"}
            return Reply(json.dumps(limit).encode(), status=429)
        self.left -= 1
        text, places = body["text"], body["positions"]
        tokens = self.world.cut(text)
        is_bad = not places or any(type(p) is not int or not 0 <= p < len(tokens) for p in places)
        if is_bad or len(set(places)) > 16 or not 0 < len(text) <= 16384:
            return Reply(b'{"error": "bad positions"}', status=400)
        residuals = self.world.read(text)
        results = [
            {
                "position": place,
                "token": tokens[place],
                "token_id": 7,
                "l2_norm": float(np.linalg.norm(residuals[place])),
                "description": (said := self.world.describe(residuals[place].tolist(), 0.7)),
                "mse": 0.1,
                "cosine_similarity": self.world.score(said, residuals[place].tolist()),
                "generated": False,
            }
            | self.change
            for place in sorted(set(places))
        ]
        told = {
            "results": results,
            "layer_index": self.layer_index,
            "prompt_length": len(tokens),
            "cacheId": "c1",
        }
        return _json(told, {"x-limit-remaining": str(self.left)})


def make_source(model: str = MODEL, source: str = SOURCE, layer: int = LAYER) -> dict[str, Any]:
    """Return a source as `/api/nla/sources` lists it."""
    return {
        "modelId": model,
        "id": source,
        "displayName": source,
        "description": "",
        "url": "",
        "author": "somebody",
        "av": f"kitft/{source}-av",
        "ar": f"kitft/{source}-ar",
        "layerNum": layer,
        "norm": 0.0579,
        "createdAt": "2026-05-07T00:00:00.000Z",
        "model": {"id": model, "displayName": model, "openRouterAvailable": True},
    }


@contextmanager
def serve_own(server: OwnServer, *script: Reply) -> Iterator[Loopback]:
    """Run the self-hosted one."""
    with serve(server.answer, *script) as loopback:
        yield loopback


@contextmanager
def serve_public(server: PublicServer, *script: Reply) -> Iterator[Loopback]:
    """Run the public one."""
    with serve(server.answer, *script) as loopback:
        yield loopback


def _json(value: object, headers: dict[str, str] | None = None) -> Reply:
    return Reply(json.dumps(value).encode(), headers=headers or {})
