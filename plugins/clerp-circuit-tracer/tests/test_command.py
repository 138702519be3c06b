import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.command_line import Run, assert_refused, make_runner, take_stock
from transformers import LlamaForCausalLM

from clerp.errors import UsageError
from clerp.evidence import FeatureEvidence
from clerp.evidence.bins import Bins
from clerp.evidence.folder import FolderSource
from clerp.evidence.storage import RawRecord
from clerp.feature import FeatureId
from clerp_circuit_tracer.collect import CollectSettings, collect
from clerp_circuit_tracer.collect.batches import Mark
from clerp_circuit_tracer.collect.checkpoint import name_checkpoint, save_checkpoint
from clerp_circuit_tracer.collect.collection import CollectionFacts
from clerp_circuit_tracer.collect.display import Lines, describe, show_progress, summarize
from clerp_circuit_tracer.collect.job import JobProgress
from clerp_circuit_tracer.collect.vocabulary import Vocabulary

from .model_makers import (
    BOS,
    HOOKS,
    N_FEATURES,
    SCAN,
    WANTED,
    Activation,
    Architecture,
    make_byte_tokenizer,
    make_transcoders,
    open_plain,
    save_model,
    save_transcoders,
    write_graph,
    write_texts,
)

pytestmark = pytest.mark.slow

CONTEXT = 60
TEXTS = write_texts(300)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, transcoders, a corpus and a graph."""
    torch.set_num_threads(1)
    place = tmp_path_factory.mktemp("place")
    save_model(place / "model")
    save_transcoders(make_transcoders(), place / "cross")
    (place / "corpus.jsonl").write_text(
        "\n".join(json.dumps({"text": text}) for text in [*TEXTS, ""])
    )
    write_graph(place / "graph.json")
    return place


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return make_runner(capsys, monkeypatch)


def _list_arguments(place: Path, out: Path, **options: object) -> list[str]:
    given = {
        "model": place / "model",
        "transcoders": place / "cross",
        "corpus": place / "corpus.jsonl",
        "out": out,
        "context": CONTEXT,
        "device": "cpu",
    } | options
    flags = [
        part
        for name, value in given.items()
        if value is not None
        for part in (f"--{name.replace('_', '-')}", str(value))
    ]
    return ["collect", str(place / "graph.json"), *flags]


@pytest.fixture(scope="module")
def finished(place: Path) -> Path:
    """The folder of a run that nothing interrupted."""
    out = place / "finished"
    program = "from clerp.cli import main; main()"
    command = [sys.executable, "-c", program, *_list_arguments(place, out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert f"Written: {out}" in done.stderr
    assert "Exception ignored" not in done.stderr
    return out


def _read_records(folder: Path) -> dict[FeatureId, dict[str, Any]]:
    bins = Bins(folder)
    records: dict[FeatureId, dict[str, Any]] = {}
    for feature in WANTED:
        raw = bins.fetch(feature)
        assert isinstance(raw, RawRecord), raw
        records[feature] = json.loads(raw.content)
    return records


def _cut_rows() -> list[list[int]]:
    tokenizer = make_byte_tokenizer()
    size = CONTEXT - 1
    encoded = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    return [[BOS, *ids[at : at + size]] for ids in encoded for at in range(0, len(ids), size)]


def _compute_activations(
    place: Path, transcoders: Any, feature: FeatureId
) -> list[tuple[list[str], list[float]]]:
    """Recompute one feature on every row, unpadded, with nothing of clerp's but the strings."""
    plain, vocabulary = open_plain(place / "model"), Vocabulary(make_byte_tokenizer())
    computed = []
    for row in _cut_rows():
        inputs = plain.read(torch.tensor([row]))[feature.layer]
        activations = transcoders.encode_layer(inputs, feature.layer)[0, :, feature.index]
        activations = activations.clamp(min=0)
        activations[0] = 0
        computed.append((vocabulary.read(row), activations.tolist()))
    return computed


def _find_window(tokens: list[str], rows: list[tuple[list[str], list[float]]]) -> list[list[float]]:
    n = len(tokens)
    return [
        activations[start : start + n]
        for strings, activations in rows
        for start in range(len(strings) - n + 1)
        if strings[start : start + n] == tokens
    ]


