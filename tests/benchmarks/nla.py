"""What a pair costs: texts a second, one by one and 32 at once, beside transformers' `generate`.

The tiny pair is a toy of under a million parameters: its seconds say nothing of a real one, the
ratios do. Each row works in a process of its own, which loads the pair, writes 64 texts and reads
them back, so that peak memory is its alone; `base` is what Python with the libraries takes.

    python -m tests.benchmarks.nla [PAIR] [TEXTS]
"""

import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

PAIR = Path("plugins/clerp-nla/tests/tiny")
N_TEXTS, BATCHES, MAX_NEW_TOKENS, SEED = 64, (1, 32), 120, 0
ROWS = ("generate", "describe", "resident")

Result = TypeVar("Result")


def main() -> None:
    pair = sys.argv[1] if len(sys.argv) > 1 else str(PAIR)
    n_texts = int(sys.argv[2]) if len(sys.argv) > 2 else N_TEXTS
    print(f"{n_texts} vectors, the likeliest text of each, at most {MAX_NEW_TOKENS} tokens")
    print("            batch | texts/s  tokens/s  of generate | read back/s | peak MiB  above base")
    for batch in BATCHES:
        rates: dict[str, float] = {}
        for row in ROWS:
            command = [sys.executable, "-m", "tests.benchmarks.nla", "--here", row]
            command += [pair, str(n_texts), str(batch)]
            run = subprocess.run(command, check=True, capture_output=True, text=True)
            texts, tokens, read, peak, base = map(float, run.stdout.split())
            rates[row] = tokens
            back = "-" if math.isnan(read) else f"{read:.1f}"
            beside = tokens / rates["generate"]
            print(
                f"{row:12} {batch:5} | {texts:7.1f} {tokens:9.0f} {beside:12.2f} | {back:>11} "
                f"| {peak:8.0f} {peak - base:11.0f}",
                flush=True,
            )


def measure_here(row: str, place: str, n_texts: int, batch: int) -> None:
    """Print texts, tokens and texts read back a second, and memory at the end and before."""
    import torch

    from clerp.verbalizers import Sampling
    from clerp_nla.pair.pair import open_pair

    torch.set_num_threads(1)
    base = read_peak()
    pair = open_pair(place, resident=row == "resident")
    vectors = draw_vectors(pair.actor_sidecar.d_model, n_texts)
    sampling = Sampling(temperature=0.0, max_new_tokens=MAX_NEW_TOKENS)
    if row == "generate":
        generate = prepare_generate(pair.place.actor)
        generate(vectors[:batch], batch)
        seconds, counts = clock(lambda: generate(vectors, batch))
        print(n_texts / seconds, sum(counts) / seconds, "nan", read_peak(), base)
        return
    with pair.acting() as actor:
        actor.describe(vectors[:batch], sampling, batch_size=batch)
        seconds, said = clock(lambda: actor.describe(vectors, sampling, batch_size=batch))
    texts, n_tokens = [text.text for text in said], sum(text.n_tokens or 0 for text in said)
    with pair.criticizing() as critic:
        critic.reconstruct(texts[:batch], batch_size=batch)
        reading, _ = clock(lambda: critic.reconstruct(texts, batch_size=batch))
    print(n_texts / seconds, n_tokens / seconds, n_texts / reading, read_peak(), base)


def prepare_generate(folder: Path) -> Callable[[np.ndarray, int], list[int]]:
    """Return the plainest loop over `generate`, which counts the tokens of each text."""
    import torch
    from transformers import AutoModelForCausalLM

    from clerp_nla.pair.checkpoint import load_model, load_tokenizer
    from clerp_nla.pair.injection import Injector
    from clerp_nla.pair.prompt import write_actor_prompt
    from clerp_nla.pair.sidecar import read_sidecar

    model = load_model(folder, AutoModelForCausalLM, device="cpu", dtype=torch.float32)
    tokenizer, sidecar = load_tokenizer(folder), read_sidecar(folder)
    prompt = write_actor_prompt(sidecar, tokenizer, folder)
    injector = Injector(model, prompt, sidecar.injection_scale or 1.0)

    def generate(vectors: np.ndarray, batch: int) -> list[int]:
        counts: list[int] = []
        for first in range(0, len(vectors), batch):
            embeds = injector.embed(vectors[first : first + batch])
            written = model.generate(  # type: ignore[operator]
                inputs_embeds=embeds,
                attention_mask=torch.ones(embeds.shape[:2], dtype=torch.long),
                do_sample=False,
                max_new_tokens=MAX_NEW_TOKENS,
                pad_token_id=tokenizer.pad_token_id,
            )
            counts += (written != tokenizer.pad_token_id).sum(1).tolist()
        return counts

    return generate


def draw_vectors(d_model: int, n_texts: int) -> np.ndarray:
    drawn = np.random.default_rng(SEED).normal(size=(n_texts, d_model))
    return drawn.astype(np.float32)


def clock(work: Callable[[], Result]) -> tuple[float, Result]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def read_peak() -> float:
    """Return the most memory that this process ever held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        measure_here(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    else:
        main()
