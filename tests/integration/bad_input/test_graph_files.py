"""Files that hold no graph."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from tests.command_line import assert_refused
from tests.integration.bad_input.workplace import CAP, CHECK, CORRECT, GOOD, Workplace, flip_middle

FETCH = "Fetch the file again"
FETCH_OR_EXPORT = "Fetch or export the file again"
NULL = "Write null in its place"


def put(old: bytes, new: bytes) -> bytes:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


ZSTD = zstandard.ZstdCompressor(write_checksum=True).compress(GOOD)
ACTIVATION = f", line {GOOD[: GOOD.index(b'2.5')].count(10) + 1}, column 18"
SLUG = f", line {GOOD[: GOOD.index(b'small')].count(10) + 1}, column "
END = f", line {GOOD.count(10) + 1}, column 2"
BROKEN_FILES = {
    "nothing": (b"", ", line 1, column 1", "the text ends too early", FETCH_OR_EXPORT),
    "blanks": (b"\n  \n", ", line 3, column 1", "the text ends too early", FETCH_OR_EXPORT),
    "cut short": (GOOD[:-1], END[:-1] + "1", "the text ends too early", FETCH_OR_EXPORT),
    "not JSON": (b'{\n "nodes": oops}', ", line 2, column 11", "not JSON: ", CORRECT),
    "a web page": (b"<!doctype html>", ", line 1, column 1", "not JSON: ", CORRECT),
    "text after it": (GOOD + b"}", END, "not JSON: ", CORRECT),
    "binary": (bytes(range(256)), ", line 1, column 1", "not JSON: ", CORRECT),
    "UTF-16": (GOOD.decode().encode("utf-16"), ", line 1, column 1", "not JSON: ", CORRECT),
    "Latin-1": (put(b"small", b"caf\xe9"), SLUG + "15", "invalid UTF-8", "Save the file as UTF-8"),
    "NaN": (put(b"2.5", b"NaN"), ACTIVATION, "NaN is no JSON number", NULL),
    "Infinity": (put(b"2.5", b"Infinity"), ACTIVATION, "Infinity is no JSON number", NULL),
    "1e999": (put(b"2.5", b"1e999"), ACTIVATION, "a number out of range", NULL),
    "lone surrogate": (put(b"small", rb"\ud800"), SLUG, "not JSON: ", CORRECT),
    "raw surrogate": (put(b"small", b"\xed\xa0\x80"), SLUG + "12", "invalid UTF-8", "as UTF-8"),
    "deep objects": (b'{"a":' * 10**5 + b"1" + b"}" * 10**5, ": ", "nested too deeply", CHECK),
    "deep lists": (b"[" * 10**5, ": ", "nested too deeply", CHECK),
    "a list": (b"[{}]", ": ", "not an attribution graph: expected an object, got list", CHECK),
    "a number": (b"3", ": ", "not an attribution graph: expected an object, got int", CHECK),
    "a text": (b'"x"', ": ", "not an attribution graph: expected an object, got str", CHECK),
    "gzip cut short": (gzip.compress(GOOD)[:-20], ": ", "broken compressed file", FETCH),
    "gzip damaged": (flip_middle(gzip.compress(GOOD)), ": ", "broken compressed file", FETCH),
    "zstd damaged": (flip_middle(ZSTD), ": ", "broken compressed file", FETCH),
    "zstd cut short": (ZSTD[: len(ZSTD) // 2], ": ", "broken compressed file", FETCH),
}


@pytest.mark.parametrize(
    ("content", "spot", "what", "remedy"), BROKEN_FILES.values(), ids=BROKEN_FILES
)
def test_a_broken_file_is_named_with_the_spot(
    place: Workplace, content: bytes, spot: str, what: str, remedy: str
) -> None:
    place.graph.write_bytes(content)

    place.assert_label_refused(f"clerp: {place.graph}{spot}", what, remedy)


def test_what_is_no_file_is_named(place: Workplace) -> None:
    os.mkfifo(place.folder / "pipe")
    (place.folder / "loop").symlink_to("loop")
    for name, what, remedy in (
        ("none.json", "there is no such file", "Check the path"),
        ("graph.json/x", "Not a directory", "Check the file"),
        ("features", "this is a folder", "Name the graph's JSON file in it"),
        ("loop", "symbolic links", "Check the file"),
        ("x" * 300, "File name too long", "Check the file"),
    ):
        path = place.folder / name
        place.assert_label_refused(f"clerp: {path}: ", what, remedy, graph=path)


@pytest.mark.parametrize("name", ["none.json", "none/none.json"])
def test_a_missing_graph_is_named_before_the_evidence_that_would_lie_beside_it(
    place: Workplace, name: str
) -> None:
    path = place.folder / name

    outcome = place.run("label", path, "--ledger", place.ledger)

    assert_refused(outcome, f"clerp: {path}: there is no such file", "Check the path")


def test_a_device_is_not_read(place: Workplace) -> None:
    place.assert_label_refused(
        "clerp: /dev/zero: not a regular file",
        "Save the graph to a file first",
        graph=Path("/dev/zero"),
    )


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(
    place: Workplace, compress: Callable[[bytes], bytes]
) -> None:
    place.graph.write_bytes(compress(b" " * 2**24 + GOOD))

    place.assert_label_refused(
        f"clerp: {place.graph}: more than 1,000,000 bytes of JSON",
        CAP,
        flags=("--max-graph-bytes", 1_000_000),
    )


def test_the_cap_is_on_the_file_too_and_can_be_raised(place: Workplace) -> None:
    sparse = place.folder / "sparse.json"
    sparse.touch()
    os.truncate(sparse, 2**23)

    place.assert_label_refused(
        f"clerp: {sparse}: more than 4,194,304 bytes",
        CAP,
        flags=("--max-graph-bytes", 2**22),
        graph=sparse,
    )
    place.assert_label_refused(
        f"clerp: {sparse}, line 1, column 1: not JSON",
        CORRECT,
        flags=("--max-graph-bytes", 2**24),
        graph=sparse,
    )
