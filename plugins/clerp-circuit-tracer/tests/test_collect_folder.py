import gzip
import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from circuit_tracer.frontend.feature_models import Model
from nnsight.intervention.tracing.util import wrap_exception

from clerp.errors import EvidenceError, InputError, OutputError, UsageError
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.evidence.folder import FolderSource
from clerp.feature import FeatureId
from clerp.testing import check_source
from clerp_circuit_tracer.collect.activity import Batch, Row
from clerp_circuit_tracer.collect.checkpoint import name_checkpoint
from clerp_circuit_tracer.collect.collecting import CollectProgress, collect_rows
from clerp_circuit_tracer.collect.collection import CollectionFacts
from clerp_circuit_tracer.collect.settings import CollectSettings

from .collect_reader import TableReader, make_rows

FEATURES = [FeatureId(0, 3), FeatureId(0, 11), FeatureId(2, 7)]
SETTINGS = CollectSettings(batch_tokens=500, shard_rows=10)
ORIGIN = {"model": "tiny", "corpus": "sha256 of it"}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


class Killed(BaseException):
    """The process is gone."""


class DyingReader(TableReader):
    """Dies after so many batches, in the middle of whatever is under way."""

    lives = 10**9

    def read(self, batch: Batch):
        self.lives -= 1
        for layer in super().read(batch):
            if self.lives < 0:
                raise Killed
            yield layer


def run(
    out: Path,
    *,
    reader: TableReader | None = None,
    features: Iterable[FeatureId] = FEATURES,
    rows: Sequence[Row] = make_rows(80),
    settings: CollectSettings = SETTINGS,
    **options,
) -> CollectionFacts:
    options = {"origin": ORIGIN, "prefix": 1, "checkpoint_seconds": 0.0, **options}
    return collect_rows(
        lambda first: iter(rows[first:]),
        reader or TableReader(FEATURES),
        features,
        settings,
        out,
        **options,
    )


def read_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def read_record(folder: Path, feature: FeatureId) -> dict:
    index = json.loads(gzip.decompress((folder / "index.json.gz").read_bytes()))
    entry = index[str(feature.layer)]
    start, end = entry["offsets"][feature.index : feature.index + 2]
    raw = (folder / entry["filename"]).read_bytes()[start:end]
    (length,) = struct.unpack_from("<I", raw)
    assert length == len(raw) - 4
    return json.loads(gzip.decompress(raw[4:]))


def test_the_folder_gives_evidence_of_every_feature(tmp_path: Path) -> None:
    facts = run(tmp_path / "features")
    source = FolderSource(str(tmp_path / "features"))
    check_source(source, FEATURES)
    for evidence in source.read(FEATURES):
        assert isinstance(evidence, FeatureEvidence)
        assert len(evidence.top) == 20
        assert evidence.lower
        assert evidence.promoted_from == "summed"
        assert evidence.promoted[0] == f"up {evidence.feature} 0"
        assert evidence.density is not None
        assert 0 < evidence.density < 0.5
    assert facts.rows == 80
    assert facts.tokens == sum(len(row.tokens) - 1 for row in make_rows(80))
    assert facts.never_fired == ()


def test_the_folder_has_every_layer_and_every_offset(tmp_path: Path) -> None:
    run(tmp_path / "features")
    files = read_files(tmp_path / "features")
    layers = [f"layer_{layer}.bin" for layer in range(3)]
    assert sorted(files) == sorted(["collection.json", "index.json.gz", *layers])
    index = json.loads(gzip.decompress(files["index.json.gz"]))
    for layer, name in enumerate(layers):
        assert index[str(layer)]["filename"] == name
        offsets = index[str(layer)]["offsets"]
        assert len(offsets) == 16 + 1
        assert offsets[-1] == len(files[name])
    assert files["layer_1.bin"] == b""


def test_a_record_is_valid_in_circuit_tracers_schema(tmp_path: Path) -> None:
    run(tmp_path / "features")
    record = read_record(tmp_path / "features", FEATURES[1])
    model = Model.model_validate(record)
    assert model.transcoder_id == "tiny-clt"
    assert model.index == 11
    assert [quantile.quantile_name for quantile in model.examples_quantiles] == [
        "Top activations",
        *(f"Subsample interval {number}" for number in range(5)),
    ]
    assert len(model.quantile_values) == 100
    assert len(model.histogram) == 40
    assert model.quantile_values[0] >= model.act_min
    assert model.quantile_values[-1] == model.act_max
    assert set(record) - set(Model.model_fields) == {"promoted_from", "inactive_examples"}


