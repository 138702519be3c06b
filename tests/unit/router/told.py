"""Features whose raw scores a test tells, and the protocol that routes by them."""

import re
import zlib
from collections.abc import Sequence

import numpy as np

from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.router import RULES, Route, Rule, route_features
from clerp.testing import make_evidence
from clerp.windows import Window

N_EXAMPLES = 6
# One token for each channel, so that a text can say what its channel is to score.
WINDOWS = (Window("input", 0, 0), Window("output", 1, 1), Window("cross", -1, 1))
PROTOCOL = RULES["protocol"]


class ToldEmbedder:
    """Reads from a text, `i0.40/3|` or `same-3`, how alike it is to others of its channel.

    Texts `i0.40/0|`, `i0.40/1|`, ... have a cosine similarity of 0.40; any other text has a random
    direction, the same for all that start with `same`.
    """

    name = "told"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.extend(texts)
        return np.array([self._direct(text) for text in texts], dtype=np.float32)

    def channels(self) -> set[str]:
        return {text[0] for text in self.asked}

    def _direct(self, text: str) -> np.ndarray:
        if told := re.match(r"[ioc](\d\.\d+)/(\d+)\|", text):
            alike, own = float(told[1]), int(told[2])
            return np.sqrt(alike) * np.eye(64)[0] + np.sqrt(1 - alike) * np.eye(64)[1 + own]
        key = "same" if text.startswith("same") else text
        return np.random.default_rng(zlib.crc32(key.encode())).normal(size=64)


def make_told(
    input_: float | None,
    output: float | None,
    cross: float = 0.0,
    *,
    layer: int = 3,
    index: int = 7,
) -> FeatureEvidence:
    """Make a feature whose channels have these raw scores; None for a channel without windows."""
    texts = [
        [
            f"c{cross:.2f}/{n}|",
            "" if input_ is None else f"i{input_:.2f}/{n}|",
            *([] if output is None else [f"o{output:.2f}/{n}|"]),
        ]
        for n in range(N_EXAMPLES)
    ]
    return make_evidence(texts, feature=FeatureId(layer, index))


def route(
    known: Sequence[FeatureEvidence | EvidenceGap],
    rule: Rule = PROTOCOL,
    embedder: ToldEmbedder | None = None,
) -> list[Route]:
    embedder = embedder or ToldEmbedder()
    return list(route_features(known, rule=rule, windows=WINDOWS, embedder=embedder))


def route_told(
    input_: float | None, output: float | None, cross: float = 0.0, rule: Rule = PROTOCOL
) -> Route:
    (only,) = route([make_told(input_, output, cross)], rule)
    return only
