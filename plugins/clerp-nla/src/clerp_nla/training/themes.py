"""What a planted feature is about, and evidence of it in the layout of circuit-tracer."""

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.evidence.parsing import parse_record
from clerp.feature import FeatureId
from clerp_nla.training.grammar import Document, Token
from clerp_nla.training.places import FIRST

About = Literal["topic", "word class", "token", "nothing"]

TOP, LOWER = 20, 10
"""Examples of a feature: the strongest, and some that are weaker than all of these."""
_OF_THEME, _OF_ALL = 0.5, 0.04
"""Shares of the places at which a feature fires; on a tenth of all it would be an artefact."""


@dataclass(frozen=True, slots=True)
class Theme:
    """Where a feature fires."""

    about: About
    truth: str = ""
    """The topic, word class or token; empty where it is about nothing."""

    def holds(self, token: Token) -> bool:
        """Say whether it is true of a place; what is about nothing is true nowhere."""
        found = {"topic": token.topic, "word class": token.kind, "token": token.text}
        return self.about != "nothing" and found[self.about] == self.truth


@dataclass(frozen=True, slots=True)
class Planted:
    """A feature of which it is known what it is about."""

    feature: FeatureId
    theme: Theme


def mark(documents: Iterable[Document], theme: Theme) -> list[Bool[np.ndarray, " token"]]:
    """Say of every token whether the theme is true there."""
    return [np.array([theme.holds(token) for token in d.tokens]) for d in documents]


def draw_activations(
    documents: Sequence[Document], theme: Theme, seed: int
) -> list[Float[np.ndarray, " token"]]:
    """Make a feature fire by chance where its theme holds, or anywhere if that is nothing.

    Activations are between .5 and 1, on half of the places, or on a twenty-fifth of all tokens.
    """
    chance = np.random.default_rng(seed)
    places = mark(documents, theme)
    share = _OF_ALL if theme.about == "nothing" else _OF_THEME
    activations: list[Float[np.ndarray, " token"]] = []
    for holds in places:
        may = np.ones_like(holds) if theme.about == "nothing" else holds
        fires = may & (chance.random(len(may)) < share)
        activations.append(np.where(fires, chance.uniform(0.5, 1.0, len(may)), 0.0))
    return activations


def make_record(
    feature: FeatureId,
    documents: Sequence[Document],
    activations: Sequence[Float[np.ndarray, " token"]],
) -> dict[str, object]:
    """Make the record of a feature from what it does on documents, shown whole.

    Documents in which it peaks among the first tokens are passed over.
    """
    peaks = np.array([values.max() for values in activations])
    late = np.array([int(values.argmax()) >= FIRST for values in activations])
    order = [int(i) for i in np.argsort(-peaks, kind="stable") if late[i] and peaks[i] > 0]
    weaker = order[TOP:]
    lower = weaker[:: max(1, len(weaker) // LOWER)][:LOWER]
    every = np.concatenate(list(activations))
    return {
        "index": feature.index,
        "layer": feature.layer,
        "examples_quantiles": [
            {"quantile_name": name, "examples": [_show(documents[i], activations[i]) for i in some]}
            for name, some in (("Top activations", order[:TOP]), ("Lower activations", lower))
        ],
        "top_logits": [],
        "bottom_logits": [],
        "act_min": _round(float(every[every > 0].min())),
        "act_max": _round(float(every.max())),
        "activation_frequency": _round(float((every > 0).mean())),
    }


def read_evidence(feature: FeatureId, record: dict[str, object]) -> FeatureEvidence:
    """Take a record for evidence, as clerp does.

    Raises:
        ValueError: Nothing in it can be used.
    """
    evidence = parse_record(json.dumps(record).encode(), feature, where=f"{feature}")
    if isinstance(evidence, EvidenceGap):
        raise ValueError(evidence.reason)
    return evidence


def write_records(folder: Path, records: Iterable[tuple[FeatureId, dict[str, object]]]) -> None:
    """Write one file a feature, named by its Cantor number; equal records give equal bytes."""
    folder.mkdir()
    for feature, record in records:
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        packed = gzip.compress(text.encode(), compresslevel=9, mtime=0)
        (folder / f"{feature.cantor}.json.gz").write_bytes(packed)


def cut_texts(documents: Iterable[Document], seed: int) -> Iterator[str]:
    """Yield the beginning of each document, cut at a token drawn by chance past the first ten."""
    chance = np.random.default_rng(seed)
    for document in documents:
        end = int(chance.integers(FIRST + 5, len(document.tokens)))
        yield "".join(token.text for token in document.tokens[: end + 1])


def _show(document: Document, activations: Float[np.ndarray, " token"]) -> dict[str, object]:
    return {
        "tokens": [token.text for token in document.tokens],
        "tokens_acts_list": [_round(float(value)) for value in activations],
        "train_token_ind": int(activations.argmax()),
        "is_repeated_datapoint": False,
    }


def _round(value: float) -> float:
    return float(f"{value:.4g}") + 0.0
