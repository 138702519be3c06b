import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard

from clerp.errors import GraphError
from clerp.graph import read_graph

BOM = b"\xef\xbb\xbf"


def encode(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def save(folder: Path, data: bytes) -> Path:
    path = folder / "graph.json"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "pack",
    [
        bytes,
        lambda data: BOM + data,
        gzip.compress,
        lambda data: gzip.compress(data[:100]) + gzip.compress(data[100:]),
        zstandard.compress,
        lambda data: zstandard.compress(data[:100]) + zstandard.compress(data[100:]),
    ],
    ids=["plain", "bom", "gzip", "gzip members", "zstd", "zstd frames"],
)
def test_reads_the_same_document_however_it_is_packed(document, tmp_path, pack):
    path = save(tmp_path, pack(encode(document)))
    assert read_graph(path).document == document


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
@pytest.mark.parametrize("cut", [20, -1, -6])
def test_a_compressed_file_cut_short_is_refused(document, tmp_path, compress, cut):
    path = save(tmp_path, compress(encode(document))[:cut])
    with pytest.raises(GraphError, match="broken compressed file"):
        read_graph(path)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstandard.compress])
def test_more_bytes_than_the_cap_are_refused_with_the_flag_that_lifts_it(tmp_path, compress):
    path = save(tmp_path, compress(b" " * 5_000_000 + b"{}"))
    with pytest.raises(GraphError, match=r"--max-graph-bytes"):
        read_graph(path, max_bytes=1_000_000)


def test_a_file_as_large_as_the_cap_is_read(document, tmp_path):
    data = encode(document)
    assert read_graph(save(tmp_path, gzip.compress(data)), max_bytes=len(data)).document == document


def test_the_cap_holds_for_a_parsed_graph(document):
    with pytest.raises(GraphError, match="--max-graph-bytes"):
        read_graph(document, max_bytes=10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{\n "a": NaN}', r"line 2, column 7: not JSON: NaN is no JSON number"),
        (b'{\n "a": -Infinity}', r"line 2, column 8: not JSON: Infinity is no JSON number"),
        (b'{\n "a": 1e999}', r"line 2, column 7: not JSON: a number out of range"),
        (b'{"a": -1' + b"0" * 5000 + b"}", r"line 1, column 7: not JSON: a number out of range"),
        ('{"é": "\udcff"}'.encode(errors="surrogateescape"), "column 8: not JSON: invalid UTF-8"),
        (b'{"a": "\\ud800 and more text"}', "not JSON: .*surrogate"),
        (b'{"a": 1', "line 1, column 8: not JSON: the text ends too early"),
        (b"", "line 1, column 1: not JSON: the text ends too early"),
        (b'{"a":1}\n x', r"line 2, column 2: not JSON: trailing characters"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[1]", "expected an object, got list"),
        (BOM + b"{,}", "line 1, column 2: not JSON"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(tmp_path, text, message):
    with pytest.raises(GraphError, match=message):
        read_graph(save(tmp_path, text))


def test_a_missing_file_a_folder_and_an_impossible_name_are_told_apart(tmp_path):
    with pytest.raises(GraphError, match="there is no such file"):
        read_graph(tmp_path / "none.json")
    with pytest.raises(GraphError, match="this is a folder"):
        read_graph(tmp_path)
    with pytest.raises(GraphError, match="cannot be read"):
        read_graph("a\0b")
    with pytest.raises(GraphError, match="not a regular file"):
        read_graph("/dev/null")


def test_a_parsed_graph_is_copied(document):
    graph = read_graph(document)
    document["nodes"][0]["clerp"] = "changed"
    assert graph.document["nodes"][0]["clerp"] == ""


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", object(), {1, 2}])
def test_a_parsed_graph_with_what_json_has_not_is_refused(document, value):
    document["nodes"][0]["extra"] = value
    with pytest.raises(GraphError, match="not JSON"):
        read_graph(document)


def test_a_graph_that_holds_itself_is_refused(document):
    document["metadata"]["extra"] = document
    with pytest.raises(GraphError, match="the given graph: not JSON"):
        read_graph(document)


def test_integers_of_any_size_stay_integers(document, tmp_path):
    document["metadata"]["extra"] = 2**200
    read = read_graph(save(tmp_path, encode(document)))
    assert read.document["metadata"]["extra"] == 2**200
