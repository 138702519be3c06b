"""Outputs that cannot be written."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.integration.bad_input.workplace import Workplace
from tests.tiny_graph import build_tiny_graph, write_graph


@contextmanager
def files_limited_to(n_bytes: int) -> Iterator[None]:
    """Let writes beyond a size fail, as they do on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_old_output_whole(place: Workplace) -> None:
    document = build_tiny_graph() | {"padding": "x" * 2**22}
    write_graph(place.graph, document)
    # The ledger takes in what the run finds before its output is written.
    assert place.label("--out", place.folder / "elsewhere.json").code == 0
    with files_limited_to(2**21):
        place.assert_label_refused(
            f"clerp: {place.out}: could not be written: File too large",
            "Free the place or choose another with --out; what was there is unchanged",
        )


def prepare_outputs(folder: Path) -> None:
    (folder / "link.json").symlink_to("out.json")
    (folder / "dangling.json").symlink_to("nowhere.json")
    (folder / "taken" / "graph.labeled.json").mkdir(parents=True)
    os.mkfifo(folder / "pipe")


@pytest.mark.parametrize(
    ("out", "named", "what", "remedy"),
    [
        ("taken", "taken/graph.labeled.json", "is a folder", "Name a file in it"),
        ("none/out.json", "", "its folder does not exist", "Run: mkdir -p "),
        ("none/at all/out.json", "", "its folder does not exist", "Run: mkdir -p '"),
        ("out.json/new.json", "", "could not be written: Not a directory", "with --out"),
        ("link.json", "", "is a symbolic link", "Name the file it points to"),
        ("dangling.json", "", "is a symbolic link", "Name the file it points to"),
        ("pipe", "", "is not a regular file", "Name another file"),
        ("x" * 250, "", "could not be written: File name too long", "with --out"),
        ("x" * 300, "", "could not be written: File name too long", "with --out"),
    ],
)
def test_an_output_that_cannot_be_written_is_named_and_nothing_is_lost(
    place: Workplace, out: str, named: str, what: str, remedy: str
) -> None:
    prepare_outputs(place.folder)
    path = place.folder / out

    place.assert_label_refused(
        f"clerp: {place.folder / (named or out)}: {what}", remedy, flags=("--out", path)
    )


def test_a_folder_that_takes_no_file_is_not_said_to_be_missing(place: Workplace) -> None:
    path = Path("/proc/clerp.json")

    place.assert_label_refused(
        f"clerp: {path}: could not be written: ", "with --out", flags=("--out", path)
    )


def test_a_list_of_graphs_that_cannot_be_read_is_not_replaced(place: Workplace) -> None:
    index = place.folder / "graph-metadata.json"
    index.write_text('{"graphs": [')

    place.assert_label_refused(
        f"clerp: {index}: the list of graphs cannot be read",
        "Repair it or move it away",
        flags=("--target", "circuit-tracer"),
    )