@pytest.mark.parametrize("backend", ["nnsight", "transformerlens"])
@pytest.mark.parametrize(
    ("architecture", "activation"),
    [("cross", "jump"), ("cross", "relu"), ("single", "jump"), ("single", "relu")],
)
def test_examples_are_what_the_plain_model_computes(
    backend: str,
    architecture: Architecture,
    activation: Activation,
    place: Path,
    tmp_path: Path,
    run: Run,
) -> None:
    made = make_transcoders(architecture, activation)
    save_transcoders(made, tmp_path / "set", config=False)
    flags = _list_arguments(
        place,
        tmp_path / "features",
        transcoders=tmp_path / "set",
        backend=backend,
        input_hook=HOOKS.input,
        output_hook=HOOKS.output,
    )

    outcome = run(*flags)

    assert (outcome.code, outcome.out) == (0, ""), outcome
    records = _read_records(tmp_path / "features")
    for feature in (WANTED[1], WANTED[6]):
        rows = _compute_activations(place, made, feature)
        peaks = [max(activations) for _, activations in rows]
        record = records[feature]
        assert record["act_max"] == pytest.approx(max(peaks), rel=1e-4, abs=1e-4)
        examples = [e for group in record["examples_quantiles"] for e in group["examples"]]
        assert len(examples) >= 20
        for example in examples:
            found = _find_window(example["tokens"], rows)
            acts = example["tokens_acts_list"]
            assert any(acts == pytest.approx(window, rel=1e-4, abs=1e-4) for window in found)


def test_the_folder_is_a_source_of_evidence(finished: Path) -> None:
    evidence = list(FolderSource(str(finished)).read(WANTED))

    for feature, found in zip(WANTED, evidence, strict=True):
        assert isinstance(found, FeatureEvidence)
        assert found.feature == feature
        assert found.promoted_from == "summed"
        assert len(found.promoted) == len(found.suppressed) == 10
        assert found.density is not None
        assert 0 < found.density < 1
        assert len(found.top) == 20


def test_the_folder_says_what_it_was_made_of_and_no_place(finished: Path) -> None:
    summary = json.loads((finished / "collection.json").read_text())

    assert summary["scan"] == SCAN
    assert summary["made_with"]["model"] == "model"
    assert summary["made_with"]["backend"] == "nnsight"
    assert summary["made_with"]["tokens"] is None
    assert len(summary["made_with"]["model_weights"]) == 64
    assert summary["rows"] == len(_cut_rows())
    assert summary["tokens"] == sum(len(row) - 1 for row in _cut_rows())
    assert str(finished.parent) not in json.dumps(summary)


_KILLED = """
import os, signal
from pathlib import Path
from clerp_circuit_tracer.collect import collect
from clerp.feature import FeatureId
place, out = Path({place!r}), {out!r}
seen = []
def report(progress):
    seen.append(progress.tokens)
    if len(seen) > {after} and progress.tokens:
        os.kill(os.getpid(), signal.SIGKILL)
collect([FeatureId.parse(f) for f in {features!r}], model=place / "model",
    transcoders=place / "cross", corpus=place / "corpus.jsonl", out=out, context={context},
    device="cpu", report=report, checkpoint_seconds=0)
"""


def test_a_killed_run_goes_on_and_writes_the_same_bytes(
    place: Path, finished: Path, run: Run
) -> None:
    out = place / "killed"
    for after in (5, 3):
        program = _KILLED.format(
            place=str(place),
            out=str(out),
            features=[str(feature) for feature in WANTED],
            context=CONTEXT,
            after=after,
        )
        done = subprocess.run([sys.executable, "-c", program], timeout=120, check=False)
        assert done.returncode == -signal.SIGKILL
        assert not out.exists()
        assert out.with_name("killed.unfinished").exists()

    outcome = run(*_list_arguments(place, out))

    assert outcome.code == 0, outcome
    assert take_stock(out) == take_stock(finished)
    assert not out.with_name("killed.unfinished").exists()


