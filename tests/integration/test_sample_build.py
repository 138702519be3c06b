"""The real sample's build script, run in miniature, and the sample that is committed."""

import gzip
import importlib
import json
import random
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("circuit_tracer")

from safetensors.torch import load_file  # noqa: E402

# torch's sparse product, which the closed-form decoders use, announces itself once a process.
pytestmark = pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta:UserWarning")

SAMPLE = Path(__file__).parents[2] / "graphs" / "smollm2-135m"
GRAPHS = [path for path in sorted(SAMPLE.glob("*-*.json")) if path.stem != "graph-metadata"]
MEGABYTE = 1_000_000
FEATURE_TYPE = "cross layer transcoder"

N_LAYERS, N_FEATURES, WINDOW = 2, 32, 49
NAMES = ["Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hal"]
VERBS = ["sees", "likes", "calls", "helps", "paints", "hears"]
THINGS = ["a cat", "the dog", "one tree", "two ships", "red wine", "blue ink", "old bread"]
PLACES = ["in Rome", "at sea", "on Monday", "near Oslo", "by night", "in the rain"]
PROMPT = "Ada sees the dog"


@dataclass(frozen=True)
class Miniature:
    """A finished build of a two-layer model and what to compare it with."""

    build: ModuleType
    work: Any
    out: Path
    config: Any
    tokens: Any