def test_activations_can_be_computed_again(tmp_path: Path) -> None:
    reader, rows = TableReader(FEATURES), make_rows(80)
    run(tmp_path / "features")
    record = read_record(tmp_path / "features", FEATURES[0])
    computed = {}
    for row in rows:
        activations, _ = reader.compute(row.tokens[None], torch.tensor([len(row.tokens)]), 1)
        values, tokens = activations[0, :, 0].tolist(), reader.read_tokens(row.tokens.tolist())
        for start in range(1, len(tokens)):
            window = slice(start, start + 49)
            computed[tuple(tokens[window])] = values[window]
    assert record["act_max"] == pytest.approx(max(map(max, computed.values())), rel=1e-5)
    n_examples = 0
    for quantile in record["examples_quantiles"]:
        for example in quantile["examples"]:
            n_examples += 1
            values = computed[tuple(example["tokens"])]
            assert example["tokens_acts_list"] == pytest.approx(values, rel=1e-5)
            assert example["tokens_acts_list"][example["train_token_ind"]] > 0
    assert n_examples > 40


def test_each_example_of_the_top_is_the_highest_of_its_window(tmp_path: Path) -> None:
    run(tmp_path / "features")
    for feature in FEATURES:
        top = read_record(tmp_path / "features", feature)["examples_quantiles"][0]["examples"]
        peaks = [example["tokens_acts_list"][example["train_token_ind"]] for example in top]
        assert peaks == [max(example["tokens_acts_list"]) for example in top]
        # Those near the end of a row come last.
        followed = [len(e["tokens"]) - e["train_token_ind"] > 24 for e in top]
        assert followed == sorted(followed, reverse=True)
        n_followed = sum(followed)
        assert peaks[:n_followed] == sorted(peaks[:n_followed], reverse=True)


def test_inactive_examples_are_off_everywhere_and_stand_apart(tmp_path: Path) -> None:
    features = [FeatureId(1, 1)]
    reader = TableReader(features, shift=-2.5)
    run(tmp_path / "features", reader=reader, features=features)
    record = read_record(tmp_path / "features", features[0])
    inactive = record["inactive_examples"]
    assert len(inactive["random"]) == len(inactive["near_misses"]) == 10
    margins = [example["margin"] for example in inactive["near_misses"]]
    assert margins == sorted(margins, reverse=True)
    assert margins[0] <= 0
    for example in (*inactive["random"], *inactive["near_misses"]):
        assert not any(example["tokens_acts_list"])
        assert len(example["tokens"]) == len(example["tokens_acts_list"])
        assert 0 <= example["train_token_ind"] < len(example["tokens"])


def test_of_a_feature_that_never_fired_the_gap_says_so(tmp_path: Path) -> None:
    reader = TableReader(FEATURES)
    reader.given[:, 1] = -1.0
    facts = run(tmp_path / "features", reader=reader)
    assert facts.never_fired == (FEATURES[1],)
    (gap,) = FolderSource(str(tmp_path / "features")).read([FEATURES[1]])
    assert isinstance(gap, EvidenceGap)
    assert gap.reason == "no activation example in the record"
    record = read_record(tmp_path / "features", FEATURES[1])
    assert Model.model_validate(record).activation_frequency == 0
    assert record["inactive_examples"]["near_misses"]
    summary = json.loads((tmp_path / "features" / "collection.json").read_text())
    assert summary["never_fired"] == ["0_11"]


def test_rows_shorter_than_a_window_give_examples(tmp_path: Path) -> None:
    run(tmp_path / "features", rows=make_rows(200, shortest=1, longest=12))
    for evidence in FolderSource(str(tmp_path / "features")).read(FEATURES):
        assert isinstance(evidence, FeatureEvidence)
        assert max(len(example.tokens) for example in evidence.top) <= 11


