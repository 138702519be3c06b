"""Evidence of many features, made of the bundled one: other places of its real texts.

A made feature peaks at twenty places of texts that a corpus gave, at occurrences of one word or
anywhere; a word is drawn by the root of its count, so that common and rare ones come up.
"""

import gzip
import struct
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from clerp.evidence.bins import INDEX, Bins
from clerp.evidence.record import EvidenceGap
from clerp.feature import FeatureId
from clerp.graph import read_graph

SAMPLE = Path(__file__).parents[2] / "graphs" / "smollm2-135m"
N_EXAMPLES = 20
_ON_A_WORD = 0.75
"""Share of the features that peak on one word."""
_EDGE = 8
_N_LAYERS = 25
_NO_GRAPHS = ("facts", "graph-metadata")


class _Example(msgspec.Struct):
    tokens: list[str]


class _Quantile(msgspec.Struct):
    examples: list[_Example]


class _Record(msgspec.Struct):
    examples_quantiles: list[_Quantile]
    top_logits: list[str]
    bottom_logits: list[str]


@dataclass(frozen=True, slots=True)
class _Texts:
    tokens: Sequence[list[str]]
    places: dict[str, list[tuple[int, int]]]
    """Text and position of every token with room around it, by token."""
    words: list[str]
    """Tokens with places in enough texts."""
    promoted: Sequence[tuple[list[str], list[str]]]


def write_features(folder: Path, n: int) -> list[FeatureId]:
    """Write n features as an index and bins, spread evenly over the layers."""
    folder.mkdir(parents=True)
    features = [FeatureId(i % _N_LAYERS, i // _N_LAYERS) for i in range(n)]
    by_layer: defaultdict[int, list[bytes]] = defaultdict(list)
    for feature, record in zip(features, _make_records(n), strict=True):
        packed = gzip.compress(record, 1, mtime=0)
        by_layer[feature.layer].append(struct.pack("<I", len(packed)) + packed)
    index: dict[str, dict[str, object]] = {}
    for layer, records in by_layer.items():
        name = f"layer_{layer}.bin"
        (folder / name).write_bytes(b"".join(records))
        offsets = np.cumsum([0, *map(len, records)]).tolist()
        index[str(layer)] = {"filename": name, "offsets": offsets}
    (folder / INDEX).write_bytes(gzip.compress(msgspec.json.encode(index), 1, mtime=0))
    return sorted(features)


def _make_records(n: int) -> Iterator[bytes]:
    texts = _read_texts()
    rng = np.random.default_rng(0)
    counts = np.sqrt([len(texts.places[word]) for word in texts.words])
    everywhere = [place for places in texts.places.values() for place in places]
    for _ in range(n):
        on_a_word = rng.random() < _ON_A_WORD
        word = texts.words[int(rng.choice(len(counts), p=counts / counts.sum()))]
        places = texts.places[word] if on_a_word else everywhere
        promoted, suppressed = texts.promoted[int(rng.integers(len(texts.promoted)))]
        yield msgspec.json.encode(
            {
                "examples_quantiles": [
                    {
                        "quantile_name": "Top activations",
                        "examples": _make_examples(places, texts, rng),
                    }
                ],
                "top_logits": promoted,
                "bottom_logits": suppressed,
                "act_min": 1.0,
                "act_max": 40.0,
            }
        )


def _make_examples(
    places: Sequence[tuple[int, int]], texts: _Texts, rng: np.random.Generator
) -> list[dict[str, object]]:
    drawn = [places[i] for i in rng.integers(len(places), size=8 * N_EXAMPLES).tolist()]
    by_text = dict(drawn)
    # Readers of evidence count a stretch that comes twice as one.
    distinct = {
        tuple(texts.tokens[t][p - _EDGE : p + _EDGE + 1]): (t, p) for t, p in by_text.items()
    }
    examples: list[dict[str, object]] = []
    for rank, (text, position) in enumerate(list(distinct.values())[:N_EXAMPLES]):
        activations = [0.0] * len(texts.tokens[text])
        activations[position] = 40.0 - rank
        examples.append(
            {
                "tokens_acts_list": activations,
                "train_token_ind": position,
                "tokens": texts.tokens[text],
            }
        )
    return examples


def _read_texts() -> _Texts:
    bins = Bins(SAMPLE / "features")
    found = (bins.fetch(feature) for feature in list_sample())
    records = [
        msgspec.json.decode(raw.content, type=_Record)
        for raw in found
        if not isinstance(raw, EvidenceGap)
    ]
    distinct = {
        "".join(example.tokens): example.tokens
        for record in records
        for quantile in record.examples_quantiles
        for example in quantile.examples
    }
    tokens = list(distinct.values())
    places: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for text, pieces in enumerate(tokens):
        for position in range(_EDGE, len(pieces) - _EDGE):
            places[pieces[position]].append((text, position))
    words = [word for word, at in places.items() if len({text for text, _ in at}) >= 2 * N_EXAMPLES]
    promoted = [(record.top_logits, record.bottom_logits) for record in records]
    return _Texts(tokens, places, sorted(words), promoted)


def list_sample() -> list[FeatureId]:
    """List the features of the bundled graphs."""
    paths = [path for path in sorted(SAMPLE.glob("*.json")) if path.stem not in _NO_GRAPHS]
    return sorted({feature for path in paths for feature in read_graph(path).features})