def test_another_number_of_tokens_and_another_model_are_other_collections(
    place: Path, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "features"
    program = _KILLED.format(
        place=str(place),
        out=str(out),
        features=[str(feature) for feature in WANTED],
        context=CONTEXT,
        after=3,
    )
    done = subprocess.run([sys.executable, "-c", program], timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    other = save_model(tmp_path / "other" / "model")
    weights = LlamaForCausalLM.from_pretrained(other)
    torch.nn.init.zeros_(weights.lm_head.weight)
    weights.save_pretrained(other)

    outcome = run(*_list_arguments(place, out, tokens=5000))
    assert outcome.code == 1
    assert "made_with tokens is None there and 5000 here" in outcome.err
    outcome = run(*_list_arguments(place, out, model=other))
    assert outcome.code == 1
    assert "made_with model_weights is" in outcome.err


def test_a_folder_that_is_written_already_is_left_and_said_so(
    place: Path, finished: Path, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "features"
    shutil.copytree(finished, out)
    identity = json.loads((out / "collection.json").read_text())
    save_checkpoint(name_checkpoint(out), identity, Mark(3), {})

    outcome = run(*_list_arguments(place, out))

    assert outcome.code == 0, outcome
    assert f"Already written: {out}" in outcome.err
    assert take_stock(out) == take_stock(finished)
    assert not name_checkpoint(out).exists()


def test_a_parent_folder_that_is_not_there_is_refused_before_any_work(
    place: Path, tmp_path: Path, run: Run
) -> None:
    outcome = run(*_list_arguments(place, tmp_path / "no" / "features", model="no/such/model"))

    assert_refused(outcome, f"{tmp_path / 'no'}: is no folder. Make it first")


def test_a_corpus_without_text_is_refused_and_leaves_nothing(
    place: Path, tmp_path: Path, run: Run
) -> None:
    (tmp_path / "blank.txt").write_text(" \n\n")

    outcome = run(*_list_arguments(place, tmp_path / "features", corpus=tmp_path / "blank.txt"))

    assert outcome.code == 1
    assert "the corpus has no text" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["blank.txt"]


@pytest.mark.parametrize(
    ("corpus", "n_tokens", "fault"),
    [
        ("corpus.jsonl", 0, "a corpus of 0 tokens is wanted"),
        (torch.tensor([BOS, 5, 6]), None, "a tensor of the shape"),
    ],
)
def test_a_corpus_that_cannot_be_is_refused_before_any_work(
    corpus: Any, n_tokens: int | None, fault: str, place: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=fault):
        collect(
            WANTED,
            model="no/such/model",
            transcoders="no/such/set",
            corpus=corpus if isinstance(corpus, torch.Tensor) else place / corpus,
            n_tokens=n_tokens,
            out=tmp_path / "features",
        )
    assert list(tmp_path.iterdir()) == []


_TERMINATED = """
import os, signal, sys
from clerp_circuit_tracer.collect import display
def stop(self, progress):
    if progress.tokens > 500:
        os.kill(os.getpid(), {signal})
display.Lines.__call__ = stop
from clerp.cli import main
main()
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["kill", "ctrl-c"]
)
def test_an_interrupted_run_says_that_the_same_command_continues(
    number: signal.Signals, code: int, place: Path, finished: Path, tmp_path: Path, run: Run
) -> None:
    arguments = _list_arguments(place, tmp_path / "features")
    program = _TERMINATED.format(signal=int(number))

    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == code, done.stderr
    assert "clerp: the same command continues" in done.stderr
    assert "Traceback" not in done.stderr
    assert run(*arguments).code == 0
    assert take_stock(tmp_path / "features") == take_stock(finished)


def test_loaded_transcoders_and_rows_of_token_ids_are_collected(
    place: Path, tmp_path: Path
) -> None:
    tokens = torch.tensor([row for row in _cut_rows() if len(row) == CONTEXT][:30])
    heard: list[JobProgress] = []

    facts = collect(
        WANTED,
        model=place / "model",
        transcoders=make_transcoders(),
        corpus=tokens,
        out=tmp_path / "features",
        device="cpu",
        settings=CollectSettings(top_examples=3),
        report=heard.append,
    )

    assert (facts.rows, facts.tokens) == (30, 30 * (CONTEXT - 1))
    assert facts.features == WANTED
    assert heard[0].tokens == 0
    assert heard[-1].tokens == facts.tokens
    record = _read_records(tmp_path / "features")[WANTED[0]]
    assert len(record["examples_quantiles"][0]["examples"]) == 3


def test_the_summary_counts_tokens_features_and_silence(
    place: Path, tmp_path: Path, run: Run
) -> None:
    made: Any = make_transcoders()
    made.activation_function.threshold[0, 0, 7] = 1e9
    save_transcoders(made, tmp_path / "set")

    outcome = run(
        *_list_arguments(
            place, tmp_path / "features", transcoders=tmp_path / "set", tokens=1000, batch=300
        )
    )

    assert outcome.code == 0, outcome
    stage, first, last = outcome.err.splitlines()
    assert stage == "clerp: reading the corpus through once, for its digest"
    assert first.startswith("1,000 tokens in ")
    assert "8 features, 1 never fired: 0_7" in first
    assert last == f"Written: {tmp_path / 'features'}"


def test_documents_without_text_are_mentioned(place: Path, tmp_path: Path, run: Run) -> None:
    outcome = run(*_list_arguments(place, tmp_path / "features"))

    assert "; 1 documents without text" in outcome.err


def test_a_folder_that_is_there_is_refused_before_any_work(
    place: Path, tmp_path: Path, run: Run
) -> None:
    (tmp_path / "features").mkdir()

    outcome = run(*_list_arguments(place, tmp_path / "features", model="no/such/model"))

    assert_refused(outcome, "features", "is there already")


@pytest.mark.parametrize("backend", ["nnsight", "transformerlens"])
def test_rows_beyond_the_reach_of_the_model_are_refused(
    backend: str, place: Path, tmp_path: Path, run: Run
) -> None:
    outcome = run(*_list_arguments(place, tmp_path / "features", context=129, backend=backend))

    assert_refused(outcome, "rows of 129 tokens are longer than the 128 of the model", "--context")


def test_a_corpus_that_is_not_there_is_refused_before_any_work(
    place: Path, tmp_path: Path, run: Run
) -> None:
    outcome = run(
        *_list_arguments(place, tmp_path / "features", model="no/such/model", corpus="nowhere")
    )

    assert_refused(outcome, "nowhere", "there is no such corpus")


def test_transcoders_are_those_that_the_graph_names(
    place: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def load(reference: str, **_: object) -> Any:
        asked.append(reference)
        return make_transcoders(), {}

    monkeypatch.setattr("clerp_circuit_tracer.collect.transcoders.load_transcoder_from_hub", load)

    outcome = run(*_list_arguments(place, tmp_path / "features", transcoders=None, tokens=200))

    assert outcome.code == 0, outcome
    assert asked == [SCAN]


@pytest.mark.parametrize("scan", ["gemma-2-2b", "custom-1234", "", "/home/somebody/set"])
def test_a_graph_that_names_no_place_needs_transcoders(
    scan: str, place: Path, tmp_path: Path, run: Run
) -> None:
    graph = write_graph(tmp_path / "graph.json", scan=scan)
    arguments = _list_arguments(place, tmp_path / "features", transcoders=None)

    assert_refused(run("collect", graph, *arguments[2:]), "--transcoders")


def test_graphs_of_two_sets_are_refused(place: Path, tmp_path: Path, run: Run) -> None:
    other = write_graph(tmp_path / "other.json", scan="another/set")
    arguments = _list_arguments(place, tmp_path / "features")

    assert_refused(run(*arguments[:2], other, *arguments[2:]), "other.json", "'another/set'")


def test_graphs_of_one_set_are_collected_together(place: Path, tmp_path: Path, run: Run) -> None:
    other = write_graph(tmp_path / "other.json", [FeatureId(0, 3), WANTED[0]])
    arguments = _list_arguments(place, tmp_path / "features", tokens=500)

    outcome = run(*arguments[:2], other, *arguments[2:])

    assert f"{len(WANTED) + 1} features" in outcome.err, outcome


def test_one_hook_without_the_other_is_refused(place: Path, tmp_path: Path, run: Run) -> None:
    outcome = run(*_list_arguments(place, tmp_path / "features", input_hook="mlp.hook_in"))

    assert_refused(outcome, "--input-hook and --output-hook")


def test_features_of_another_set_are_refused(place: Path, tmp_path: Path, run: Run) -> None:
    graph = write_graph(tmp_path / "graph.json", [FeatureId(0, N_FEATURES)])
    arguments = _list_arguments(place, tmp_path / "features")

    outcome = run("collect", graph, *arguments[2:])

    assert_refused(outcome, f"0_{N_FEATURES} is outside {SCAN}")


def test_help_is_light(place: Path) -> None:
    program = (
        "import sys; import clerp_circuit_tracer.command; "
        "print([m for m in ('torch', 'transformers', 'circuit_tracer', 'networkx', 'numpy')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.strip() == "[]"


def test_progress_names_tokens_pace_and_time_left() -> None:
    assert describe(JobProgress(0, None, 0.0, 0)) == "0 tokens"
    assert describe(JobProgress(1500, None, 120.4, 0)) == "1,500 tokens, 120 tokens/s"
    assert describe(JobProgress(1000, 2000, 100.0, 0)).endswith("about 10 s left")
    assert describe(JobProgress(0, 60_000, 100.0, 0)).endswith("about 10 min left")
    assert describe(JobProgress(0, 3_600_000, 100.0, 0)).endswith("about 10.0 h left")
    assert describe(JobProgress(10, 5, 100.0, 0)).endswith("about 0 s left")


def test_without_a_terminal_there_is_a_line_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 10.0, 61.0, 61.0, 100.0, 122.0, 122.0])
    lines = Lines(lambda: next(times))

    for tokens in (1, 2, 3, 4):
        lines(JobProgress(tokens, None, 0.0, 0))

    assert capsys.readouterr().err == "clerp: 2 tokens\nclerp: 4 tokens\n"


def test_a_terminal_gets_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")

    with show_progress() as watch:
        watch(JobProgress(500, 1000, 50.0, 2))

    assert "500 tokens, 50 tokens/s, about 10 s left" in capsys.readouterr().err
    assert watch.last == JobProgress(500, 1000, 50.0, 2)


def test_the_summary_names_few_of_many_silent_features() -> None:
    silent = tuple(FeatureId(0, index) for index in range(12))
    facts = CollectionFacts(Path("features"), 3, 100, silent, silent)

    line = summarize(facts, JobProgress(100, None, 50.0, 0))

    assert "12 never fired: 0_0, 0_1" in line
    assert line.endswith("0_9, ...")