def test_the_summary_says_what_it_was_made_with_and_not_where(tmp_path: Path) -> None:
    run(tmp_path / "features")
    text = (tmp_path / "features" / "collection.json").read_text()
    summary = json.loads(text)
    assert summary["made_with"] == ORIGIN
    assert summary["settings"] == SETTINGS.model_dump(exclude={"batch_tokens"})
    assert summary["rows"] == 80
    assert summary["features"] == ["0_3", "0_11", "2_7"]
    assert str(tmp_path) not in text


def test_a_second_collection_has_the_same_bytes(tmp_path: Path) -> None:
    run(tmp_path / "one")
    run(tmp_path / "two")
    assert read_files(tmp_path / "one") == read_files(tmp_path / "two")


@pytest.mark.parametrize("n_batches", [0, 1, 5, 9, 14])
def test_a_killed_run_goes_on_and_ends_in_the_same_bytes(tmp_path: Path, n_batches: int) -> None:
    run(tmp_path / "whole")
    reader = DyingReader(FEATURES)
    reader.lives = n_batches
    with pytest.raises(Killed):
        run(tmp_path / "features", reader=reader)
    assert not (tmp_path / "features").exists()
    again = TableReader(FEATURES)
    run(tmp_path / "features", reader=again)
    assert read_files(tmp_path / "features") == read_files(tmp_path / "whole")
    # What is lost is the batch under way.
    assert reader.n_read + again.n_read <= 80 + SETTINGS.shard_rows
    assert [path.name for path in tmp_path.glob(".*")] == []
    assert not name_checkpoint(tmp_path / "features").exists()


def test_a_process_killed_at_any_moment_goes_on_and_ends_in_the_same_bytes(tmp_path: Path) -> None:
    run(tmp_path / "whole")
    script = (
        "import sys; from pathlib import Path; import torch; torch.set_num_threads(1)\n"
        "from clerp_circuit_tracer.collect.collecting import collect_rows\n"
        "from clerp_circuit_tracer.collect.settings import CollectSettings\n"
        "from collect_reader import TableReader, make_rows\n"
        f"features = {[tuple(feature) for feature in FEATURES]}\n"
        "from clerp.feature import FeatureId\n"
        "features = [FeatureId(*feature) for feature in features]\n"
        f"settings = CollectSettings.model_validate_json({SETTINGS.model_dump_json()!r})\n"
        "rows = make_rows(80)\n"
        "collect_rows(lambda first: rows[first:], TableReader(features), features, settings,\n"
        f"    Path(sys.argv[1]), origin={ORIGIN}, prefix=1, checkpoint_seconds=0,\n"
        "    report=lambda progress: print(progress.rows, flush=True))\n"
    )
    for rows in (25, 65):
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "features")],
            cwd=Path(__file__).parent,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= rows:
                os.kill(process.pid, signal.SIGKILL)
                break
        process.stdout.close()
        process.wait()
    run(tmp_path / "features")
    assert read_files(tmp_path / "features") == read_files(tmp_path / "whole")


def test_checkpoints_come_at_the_stated_interval(tmp_path: Path) -> None:
    class Clock:
        now = 0.0

        def __call__(self) -> float:
            return self.now

    clock, rows, changes = Clock(), make_rows(80), []

    def report(progress: CollectProgress) -> None:
        clock.now += 1
        path = name_checkpoint(tmp_path / "features")
        if not changes or changes[-1][1] != path.stat().st_ino:
            changes.append((clock.now, path.stat().st_ino))

    run(tmp_path / "features", rows=rows, report=report, clock=clock, checkpoint_seconds=7)
    moments = [moment for moment, _ in changes]
    assert len(moments) > 2
    assert all(later - earlier >= 7 for earlier, later in pairwise(moments[1:]))


def test_progress_ends_with_everything(tmp_path: Path) -> None:
    said: list[CollectProgress] = []
    facts = run(tmp_path / "features", report=said.append)
    assert (said[0].rows, said[0].tokens, said[0].tokens_per_second) == (0, 0, 0.0)
    assert (said[-1].rows, said[-1].tokens) == (facts.rows, facts.tokens)
    assert [p.tokens for p in said] == sorted(p.tokens for p in said)
    assert all(p.tokens_per_second > 0 for p in said[1:])


