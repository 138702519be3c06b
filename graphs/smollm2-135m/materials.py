"""Make what `clerp collect` needs to collect the sample's features: model, transcoders and texts.

The transcoders are made of the rows that ship with the sample: the rows of a graph's features are
all that a collection needs, and neither the other features nor the 0.6 GB of the whole CLT.
Features without a row keep their places and never fire.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import torch
import yaml
from jaxtyping import Bool, Float, Int
from safetensors.torch import load_file
from torch import Tensor

from builder.config import BuildConfig
from builder.corpus import read_sources
from builder.errors import BuildError
from builder.model import prepare_model
from builder.storage import replacing, write_bytes, write_tensors

logger = logging.getLogger("materials")

N_LAYERS = 30
PASSAGE_CHARS = 2_000


@dataclass(frozen=True)
class FeatureRows:
    """What `weights.safetensors` holds of some features.

    Attributes:
        layer: Of each feature.
        index: Of each feature in its layer.
        encoder: Direction that a feature reads, half precision.
        bias: Added to the projection.
        threshold: A pre-activation at or below it counts as zero.
        decoder: Sum of what a feature writes to its own and all later layers, half precision.
    """

    layer: Int[Tensor, " feature"]
    index: Int[Tensor, " feature"]
    encoder: Float[Tensor, "feature d_model"]
    bias: Float[Tensor, " feature"]
    threshold: Float[Tensor, " feature"]
    decoder: Float[Tensor, "feature d_model"]


def load_rows(path: Path) -> FeatureRows:
    """Read the rows that `build.py` wrote.

    Raises:
        BuildError: There is no such file.
    """
    if not path.is_file():
        raise BuildError(f"{path} is not there")
    saved = load_file(path)
    return FeatureRows(
        layer=saved["layer"].long(),
        index=saved["index"].long(),
        encoder=saved["encoder"],
        bias=saved["encoder_bias"],
        threshold=saved["threshold"],
        decoder=saved["decoder_sum"],
    )


def write_transcoders(rows: FeatureRows, n_features: int, scan: str, folder: Path) -> None:
    """Write one JumpReLU transcoder a layer, and the configuration of the set.

    Args:
        rows: Of the features that can fire.
        n_features: Of every layer.
        scan: What graphs call the set.
        folder: Where the files go, whole or not at all; what was there before is replaced.
    """
    with replacing(folder) as partial:
        partial.mkdir()
        for layer in range(N_LAYERS):
            tensors = _fill_layer(rows, rows.layer == layer, n_features)
            write_tensors(partial / f"layer_{layer}.safetensors", tensors)
        config = {
            "model_kind": "transcoder_set",
            "feature_input_hook": "mlp.hook_in",
            "feature_output_hook": "mlp.hook_out",
            "scan": scan,
            # One decoder row stands for all that a feature of the CLT writes.
            "promoted_from": "summed",
        }
        (partial / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def _fill_layer(
    rows: FeatureRows, chosen: Bool[Tensor, " feature"], n_features: int
) -> dict[str, Tensor]:
    d_model = rows.encoder.shape[1]
    places = rows.index[chosen]
    empty = torch.zeros(n_features, d_model, dtype=torch.float16)
    return {
        "W_enc": empty.index_copy(0, places, rows.encoder[chosen]),
        "b_enc": torch.zeros(n_features).index_copy(0, places, rows.bias[chosen]),
        "W_dec": empty.index_copy(0, places, rows.decoder[chosen]),
        "b_dec": torch.zeros(d_model),
        "activation_function.threshold": torch.full((n_features,), torch.inf).index_copy(
            0, places, rows.threshold[chosen]
        ),
    }


def write_passages(documents: Iterable[str], path: Path, seed: int) -> int:
    """Write documents as JSON Lines of passages, shuffled, and return how many there are."""
    passages = [
        document[start : start + PASSAGE_CHARS]
        for document in documents
        for start in range(0, len(document), PASSAGE_CHARS)
    ]
    random.Random(seed).shuffle(passages)
    lines = (json.dumps({"text": passage}, ensure_ascii=False) for passage in passages)
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode())
    return len(passages)


def main() -> None:
    """Read the command line and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for model/, transcoders/ and corpus.jsonl"
    )
    out: Path = parser.parse_args().out
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    config = BuildConfig()
    try:
        rows = load_rows(Path(__file__).with_name("weights.safetensors"))
        write_transcoders(rows, config.training.features, config.scan, out / "transcoders")
        prepare_model(out / "model", out / "downloads")
        sources = read_sources(config.corpus, out / "downloads")
        documents = chain.from_iterable(sources.values())
        n_passages = write_passages(documents, out / "corpus.jsonl", config.seed)
    except BuildError as error:
        parser.exit(1, f"failed: {error}\n")
    logger.info("%d features and %d passages", len(rows.index), n_passages)


if __name__ == "__main__":
    main()
