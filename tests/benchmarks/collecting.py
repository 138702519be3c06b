"""What `clerp collect` costs beside the model's own forward pass, and what memory it takes.

Run `python tests/benchmarks/collecting.py FOLDER`, where `make collected` left SmolLM2 and texts.
The ratio is that of tokens per second: collecting 400 features of random transcoders with 512
features a layer, against the whole forward pass of the same model with a hook on every MLP, in
turns. Memory is that of a process that collects 0.1 and 1 million tokens with a tiny Llama, read
between batches.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import torch
from circuit_tracer.transcoder.activation_functions import JumpReLU
from circuit_tracer.transcoder.single_layer_transcoder import SingleLayerTranscoder, TranscoderSet
from torch import Tensor
from torch.nn import Module
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

from clerp.feature import FeatureId
from clerp_circuit_tracer.collect import CollectSettings, collect

ROUNDS = 3
N_FEATURES, N_WANTED = 512, 400
ROW = 256
BATCH_ROWS = 8
DENSITY = 0.015
"""Share of the tokens on which a feature of the benchmark fires."""


def load_model(folder: Path) -> LlamaForCausalLM:
    loaded = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
    return cast(LlamaForCausalLM, loaded.eval())


def read_rows(folder: Path, count: int) -> Tensor:
    """Cut the texts into rows with BOS."""
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    ids: list[int] = []
    with (folder / "corpus.jsonl").open() as lines:
        while len(ids) < count * ROW:
            ids += tokenizer.encode(json.loads(next(lines))["text"], add_special_tokens=False)
    rows = torch.tensor(ids[: count * (ROW - 1)]).view(count, ROW - 1)
    return torch.cat([torch.full((count, 1), cast(int, tokenizer.bos_token_id)), rows], dim=1)


def run_hooked(model: LlamaForCausalLM, rows: Tensor, take: Callable[[int, Tensor], None]) -> None:
    """Run the model, with a hook on what every MLP reads."""

    def make_hook(layer: int) -> Callable[[Module, tuple[Tensor, ...]], None]:
        return lambda _, given: take(layer, given[0])

    handles = [
        block.mlp.register_forward_pre_hook(make_hook(layer))
        for layer, block in enumerate(cast(Iterable[LlamaDecoderLayer], model.model.layers))
    ]
    with torch.inference_mode():
        for batch in rows.split(BATCH_ROWS):
            model(batch, use_cache=False)
    for handle in handles:
        handle.remove()


def make_transcoders(model: LlamaForCausalLM, rows: Tensor) -> TranscoderSet:
    """Make random transcoders whose features fire on `DENSITY` of these tokens."""
    torch.manual_seed(0)
    made: dict[int, SingleLayerTranscoder] = {}

    def make(layer: int, inputs: Tensor) -> None:
        d_model = inputs.shape[-1]
        encoder = torch.randn(N_FEATURES, d_model) / d_model**0.5
        projected = (inputs[:, 1:] @ encoder.T).flatten(0, 1)
        threshold = projected.float().quantile(1 - DENSITY, dim=0)
        transcoder = SingleLayerTranscoder(
            d_model, N_FEATURES, JumpReLU(threshold, 0.1), layer, dtype=torch.float32
        )
        transcoder.W_enc.data, transcoder.W_dec.data = encoder, torch.randn(N_FEATURES, d_model)
        made[layer] = transcoder

    run_hooked(model, rows[:BATCH_ROWS], make)
    return TranscoderSet(made, "mlp.hook_in", "mlp.hook_out", scan="random")


def list_wanted(n_layers: int) -> list[FeatureId]:
    return [FeatureId(n % n_layers, n // n_layers) for n in range(N_WANTED)]


def time_forward(model: LlamaForCausalLM, rows: Tensor) -> float:
    started = time.perf_counter()
    run_hooked(model, rows, lambda layer, inputs: None)
    return rows.numel() / (time.perf_counter() - started)


def time_collect(folder: Path, transcoders: TranscoderSet, rows: Tensor) -> float:
    rates: list[float] = []
    with tempfile.TemporaryDirectory() as out:
        collect(
            list_wanted(transcoders.n_layers),
            model=folder / "model",
            transcoders=transcoders,
            corpus=rows,
            out=Path(out) / "features",
            device="cpu",
            settings=CollectSettings(batch_tokens=BATCH_ROWS * ROW),
            report=lambda progress: rates.append(progress.tokens_per_second),
        )
    return rates[-1]


def compare_speed(folder: Path) -> None:
    rows = read_rows(folder, count=64)
    model = load_model(folder)
    transcoders = make_transcoders(model, rows)
    print(f"{N_WANTED} of {transcoders.n_layers} x {N_FEATURES} features, tokens per second:")
    ratios: list[float] = []
    for _ in range(ROUNDS):
        forward, collected = time_forward(model, rows), time_collect(folder, transcoders, rows)
        ratios.append(collected / forward)
        print(f"  forward {forward:7.0f}  collect {collected:7.0f}  ratio {ratios[-1]:.2f}")
    print(f"  median ratio {statistics.median(ratios):.2f}")


def measure_memory(folder: Path, n_tokens: int) -> dict[str, float]:
    """Collect with a tiny Llama and return the most memory that was held between batches."""
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
    )
    held: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        tiny = Path(scratch)
        LlamaForCausalLM(config).save_pretrained(tiny / "model")
        tokenizer.save_pretrained(tiny / "model")
        transcoders = make_transcoders(load_model(tiny), read_rows(folder, count=BATCH_ROWS))
        (tiny / "long.jsonl").write_text((folder / "corpus.jsonl").read_text() * 2)
        facts = collect(
            list_wanted(transcoders.n_layers),
            model=tiny / "model",
            transcoders=transcoders,
            corpus=tiny / "long.jsonl",
            out=tiny / "features",
            n_tokens=n_tokens,
            device="cpu",
            report=lambda _: held.append(read_resident_mb()),
        )
    return {"tokens": facts.tokens, "most_mb": max(held), "last_mb": held[-1]}


def read_resident_mb() -> float:
    n_pages = int(Path("/proc/self/statm").read_text().split()[1])
    return n_pages * resource.getpagesize() / 2**20


def compare_memory(folder: Path) -> None:
    print("memory, tiny Llama:")
    for n_tokens in (100_000, 1_000_000):
        command = [sys.executable, __file__, str(folder), "--memory", str(n_tokens)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        most, last = found["most_mb"], found["last_mb"]
        print(f"  {found['tokens']:9,} tokens  at most {most:5.0f} MB  at the end {last:5.0f} MB")


def main() -> None:
    folder = Path(sys.argv[1])
    if sys.argv[2:3] == ["--memory"]:
        print(json.dumps(measure_memory(folder, int(sys.argv[3]))))
        return
    compare_speed(folder)
    compare_memory(folder)


if __name__ == "__main__":
    main()