def interrupt(out: Path, **options) -> None:
    reader = DyingReader(FEATURES)
    reader.lives = 6
    with pytest.raises(Killed):
        run(out, reader=reader, **options)


def test_a_run_that_goes_on_counts_only_its_own_speed(tmp_path: Path) -> None:
    interrupt(tmp_path / "features")
    said: list[CollectProgress] = []
    run(tmp_path / "features", report=said.append, clock=iter(range(10_000)).__next__)
    assert said[0].tokens > 0
    gained = said[1].tokens - said[0].tokens
    assert said[1].tokens_per_second == pytest.approx(gained, rel=0.51)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"settings": SETTINGS.model_copy(update={"seed": 3})}, "settings seed is 0 there and 3"),
        (
            {"origin": {**ORIGIN, "corpus": "another"}},
            "made_with corpus is 'sha256 of it' there and 'another' here",
        ),
        ({"prefix": 2}, "prefix is 1 there and 2 here"),
        ({"features": FEATURES[:2]}, r"the features are not the same \(3 there, 2 here\)"),
        ({"reader": TableReader(FEATURES, n_features=20)}, "n_features is 16 there and 20 here"),
    ],
)
def test_unfinished_work_of_another_collection_is_refused(
    tmp_path: Path, change: dict, difference: str
) -> None:
    interrupt(tmp_path / "features")
    with pytest.raises(OutputError, match=difference):
        run(tmp_path / "features", **change)


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_a_checkpoint_that_is_cut_short_is_refused(tmp_path: Path, cut: int) -> None:
    interrupt(tmp_path / "features")
    path = name_checkpoint(tmp_path / "features")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"features\.unfinished: .*Delete it to begin anew"):
        run(tmp_path / "features")


@pytest.mark.parametrize("place", [-1, -40, 2000])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, place: int) -> None:
    interrupt(tmp_path / "features")
    path = name_checkpoint(tmp_path / "features")
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="Delete it to begin anew"):
        run(tmp_path / "features")


def test_a_checkpoint_with_more_behind_it_is_refused(tmp_path: Path) -> None:
    interrupt(tmp_path / "features")
    path = name_checkpoint(tmp_path / "features")
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(InputError, match="damaged or cut short"):
        run(tmp_path / "features")


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_whatever_is_there_is_refused_before_any_work(tmp_path: Path, kind: str) -> None:
    out, reader = tmp_path / "features", TableReader(FEATURES)
    {
        "folder": out.mkdir,
        "file": out.touch,
        "link": lambda: out.symlink_to(tmp_path / "nowhere"),
    }[kind]()
    with pytest.raises(OutputError, match="features: is there already"):
        run(out, reader=reader)
    assert reader.n_read == 0


def test_a_folder_that_cannot_be_written_shows_before_any_work(tmp_path: Path) -> None:
    reader = TableReader(FEATURES)
    with pytest.raises(OutputError, match=r"nowhere: is no folder\. Make it first"):
        run(tmp_path / "nowhere" / "features", reader=reader)
    with pytest.raises(OutputError, match="cannot be written"):
        run(tmp_path / ("x" * 250), reader=reader)
    assert reader.n_read == 0


def test_what_appears_while_it_runs_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "features"

    def report(progress: CollectProgress) -> None:
        out.mkdir(exist_ok=True)

    with pytest.raises(OutputError, match="is there already"):
        run(out, report=report)
    assert list(out.iterdir()) == []
    out.rmdir()
    assert run(out).rows == 80


@pytest.mark.parametrize(
    ("features", "fault"),
    [
        ([], "no feature is wanted"),
        ([FeatureId(3, 0)], r"3_0 is outside tiny-clt, which has 3 layers of 16 features"),
        ([FeatureId(0, 16)], "0_16 is outside"),
        ([FeatureId(0, 1, "lor")], "0_lor_1 is an attention feature"),
    ],
)
def test_features_that_nothing_can_be_told_of_are_refused(
    tmp_path: Path, features: list[FeatureId], fault: str
) -> None:
    with pytest.raises(UsageError, match=fault):
        run(tmp_path / "features", features=features)
    assert list(tmp_path.iterdir()) == []


def test_features_named_twice_and_in_any_order_are_the_same(tmp_path: Path) -> None:
    run(tmp_path / "one")
    run(tmp_path / "two", features=[*reversed(FEATURES), *FEATURES])
    assert read_files(tmp_path / "one") == read_files(tmp_path / "two")


