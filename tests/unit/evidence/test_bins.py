import gzip
import json
import struct
import zlib
from contextlib import suppress
from io import BytesIO
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import EvidenceError
from clerp.evidence.bins import LayerIndex, Span, read_layer, read_record, split_index

contents = st.binary(min_size=1, max_size=300)
squeezes = st.sampled_from([gzip.compress, zlib.compress])
offset_lists = st.lists(st.integers(0, 2**63 - 1), max_size=20).map(sorted)


def pack(content, squeeze=gzip.compress):
    packed = squeeze(content)
    return struct.pack("<I", len(packed)) + packed


def read(record):
    return read_record(BytesIO(record).read, len(record))


def make_entry(offsets, filename="layer_0.bin"):
    return json.dumps({"filename": filename, "offsets": offsets}).encode()


def open_layer(offsets, filename="layer_0.bin"):
    layer = read_layer(make_entry(offsets, filename), "index: layer 0")
    assert isinstance(layer, LayerIndex)
    return layer


@given(contents, squeezes, st.binary(max_size=20))
def test_a_record_is_what_was_packed_whatever_follows_in_its_span(content, squeeze, padding):
    assert read(pack(content, squeeze) + padding) == content


@given(contents, squeezes, st.data())
def test_a_record_that_is_cut_is_an_error(content, squeeze, data):
    record = pack(content, squeeze)
    with pytest.raises(EvidenceError):
        read(record[: data.draw(st.integers(1, len(record) - 1))])


@given(st.binary(max_size=60))
def test_whatever_the_bytes_only_evidence_errors_are_raised(record):
    with suppress(EvidenceError):
        assert isinstance(read(record), bytes)


@pytest.mark.parametrize("record", [b"", struct.pack("<I", 0), struct.pack("<I", 0) + b"more"])
def test_an_empty_record_says_that_there_is_no_evidence(record):
    assert read(record) == b""


def test_a_record_reads_no_more_than_its_own_length_says():
    asked = []

    def take(n_bytes):
        asked.append(n_bytes)
        return stream.read(n_bytes)

    record = pack(b"content")
    stream = BytesIO(record + bytes(10_000))
    read_record(take, len(record) + 10_000)
    assert sum(asked) == len(record)


@given(offset_lists)
def test_the_spans_of_a_layer_lie_end_to_end(offsets):
    layer = open_layer(offsets)
    spans = [layer.find(n) for n in range(max(0, len(offsets) - 1))]
    assert spans == [Span(start, end) for start, end in pairwise(offsets)]
    assert layer.find(-1) is None
    assert layer.find(len(spans)) is None


@given(offset_lists.filter(bool))
def test_a_bin_fits_when_the_last_offset_lies_within_it(offsets):
    layer = open_layer(offsets, "deep/down.bin")
    layer.check_fits(offsets[-1])
    if offsets[-1]:
        with pytest.raises(EvidenceError, match=rf"down\.bin has {offsets[-1] - 1} bytes"):
            layer.check_fits(offsets[-1] - 1)


def test_records_are_named_without_the_folder_of_their_bin():
    assert open_layer([0, 4], "deep/down.bin").name_record(7) == "down.bin record 7"


@pytest.mark.parametrize("filename", ["", "/etc/passwd", "../a", "a/../../b", "a\\b", "a\0b", "."])
def test_a_bin_outside_of_the_folder_is_refused(filename):
    with pytest.raises(EvidenceError, match=r"index: layer 0: .* is no file of this folder"):
        open_layer([0], filename)


def test_a_layer_may_be_empty():
    assert read_layer(b"null", "index: layer 0") is None


@pytest.mark.parametrize("wrap", [list, lambda entries: dict(enumerate(entries))])
def test_an_index_is_a_list_or_a_dict_by_layer(wrap):
    entries = [{"filename": "a", "offsets": [0]}, None]
    layers = split_index(json.dumps(wrap(entries)).encode(), "index")
    assert {layer: json.loads(bytes(entry)) for layer, entry in layers.items()} == dict(
        enumerate(entries)
    )


@given(st.binary(max_size=60).filter(lambda content: not content.strip().startswith((b"[", b"{"))))
def test_what_is_no_index_is_an_error_that_names_it(content):
    with pytest.raises(EvidenceError, match="here: broken index: "):
        split_index(content, "here")


@pytest.mark.parametrize(
    "content", [b"[", b'{"one": {}}', b"[{}] x", b"[" * 100_000, b"7", b"null"]
)
def test_an_index_of_another_shape_is_an_error(content):
    with pytest.raises(EvidenceError, match="here: broken index: "):
        split_index(content, "here")
