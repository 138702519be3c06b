"""Build the sample: model, corpus, CLT, graphs and evidence, from scratch on a CPU.

Every stage leaves its product in the work folder and is skipped when that exists, so a killed build
goes on where it stopped. What ships is copied to the output folder at the end.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import torch
from jaxtyping import Int
from safetensors.torch import load_file
from torch import Tensor

from builder.attribution import (
    GraphFacts,
    list_features,
    load_replacement_model,
    load_transcoder,
    trace_prompt,
    write_graph,
)
from builder.capture import capture_shards
from builder.config import BuildConfig, Prompt
from builder.corpus import pack_corpus, read_sources
from builder.decoders import load_clt, measure_quality, save_clt, solve_decoders
from builder.errors import BuildError
from builder.facts import count_evidence
from builder.model import load_model, load_tokenizer, prepare_model
from builder.storage import replacing, write_json, write_tensors
from builder.transcoder import train_layers
from builder.weights import write_weights
from builder.workspace import Workspace
from clerp.errors import ClerpError
from clerp.feature import FeatureId
from clerp_circuit_tracer.collect import CollectSettings, collect

logger = logging.getLogger("build")

VERSIONED = ("circuit-tracer", "nnsight", "torch", "transformers", "tokenizers", "gguf")


def build_sample(config: BuildConfig, work: Workspace, out: Path) -> None:
    """Run every stage that is not done yet and copy the products to `out`.

    Raises:
        BuildError: A stage failed, or `work` belongs to a different configuration.
    """
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    work.claim(config)
    with work.timed("model"):
        prepare_model(work.model, work.downloads)
    with work.timed("corpus"):
        tokens = _prepare_corpus(config, work)
    _train_clt(config, work, tokens)
    with work.timed("attribution"):
        _trace_prompts(config, work)
    with work.timed("evidence"):
        graphs = _write_graphs(config, work)
        features = _collect_features(work, graphs)
        _write_evidence(config, work, tokens, features)
    publish(config, work, graphs, out)


def publish(config: BuildConfig, work: Workspace, graphs: list[GraphFacts], out: Path) -> None:
    """Copy what ships to `out` and write down what was measured."""
    index = {"graphs": []}
    for facts in graphs:
        folder = work.graphs / facts.slug
        _copy(folder / f"{facts.slug}.json", out / f"{facts.slug}.json")
        index["graphs"] += json.loads((folder / "graph-metadata.json").read_text())["graphs"]
    write_json(out / "graph-metadata.json", index)
    with replacing(out / "features") as partial:
        shutil.copytree(work.features, partial)
    _copy(work.weights, out / "weights.safetensors")
    write_json(out / "facts.json", _collect_facts(config, work, graphs))
    logger.info("published to the output folder")


def _prepare_corpus(config: BuildConfig, work: Workspace) -> Int[Tensor, "sequence position"]:
    if not work.corpus.exists():
        documents = read_sources(config.corpus, work.downloads)
        tokenizer = load_tokenizer(work.model)
        corpus = pack_corpus(config.corpus, tokenizer, documents, config.seed)
        write_tensors(work.corpus, {"tokens": corpus.tokens.int()})
    return load_file(work.corpus)["tokens"].long()


def _train_clt(
    config: BuildConfig, work: Workspace, tokens: Int[Tensor, "sequence position"]
) -> None:
    if work.clt.exists() and work.quality.exists():
        return
    model = load_model(work.model)
    parts = {"training": config.corpus.training_sequences}
    parts["heldout"] = config.corpus.heldout_sequences
    with work.timed("capture"):
        training, heldout = (
            capture_shards(
                model,
                rows,
                work.shards / name,
                shard_sequences=config.shard_sequences,
                batch_sequences=config.batch_sequences,
            )
            for name, rows in zip(parts, tokens.split(_sizes(tokens, parts)), strict=False)
        )
    with work.timed("training"):
        transcoders = train_layers(model, training, work.transcoders, config.training, config.seed)
    with work.timed("decoders"):
        clt = solve_decoders(transcoders, training, config.training.ridge)
        save_clt(clt, work.clt)
        quality = measure_quality(transcoders, load_clt(work.clt), heldout)
        write_json(work.quality, [vars(layer) for layer in quality])


def _sizes(tokens: Int[Tensor, "sequence position"], parts: dict[str, int]) -> list[int]:
    used = list(parts.values())
    if sum(used) > len(tokens):
        raise BuildError(f"the corpus has {len(tokens)} rows, {sum(used)} are wanted")
    return [*used, len(tokens) - sum(used)]


def _trace_prompts(config: BuildConfig, work: Workspace) -> None:
    prompts = config.attribution.prompts
    missing = [prompt for prompt in prompts if not _trace(work, prompt).exists()]
    if missing:
        model = load_replacement_model(work.model, work.clt, config.scan)
        for prompt in missing:
            trace_prompt(model, prompt, config.attribution, _trace(work, prompt))


def _write_graphs(config: BuildConfig, work: Workspace) -> list[GraphFacts]:
    settings, scan = config.attribution, config.scan
    return [
        write_graph(_trace(work, prompt), prompt, settings, scan, work.graphs / prompt.slug)
        for prompt in settings.prompts
    ]


def _trace(work: Workspace, prompt: Prompt) -> Path:
    return work.traces / f"{prompt.slug}.pt"


def _collect_features(work: Workspace, graphs: list[GraphFacts]) -> list[FeatureId]:
    files = [work.graphs / facts.slug / f"{facts.slug}.json" for facts in graphs]
    found = set().union(*(list_features(file) for file in files))
    return sorted(found)


def _write_evidence(
    config: BuildConfig,
    work: Workspace,
    tokens: Int[Tensor, "sequence position"],
    features: list[FeatureId],
) -> None:
    if not work.features.exists():
        collect(
            features,
            model=work.model,
            transcoders=load_transcoder(work.clt, config.scan),
            corpus=tokens,
            out=work.features,
            device="cpu",
            settings=CollectSettings(seed=config.seed, **asdict(config.evidence)),
        )
    write_weights(load_clt(work.clt), features, work.weights)


def _collect_facts(config: BuildConfig, work: Workspace, graphs: list[GraphFacts]) -> object:
    quality = json.loads(work.quality.read_text())
    evidence = count_evidence(
        work.features, config.evidence.top_examples, config.evidence.interval_examples
    )
    means = {
        name: round(sum(layer[name] for layer in quality) / len(quality), 4)
        for name in ("fvu_per_layer", "fvu_cross_layer", "l0", "dead")
    }
    return {
        "versions": {package: version(package) for package in VERSIONED},
        "configuration": json.loads(work.config.read_text()),
        "corpus_tokens": load_file(work.corpus)["tokens"][:, 1:].numel(),
        "mean_quality": means,
        "layer_quality": quality,
        "graphs": [vars(facts) for facts in graphs],
        "evidence": vars(evidence),
        "seconds": json.loads(work.timings.read_text()),
    }


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as partial:
        shutil.copyfile(source, partial)


def _default_work() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "clerp" / "smollm2-135m"


def main() -> None:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=_default_work(), help="downloads and stages")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="products")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    try:
        build_sample(BuildConfig(), Workspace.under(arguments.work), arguments.out)
    except (BuildError, ClerpError) as error:
        parser.exit(1, f"build failed: {error}\n")


if __name__ == "__main__":
    main()
