"""Collect evidence of random directions of SmolLM2: what any direction would show.

    python graphs/smollm2-135m/directions.py --model build/collected/model \
        --corpus build/ordinary/corpus.jsonl --out build/directions

Each direction reads the MLP's input as a feature of the sample does, with a random vector for its
encoder row and no threshold. They stand for nothing that training found.
"""

import argparse
import json
import random
import tempfile
from pathlib import Path

import torch
import yaml
from safetensors.torch import save_file

from clerp.feature import FeatureId
from clerp_circuit_tracer.collect import collect

N_LAYERS, WIDTH, PER_LAYER = 30, 576, 24
N_DOCUMENTS, N_TOKENS = 3_000, 200_000
FEATURES = [FeatureId(layer, index) for layer in range(N_LAYERS) for index in range(PER_LAYER)]


def main() -> None:
    """Write the evidence of all directions."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--model", "--corpus", "--out"):
        parser.add_argument(name, type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_directions(folder)
        write_documents(arguments.corpus, folder / "documents.jsonl")
        collect(
            FEATURES,
            model=arguments.model,
            transcoders=folder,
            corpus=folder / "documents.jsonl",
            out=arguments.out,
            n_tokens=N_TOKENS,
        )


def write_directions(folder: Path) -> None:
    """Write transcoders whose encoders are random and whose decoders are nothing."""
    generator = torch.Generator().manual_seed(0)
    for layer in range(N_LAYERS):
        rows = torch.randn(PER_LAYER, WIDTH, generator=generator)
        tensors = {
            "W_enc": (rows / rows.norm(dim=1, keepdim=True)).half(),
            "b_enc": torch.zeros(PER_LAYER),
            "W_dec": torch.zeros(PER_LAYER, WIDTH).half(),
            "b_dec": torch.zeros(WIDTH),
            "activation_function.threshold": torch.zeros(PER_LAYER),
        }
        save_file(tensors, str(folder / f"layer_{layer}.safetensors"))
    config = {
        "model_kind": "transcoder_set",
        "feature_input_hook": "mlp.hook_in",
        "feature_output_hook": "mlp.hook_out",
        "scan": "random-directions",
        "promoted_from": "summed",
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def write_documents(corpus: Path, path: Path) -> None:
    """Take some documents of ordinary text, of all its sources."""
    texts = [json.loads(line)["text"] for line in corpus.read_text().splitlines()]
    random.Random(5).shuffle(texts)
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts[:N_DOCUMENTS]))


if __name__ == "__main__":
    main()