@pytest.fixture(scope="module")
def builder() -> Iterator[ModuleType]:
    """Import the script as it imports itself: with its own folder in front of the path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SAMPLE)
        yield importlib.import_module("build")


@pytest.fixture(scope="module")
def miniature(builder: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Miniature:
    threads = torch.get_num_threads()
    root = tmp_path_factory.mktemp("sample")
    work, out = _module("workspace").Workspace.under(root / "work"), root / "out"
    config = _shrink_config()
    texts = _write_texts()
    tokenizer = _save_model(work.model, texts)
    corpus = _module("corpus").pack_corpus(
        config.corpus, tokenizer, {"sentences": iter(texts)}, config.seed
    )
    _module("storage").write_tensors(work.corpus, {"tokens": corpus.tokens.int()})
    builder.build_sample(config, work, out)
    torch.set_num_threads(threads)
    return Miniature(builder, work, out, config, corpus.tokens)


def test_graph_features_all_have_evidence_and_weights(miniature: Miniature) -> None:
    features = _graph_features(miniature.out / "ada.json")
    weights = load_file(miniature.out / "weights.safetensors")
    evidence = _read_evidence(miniature.out / "features")

    assert features
    assert features == set(evidence)
    rows = zip(weights["layer"].tolist(), weights["index"].tolist(), strict=True)
    assert list(rows) == sorted(features)


def test_evidence_is_what_the_shipped_rows_compute(miniature: Miniature) -> None:
    inputs = _read_mlp_inputs(miniature)
    texts = _token_strings(miniature)
    weights = load_file(miniature.out / "weights.safetensors")
    evidence = _read_evidence(miniature.out / "features")

    for row, (layer, index) in enumerate(_pairs(weights)):
        activations = inputs[layer] @ weights["encoder"][row].float() + weights["encoder_bias"][row]
        activations = activations * (activations > weights["threshold"][row])
        activations[:, 0] = 0
        record = evidence[layer, index]
        assert record["act_max"] == pytest.approx(activations.max().item(), rel=1e-4)
        for group in record["examples_quantiles"]:
            for example in group["examples"]:
                found = _locate(example["tokens"], texts)
                expected = activations[found.sequence, found.start : found.start + WINDOW]
                acts = example["tokens_acts_list"]
                assert acts == pytest.approx(expected.tolist(), rel=1e-4, abs=1e-4)


def test_examples_are_distinct_whole_windows_in_falling_ranges(miniature: Miniature) -> None:
    for record in _read_evidence(miniature.out / "features").values():
        groups = record["examples_quantiles"]
        top, *lower = groups
        assert top["quantile_name"] == "Top activations"
        assert [group["quantile_name"] for group in lower] == [
            f"Subsample interval {number}" for number in range(5)
        ]
        examples = [example for group in groups for example in group["examples"]]
        assert all(len(example["tokens"]) == WINDOW for example in examples)
        assert all(len(example["tokens_acts_list"]) == WINDOW for example in examples)
        assert len({tuple(example["tokens"]) for example in examples}) == len(examples)
        assert all(
            _peak(example) == max(example["tokens_acts_list"]) for example in top["examples"]
        )
        assert record["quantile_values"] == sorted(record["quantile_values"])
        assert record["promoted_from"] == "summed"
        _assert_falling(lower)


def test_cross_layer_decoders_explain_at_least_what_the_layers_own_do(
    miniature: Miniature,
) -> None:
    decoders, transcoder = _module("decoders"), _module("transcoder")
    shards = sorted((miniature.work.shards / "training").glob("*.safetensors"))
    model = _module("model").load_model(miniature.work.model)
    folder, training = miniature.work.transcoders, miniature.config.training
    transcoders = transcoder.train_layers(model, shards, folder, training, miniature.config.seed)
    clt = decoders.load_clt(miniature.work.clt)

    for layer in decoders.measure_quality(transcoders, clt, shards):
        assert layer.fvu_cross_layer <= layer.fvu_per_layer + 1e-4
        assert layer.fvu_per_layer < 1


def test_circuit_tracer_reads_the_clt_as_it_was_written(miniature: Miniature) -> None:
    from circuit_tracer.transcoder.cross_layer_transcoder import load_clt

    ours = _module("decoders").load_clt(miniature.work.clt)
    theirs = load_clt(
        str(miniature.work.clt),
        device=torch.device("cpu"),
        dtype=torch.float32,
        lazy_decoder=False,
    )
    tokens = torch.randn(N_LAYERS, 5, ours.output_biases.shape[1])

    assert (theirs.n_layers, theirs.d_transcoder) == (N_LAYERS, N_FEATURES)
    assert theirs.W_dec is not None
    encoded = theirs.encode(tokens)
    for layer, encoder in enumerate(ours.encoders):
        torch.testing.assert_close(encoded[layer], encoder.encode(tokens[layer]))
        assert theirs.W_dec[layer].shape == ours.decoders[layer].shape
        torch.testing.assert_close(theirs.W_dec[layer].data, ours.decoders[layer].float())


def test_a_feature_writes_to_its_own_and_later_layers_only(miniature: Miniature) -> None:
    decoders = _module("decoders").load_clt(miniature.work.clt).decoders

    assert [decoder.shape[1] for decoder in decoders] == [N_LAYERS, N_LAYERS - 1]
    assert decoders[0][:, 1].abs().max() > 0


def test_a_second_run_resumes_and_writes_the_same_bytes(miniature: Miniature) -> None:
    before = {path: path.read_bytes() for path in miniature.out.rglob("*") if path.is_file()}
    for stage in (miniature.work.features, miniature.work.graphs, miniature.work.traces):
        shutil.rmtree(stage)

    miniature.build.build_sample(miniature.config, miniature.work, miniature.out)

    changed = [path.name for path, content in before.items() if path.read_bytes() != content]
    assert set(changed) <= {"facts.json"}, "only the wall times may differ"


def test_products_do_not_tell_where_they_were_built(miniature: Miniature) -> None:
    for path in miniature.out.rglob("*.json"):
        assert str(miniature.out.parent) not in path.read_text(), path.name


def test_a_workspace_of_another_configuration_is_refused(miniature: Miniature) -> None:
    errors, config = _module("errors"), _module("config")

    with pytest.raises(errors.BuildError, match="another configuration"):
        miniature.build.build_sample(config.BuildConfig(), miniature.work, miniature.out)


# The committed sample. No model is needed to check it.


def test_sample_is_small_enough_to_commit() -> None:
    files = [
        path for path in SAMPLE.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]

    assert sum(path.stat().st_size for path in files) <= 25 * MEGABYTE


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda path: path.stem)
def test_sample_graph_is_answered_pruned_and_indexed(graph: Path) -> None:
    content = json.loads(graph.read_text())
    index = json.loads((SAMPLE / "graph-metadata.json").read_text())["graphs"]
    answer = next(node for node in content["nodes"] if node["is_target_logit"])

    assert content["metadata"] in index
    assert content["metadata"]["slug"] == graph.stem
    assert answer["token_prob"] >= 0.3
    assert 150 <= sum(node["feature_type"] == FEATURE_TYPE for node in content["nodes"]) <= 400


def test_sample_features_have_whole_evidence() -> None:
    evidence = _read_evidence(SAMPLE / "features")
    weights = load_file(SAMPLE / "weights.safetensors")
    features = set().union(*(_graph_features(path) for path in GRAPHS))

    assert len(GRAPHS) >= 3
    assert set(evidence) == features
    assert list(_pairs(weights)) == sorted(features)
    assert weights["encoder"].shape == weights["decoder_sum"].shape == (len(features), 576)
    for record in evidence.values():
        top = record["examples_quantiles"][0]["examples"]
        assert len(top) == 20
        assert all(len(example["tokens"]) >= WINDOW for example in top)
        assert len(record["top_logits"]) == len(record["bottom_logits"]) == 10
        assert record["promoted_from"] == "summed"


def _module(name: str) -> Any:
    return importlib.import_module(f"builder.{name}")


def _shrink_config() -> Any:
    config = _module("config")
    return config.BuildConfig(
        scan="miniature-clt",
        threads=1,
        shard_sequences=16,
        corpus=config.CorpusConfig(
            shares=(config.SourceShare("sentences", 6000),),
            sequence_length=64,
            training_sequences=48,
            heldout_sequences=16,
        ),
        training=config.TrainingConfig(
            features=N_FEATURES, active=4, active_start=8, steps=80, batch_tokens=256
        ),
        attribution=config.AttributionConfig(
            prompts=(config.Prompt("ada", PROMPT),),
            max_logits=3,
            max_features=64,
            batch_rows=32,
            min_answer_probability=0.0,
        ),
    )


def _write_texts() -> list[str]:
    chance = random.Random(7)
    parts = (NAMES, VERBS, THINGS, PLACES)
    return [" ".join(chance.choice(part) for part in parts) + "." for _ in range(1200)]


def _save_model(folder: Path, texts: list[str]) -> Any:
    """Save a random two-layer Llama and a byte-level tokenizer that puts BOS in front."""
    import tokenizers
    import transformers
    from tests.tiny_llama import SPECIAL, make_llama, train_tokenizer

    raw = train_tokenizer(texts, 320)
    raw.post_processor = tokenizers.processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", 1)]
    )
    unknown, bos = SPECIAL
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token=bos, unk_token=unknown
    )
    model = make_llama(len(tokenizer), max_position_embeddings=128, tie_word_embeddings=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return tokenizer


def _read_mlp_inputs(miniature: Miniature) -> list[Any]:
    """Read what each MLP gets with a forward hook of our own, BOS included."""
    model = _module("model").load_model(miniature.work.model)
    inputs: list[Any] = []
    for layer in model.model.layers:
        layer.mlp.register_forward_pre_hook(lambda _module, args: inputs.append(args[0]))
    with torch.no_grad():
        model(miniature.tokens)
    return inputs


def _token_strings(miniature: Miniature) -> list[list[str]]:
    tokenizer = _module("model").load_tokenizer(miniature.work.model)
    return [
        [tokenizer.decode([token]).replace("\n", "⏎") for token in row]
        for row in miniature.tokens.tolist()
    ]


@dataclass(frozen=True)
class Window:
    """Where a window begins."""

    sequence: int
    start: int


def _locate(window: list[str], texts: list[list[str]]) -> Window:
    for sequence, row in enumerate(texts):
        for start in range(len(row) - len(window) + 1):
            if row[start : start + len(window)] == window:
                return Window(sequence, start)
    raise AssertionError(f"{window} is not in the corpus")


def _peak(example: dict[str, Any]) -> float:
    return example["tokens_acts_list"][example["train_token_ind"]]


def _assert_falling(groups: list[dict[str, Any]]) -> None:
    peaks = [[_peak(example) for example in group["examples"]] for group in groups]
    filled = [group for group in peaks if group]
    for higher, lower in pairwise(filled):
        assert min(higher) >= max(lower)


def _pairs(weights: dict[str, Any]) -> Iterator[tuple[int, int]]:
    return zip(weights["layer"].tolist(), weights["index"].tolist(), strict=True)


def _graph_features(path: Path) -> set[tuple[int, int]]:
    nodes = json.loads(path.read_text())["nodes"]
    parts = [node["node_id"].split("_") for node in nodes if node["feature_type"] == FEATURE_TYPE]
    return {(int(layer), int(index)) for layer, index, _ in parts}


def _read_evidence(folder: Path) -> dict[tuple[int, int], dict[str, Any]]:
    """Read circuit-tracer's layout anew, without the code that wrote it."""
    found = {}
    for layer, entry in json.loads(
        gzip.decompress((folder / "index.json.gz").read_bytes())
    ).items():
        content = (folder / entry["filename"]).read_bytes()
        for index, start in enumerate(entry["offsets"][:-1]):
            if start == entry["offsets"][index + 1]:
                continue
            (size,) = struct.unpack_from("<I", content, start)
            record = json.loads(gzip.decompress(content[start + 4 : start + 4 + size]))
            assert record["index"] == index
            found[int(layer), index] = record
    return found
