"""The activations of some features on a corpus, computed without clerp and without circuit-tracer.

It knows only the model, the texts and the committed rows of `weights.safetensors`: it cuts rows,
reads what every MLP gets, and multiplies. Nothing of `clerp collect` is imported.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

Feature = tuple[int, int]
"""Layer and index."""


@dataclass(frozen=True)
class Recomputed:
    """One feature on the whole corpus."""

    rows: list[Tensor]
    """Its activations on every row, BOS included."""

    @property
    def peak(self) -> float:
        return max(float(row.max()) for row in self.rows)

    @property
    def n_positive(self) -> int:
        return sum(int((row > 0).sum()) for row in self.rows)


@dataclass(frozen=True)
class Corpus:
    """The rows that the model is run on."""

    ids: list[list[int]]
    texts: list[list[str]]


def read_corpus(folder: Path, n_tokens: int, context: int = 256) -> Corpus:
    """Cut each text into rows with BOS, up to a number of tokens without BOS."""
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    ids: list[list[int]] = []
    for body in _cut_texts(folder / "corpus.jsonl", tokenizer, context - 1):
        left = n_tokens - sum(len(row) - 1 for row in ids)
        if left <= 0:
            break
        ids.append([tokenizer.bos_token_id, *body[:left]])
    return Corpus(ids, [[tokenizer.decode([token]) for token in row] for row in ids])


def _cut_texts(path: Path, tokenizer: Any, size: int) -> Iterator[list[int]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            text = json.loads(line)["text"]
            ids = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
            yield from (ids[at : at + size] for at in range(0, len(ids), size))


def recompute(
    folder: Path, weights: Path, corpus: Corpus, features: Sequence[Feature]
) -> dict[Feature, Recomputed]:
    """Run the model row by row and apply the rows of the encoders."""
    model: Any = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
    inputs: dict[int, Tensor] = {}
    for layer, block in enumerate(model.model.layers):
        block.mlp.register_forward_pre_hook(
            lambda _, given, layer=layer: inputs.update({layer: given[0][0]})
        )
    saved = load_file(weights)
    places = zip(saved["layer"].tolist(), saved["index"].tolist(), strict=True)
    row_of = {place: row for row, place in enumerate(places)}
    found: dict[Feature, list[Tensor]] = {feature: [] for feature in features}
    for ids in corpus.ids:
        with torch.inference_mode():
            model.model(torch.tensor([ids]))
        for feature in features:
            found[feature].append(_activate(saved, row_of[feature], inputs[feature[0]]))
    return {feature: Recomputed(rows) for feature, rows in found.items()}


def _activate(saved: dict[str, Tensor], row: int, inputs: Tensor) -> Tensor:
    projected = inputs @ saved["encoder"][row].float() + saved["encoder_bias"][row]
    activations = projected * (projected > saved["threshold"][row])
    activations[0] = 0
    return activations
