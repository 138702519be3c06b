"""All of the tiny pair in one folder, with what is true of its features.

`subject/`, `av/`, `ar/`, `transcoders/`, `features/`, `graph.json`, `reference.txt`, `truth.json`.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from clerp.feature import FeatureId
from clerp_nla.training.grammar import Document, write_documents
from clerp_nla.training.graphing import draw_graph
from clerp_nla.training.planting import (
    SCAN,
    Garden,
    list_planted,
    plant,
    read_stream,
    write_transcoders,
)
from clerp_nla.training.recipe import TinyPair
from clerp_nla.training.subject import LAYER
from clerp_nla.training.themes import (
    Planted,
    cut_texts,
    make_record,
    write_records,
)
from clerp_nla.training.writing import Origin, write_actor, write_critic, write_subject

BASE = "clerp-toy/grammar"
"""Name of the subject."""
ABOUT = (
    "A toy: trained on a made-up grammar, by imitation only and without reinforcement. It is for "
    "tests; what it says is no interpretation of any real model."
)
N_DOCUMENTS, N_REFERENCES = 600, 512
_PLANTING, _REFERENCES, UNSEEN = 1, 2, 3
"""Added to the seed: documents that the pair has not learned from, others for each use."""


def write_folder(folder: Path, pair: TinyPair, seed: int) -> None:
    """Write a trained pair and features planted in its subject; the folder must not exist."""
    folder.mkdir(parents=True)
    origin = Origin(BASE, LAYER, ABOUT)
    write_subject(folder / "subject", pair.subject, pair.tokenizer)
    write_actor(folder / "av", pair.actor, pair.tokenizer, pair.prompt, origin)
    write_critic(folder / "ar", pair.critic, pair.subject, pair.tokenizer, pair.prompt, origin)
    documents = write_documents(N_DOCUMENTS, seed + _PLANTING)
    planted = list_planted()
    stream = read_stream(pair.subject, pair.tokenizer, [d.text for d in documents])
    garden = plant(stream, documents, planted, seed)
    n_layers, d_model = stream.read.shape[0], stream.read.shape[2]
    write_transcoders(folder / "transcoders", garden, n_layers, d_model)
    write_records(folder / "features", _make_records(documents, garden, planted))
    _write_json(folder / "graph.json", draw_graph(documents[0], 0, garden, SCAN))
    texts = cut_texts(write_documents(N_REFERENCES, seed + _REFERENCES), seed)
    (folder / "reference.txt").write_text("".join(f"{text}\n" for text in texts))
    truths = {str(p.feature): [p.theme.about, p.theme.truth] for p in planted}
    truth = {"about": ABOUT, "base": BASE, "layer": LAYER, "seed": seed, "features": truths}
    _write_json(folder / "truth.json", truth)


def _make_records(
    documents: tuple[Document, ...], garden: Garden, planted: tuple[Planted, ...]
) -> Iterator[tuple[FeatureId, dict[str, object]]]:
    for feature in (one.feature for one in planted):
        yield feature, make_record(feature, documents, garden.activations[feature])


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=1)
    path.write_text(f"{text}\n", encoding="utf-8")
