"""Evidence that is missing or damaged, as a whole and of one feature."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.command_line import assert_refused, take_stock
from tests.integration.bad_input.workplace import (
    DAMAGED,
    RECORD,
    Change,
    Workplace,
    assert_only_damaged_waits,
    change_examples,
    drop,
    examples_of,
    flip_middle,
    set_activations,
    set_to,
)
from tests.tiny_graph import (
    FEATURES,
    INDEX,
    N_FEATURES,
    Document,
    build_records,
    build_tiny_graph,
    read_index,
    write_bins,
    write_graph,
    write_index,
)


def test_the_graph_of_these_tests_is_labelled_in_full(place: Workplace) -> None:
    outcome = place.label()

    assert outcome.code == 0, outcome
    assert {f["status"] for f in place.read_features().values()} == {"labeled"}
    assert len(place.read_features()) == N_FEATURES


LAYOUTS = "Expected a folder with {cantor}.json files or index.json.gz and its bins"


def test_without_evidence_the_flag_that_names_it_is_said(place: Workplace) -> None:
    place.features.rename(place.folder / "elsewhere")
    document = build_tiny_graph()
    document["metadata"]["scan"] = "in-house"
    write_graph(place.graph, document)
    before = take_stock(place.folder)

    outcome = place.run("label", place.graph, "--ledger", place.ledger)

    assert_refused(outcome, f"clerp: {place.graph}: ", "no activation examples", "--features")
    assert f"Tried {place.features}." in outcome.err
    assert take_stock(place.folder) == before


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("none", "No such file or directory"),
        ("empty", "the folder is empty"),
        ("papers", "no feature files; found 'paper.pdf'"),
        ("graph.json", "no record with layer and index"),
        ("out.json", "no record with layer and index"),
        ("pipe", "neither folder nor file"),
        ("x" * 300, "File name too long"),
    ],
)
def test_evidence_that_is_none_is_named_with_what_is_expected(
    place: Workplace, name: str, what: str
) -> None:
    (place.folder / "empty").mkdir()
    (place.folder / "papers").mkdir()
    (place.folder / "papers" / "paper.pdf").touch()
    os.mkfifo(place.folder / "pipe")
    path = place.folder / name

    place.assert_label_refused(f"clerp: {path}: {what}", LAYOUTS, flags=("--features", path))


def cut_bin(folder: Path) -> None:
    os.truncate(folder / f"layer_{DAMAGED.layer}.bin", 50)


def remove_bin(folder: Path) -> None:
    (folder / f"layer_{DAMAGED.layer}.bin").unlink()


def move_end(folder: Path) -> None:
    index = read_index(folder)
    index[DAMAGED.layer]["offsets"][-1] += 1000
    write_index(folder, index)


def change_entry(key: str, value: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        index = read_index(folder)
        index[DAMAGED.layer][key] = value
        write_index(folder, index)

    return change


def replace_index(content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / INDEX).write_bytes(content)


def cut_index(folder: Path) -> None:
    os.truncate(folder / INDEX, 60)


INDEX_AGAIN = f"Download {INDEX} again"
BIN = f"layer_{DAMAGED.layer}.bin"
LAYER = f": layer {DAMAGED.layer}: "
BROKEN_BINS = {
    "index cut short": (cut_index, ": broken index: packed data cut short", INDEX_AGAIN),
    "index damaged": (replace_index(b"\x1f\x8b\x08?"), ": broken index: packed", INDEX_AGAIN),
    "index empty": (replace_index(b""), ": broken index: ", INDEX_AGAIN),
    "index a number": (replace_index(b"3"), ": broken index: Expected", INDEX_AGAIN),
    "index too deep": (replace_index(b"[" * 10**5), ": broken index: ", INDEX_AGAIN),
    "bin cut short": (cut_bin, f"{LAYER}offsets end at byte ", "Download the bin again"),
    "bin gone": (remove_bin, f"{LAYER}{BIN}: No such file", "Download the bin"),
    "offsets beyond": (move_end, f"{LAYER}offsets end at byte ", "Download the bin again"),
    "offsets fall": (change_entry("offsets", [5, 4]), f"{LAYER}offset 1 is smaller", INDEX_AGAIN),
    "offsets text": (change_entry("offsets", "a"), f"{LAYER}Expected `array`", INDEX_AGAIN),
    "offset below 0": (
        change_entry("offsets", [-1, 5]),
        f"{LAYER}Expected `int` >= 0",
        INDEX_AGAIN,
    ),
    "bin outside": (
        change_entry("filename", "../out.json"),
        f"{LAYER}'../out.json' is no file of this folder",
        INDEX_AGAIN,
    ),
}


@pytest.mark.parametrize(("damage", "what", "remedy"), BROKEN_BINS.values(), ids=BROKEN_BINS)
def test_bins_that_do_not_fit_their_index_are_not_trusted(
    place: Workplace, damage: Callable[[Path], object], what: str, remedy: str
) -> None:
    bins = write_bins(place.folder / "bins", build_records())
    damage(bins)

    place.assert_label_refused(f"clerp: {bins / INDEX}{what}", remedy, flags=("--features", bins))


def drop_token(example: Document) -> None:
    example["tokens"].pop()


USELESS = "no evidence: no usable activation example: 6 x "
USELESS_RECORDS = {
    "no examples": (drop("examples_quantiles", 0), "no evidence: no activation example"),
    "other lengths": (
        change_examples(drop_token),
        USELESS + "tokens and activations differ in number "
        "(examples_quantiles[0].examples[0]: 12 tokens but 13 activations)",
    ),
    "all zero": (change_examples(set_activations(*[0.0] * 13)), USELESS + "all activations zero"),
    "NaN": (change_examples(set_activations(float("nan"))), USELESS + "activation not finite"),
    "infinite": (change_examples(set_activations(1e400)), USELESS + "activation not finite"),
    "beyond float32": (change_examples(set_activations(1e39)), USELESS + "activation not finite"),
    "no tokens": (
        change_examples(lambda e: e.update(tokens=[], tokens_acts_list=[])),
        USELESS + "no tokens",
    ),
    "surrogates": (
        set_to("\ud800", "examples_quantiles"),
        f"no evidence: {RECORD}: examples_quantiles: expected `array`, got `str`",
    ),
    "surrogate key": (
        lambda r: r.update({"\ud800": 1, "examples_quantiles": None}),
        f"no evidence: {RECORD}: examples_quantiles: expected `array`, got `null`",
    ),
    "of another layer": (set_to(20, "layer"), f"no evidence: {RECORD}: record is of layer 20"),
    "index beyond 64 bits": (
        set_to(10**30, "index"),
        f"no evidence: {RECORD}: record is of feature index 1{'0' * 30}",
    ),
}


@pytest.mark.parametrize(("change", "reason"), USELESS_RECORDS.values(), ids=USELESS_RECORDS)
def test_a_useless_record_costs_only_its_feature(
    place: Workplace, change: Change, reason: str
) -> None:
    record = build_records()[DAMAGED]
    change(record)
    (place.features / RECORD).write_text(json.dumps(record))

    assert_only_damaged_waits(place, place.label(), reason)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def cut(path: Path) -> None:
    os.truncate(path, 300)


def cut_packed(path: Path) -> None:
    path.write_bytes(gzip.compress(path.read_bytes())[:-9])


def fill(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


UNREADABLE_RECORDS = {
    "gone": (Path.unlink, "no evidence: no record in features/"),
    "a folder": (make_folder, f"no evidence: {RECORD}: no regular file"),
    "a pipe": (make_pipe, f"no evidence: {RECORD}: no regular file"),
    "a link to itself": (make_loop, f"no evidence: {RECORD}: Too many levels of symbolic links"),
    "empty": (fill(b""), f"no evidence: {RECORD}: record is empty"),
    "cut short": (cut, f"no evidence: {RECORD}: record cut short"),
    "gzip cut short": (cut_packed, f"no evidence: {RECORD}: packed data cut short"),
    "binary": (fill(bytes(range(256))), f"no evidence: {RECORD}: not JSON at byte 0"),
    "a list": (fill(b"[]"), f"no evidence: {RECORD}: expected `object`, got `array`"),
    "too deep": (fill(b"[" * 10**5), f"no evidence: {RECORD}: nested too deeply"),
}


@pytest.mark.parametrize(("damage", "reason"), UNREADABLE_RECORDS.values(), ids=UNREADABLE_RECORDS)
def test_an_unreadable_record_costs_only_its_feature(
    place: Workplace, damage: Callable[[Path], object], reason: str
) -> None:
    damage(place.features / RECORD)

    assert_only_damaged_waits(place, place.label(), reason)


def test_damage_inside_a_bin_costs_only_its_feature(place: Workplace) -> None:
    bins = write_bins(place.folder / "bins", build_records())
    (bins / BIN).write_bytes(flip_middle((bins / BIN).read_bytes()))

    outcome = place.label("--features", bins)

    assert_only_damaged_waits(place, outcome, f"{BIN} record {DAMAGED.index}: damaged gzip")


def test_an_offset_inside_a_record_costs_only_its_feature(place: Workplace) -> None:
    bins = write_bins(place.folder / "bins", build_records())
    index = read_index(bins)
    index[DAMAGED.layer]["offsets"][-2] += 3
    write_index(bins, index)

    outcome = place.label("--features", bins)

    assert_only_damaged_waits(place, outcome, f"{BIN} record {DAMAGED.index}: length prefix of ")


@pytest.mark.parametrize(
    "change",
    [
        drop_token,
        set_activations(float("nan")),
        lambda example: example.update(train_token_ind=99),
        lambda example: example.update(tokens=None),
    ],
)
def test_one_bad_example_is_set_aside_and_the_others_still_name_the_feature(
    place: Workplace, change: Change
) -> None:
    record = build_records()[DAMAGED]
    change_examples(lambda example: example.update(train_token_ind=6))(record)
    change(examples_of(record)[0])
    (place.features / RECORD).write_text(json.dumps(record))

    assert place.label().code == 0
    labeled = place.read_features()[str(DAMAGED)]
    assert (labeled["clerp"], labeled["status"]) == ("seven", "labeled")
    assert labeled["n_examples"] == 5


def test_evidence_of_none_of_the_features_is_the_wrong_evidence(place: Workplace) -> None:
    for feature in FEATURES:
        (place.features / f"{feature.cantor}.json").write_text("{")
    place.assert_label_refused("none of the 8 features", "belongs to the transcoders")