@pytest.mark.parametrize("rows", [[], make_rows(3, shortest=1, longest=1)])
def test_a_corpus_without_text_is_refused_and_leaves_nothing(
    tmp_path: Path, rows: list[Row]
) -> None:
    with pytest.raises(InputError, match="the corpus has no text"):
        run(tmp_path / "features", rows=rows)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_holds_nothing_is_no_obstacle(tmp_path: Path) -> None:
    reader = DyingReader(FEATURES)
    reader.lives = 0
    with pytest.raises(Killed):
        run(tmp_path / "features", reader=reader, origin={"model": "a mistake"})
    assert name_checkpoint(tmp_path / "features").exists()
    assert run(tmp_path / "features").rows == 80


@pytest.mark.parametrize("batch_tokens", [90, 2000])
def test_work_goes_on_with_batches_of_another_size(tmp_path: Path, batch_tokens: int) -> None:
    run(tmp_path / "whole")
    interrupt(tmp_path / "features")
    other = SETTINGS.model_copy(update={"batch_tokens": batch_tokens})
    run(tmp_path / "features", settings=other)
    assert read_files(tmp_path / "features") == read_files(tmp_path / "whole")


class FullReader(TableReader):
    """Has no memory for a second batch."""

    fault: Exception = MemoryError()

    def read(self, batch: Batch):
        if self.n_read:
            raise self.fault
        yield from super().read(batch)


@pytest.mark.parametrize(
    "fault",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("MPS backend out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        wrap_exception(torch.OutOfMemoryError("Tried to allocate 2.00 GiB")),
        MemoryError(),
    ],
)
def test_too_little_memory_asks_for_smaller_batches(tmp_path: Path, fault: Exception) -> None:
    reader = FullReader(FEATURES)
    reader.fault = fault
    with pytest.raises(UsageError, match=r"out of memory on a batch of \d+ tokens.*--batch"):
        run(tmp_path / "features", reader=reader)
    assert name_checkpoint(tmp_path / "features").exists()


def test_other_faults_of_a_model_are_not_taken_for_too_little_memory(tmp_path: Path) -> None:
    reader = FullReader(FEATURES)
    reader.fault = RuntimeError("shapes do not fit")
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        run(tmp_path / "features", reader=reader)


def test_a_run_that_died_between_folder_and_checkpoint_is_finished(tmp_path: Path) -> None:
    out = tmp_path / "features"
    interrupt(out)
    left = name_checkpoint(out).read_bytes()
    run(out)
    name_checkpoint(out).write_bytes(left)
    before, reader = read_files(out), TableReader(FEATURES)
    with pytest.raises(OutputError, match="is there already"):
        run(out, reader=reader, prefix=2)
    assert name_checkpoint(out).exists()

    facts = run(out, reader=reader)

    assert (facts.rows, facts.features, facts.never_fired) == (80, tuple(FEATURES), ())
    assert facts.tokens == sum(len(row.tokens) - 1 for row in make_rows(80))
    assert reader.n_read == 0
    assert read_files(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["features"]


_HOLDER = """
import sys
from pathlib import Path
from clerp_circuit_tracer.collect.lock import hold_folder
with hold_folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "features"
    command = [sys.executable, "-c", _HOLDER, str(out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        reader = TableReader(FEATURES)
        with pytest.raises(OutputError, match="features: another process is collecting here"):
            run(out, reader=reader)
        assert reader.n_read == 0
        assert run(tmp_path / "beside").rows == 80
        # What it leaves behind when it dies holds nobody up.
        holder.kill()
    assert (tmp_path / ".features.lock").exists()
    assert run(out).rows == 80
    assert not (tmp_path / ".features.lock").exists()


def test_a_fault_of_the_corpus_leaves_the_work_to_go_on(tmp_path: Path) -> None:
    rows = make_rows(80)
    with pytest.raises(EvidenceError, match="row 41 of the corpus came where row 40 should"):
        run(tmp_path / "features", rows=[*rows[:40], *rows[41:]])
    reader = TableReader(FEATURES)
    run(tmp_path / "features", reader=reader)
    assert reader.n_read == 40
