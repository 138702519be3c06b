import errno
import gzip
import json
import os
import stat
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clerp.errors import OutputError
from clerp.graph import check_destination, write_document
from clerp.graph.writing import encode

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON))
def test_what_is_written_reads_back_equal(tmp_path_factory, document):
    text = bytes(encode(document, tmp_path_factory.getbasetemp() / "graph.json"))
    read = json.loads(text)
    assert repr(read) == repr(document)


@pytest.mark.parametrize(
    ("name", "unpack"),
    [
        ("g.json", bytes),
        ("g.json.gz", gzip.decompress),
        ("g.json.zst", zstandard.decompress),
    ],
)
def test_the_suffix_chooses_the_compression(tmp_path, name, unpack):
    path = tmp_path / name
    write_document({"a": [1, 0.1]}, path)
    first = path.read_bytes()
    write_document({"a": [1, 0.1]}, path)
    assert unpack(first) == b'{"a":[1,0.1]}\n'
    assert path.read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]


def test_the_mode_of_the_old_file_stays(tmp_path):
    path = tmp_path / "g.json"
    path.touch(mode=0o640)
    write_document({}, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("call", ["fsync", "write", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_failure_leaves_the_old_file_whole_and_nothing_else(tmp_path, monkeypatch, call, code):
    path = tmp_path / "g.json"
    path.write_text("old")

    def fail(*_args, **_kwargs):
        raise OSError(code, os.strerror(code))

    target = {"fsync": "os.fsync", "write": "os.fdopen", "replace": "os.replace"}[call]
    monkeypatch.setattr("pathlib.Path.replace" if call == "replace" else target, fail)
    with pytest.raises(OutputError, match=os.strerror(code)):
        write_document({}, path)
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_synced_is_said_after_the_file_is_written(tmp_path, monkeypatch):
    sync = os.fsync

    def refuse_folders(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        sync(descriptor)

    monkeypatch.setattr("os.fsync", refuse_folders)
    with pytest.raises(OutputError, match="is written, but may not outlast a power cut"):
        write_document({}, tmp_path / "g.json")
    assert (tmp_path / "g.json").read_text() == "{}\n"


def test_a_symbolic_link_is_not_replaced(tmp_path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")
    with pytest.raises(OutputError, match="is a symbolic link"):
        write_document({}, tmp_path / "link.json")
    assert (tmp_path / "real.json").read_text() == "old"


def test_places_that_cannot_hold_a_file_are_named(tmp_path):
    with pytest.raises(OutputError, match=r"its folder does not exist\. Run: mkdir"):
        write_document({}, tmp_path / "none" / "g.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        write_document({}, tmp_path / "folder")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="Not a directory"):
        write_document({}, tmp_path / "file" / "g.json")


def test_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="is not a regular file"):
        write_document({}, tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


def test_a_path_without_a_name_is_refused():
    with pytest.raises(OutputError, match=r"'\.': names no file"):
        write_document({}, Path())


def test_a_folder_that_takes_no_file_is_not_said_to_be_missing():
    with pytest.raises(OutputError, match="could not be written: No such file"):
        write_document({}, Path("/proc/clerp.json"))


@pytest.mark.parametrize(
    "name", ["none/g.json", "file/g.json", "folder", "link", "pipe", "x" * 250]
)
def test_a_bad_destination_is_known_before_anything_is_written(tmp_path, name):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OutputError) as checked:
        check_destination(tmp_path / name)
    with pytest.raises(OutputError) as written:
        write_document({}, tmp_path / name)
    assert str(checked.value) == str(written.value)
    assert sorted(tmp_path.iterdir()) == before


def test_a_good_destination_is_left_as_it_is(tmp_path):
    path = tmp_path / "g.json"
    check_destination(path)
    assert not list(tmp_path.iterdir())
    path.write_text("old")
    check_destination(path)
    assert [(found, found.read_text()) for found in tmp_path.iterdir()] == [(path, "old")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["\ud800", object()]))
def test_what_json_has_not_is_refused_before_anything_is_written(tmp_path, value):
    with pytest.raises(OutputError, match="cannot be written as JSON"):
        write_document({"a": value}, tmp_path / "g.json")
    assert not list(tmp_path.iterdir())
