import gzip
import json
import struct
import tracemalloc
import zlib
from contextlib import suppress
from io import BytesIO
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import EvidenceError
from clerp.evidence.bins import (
    MAX_LAYERS,
    LayerIndex,
    Span,
    read_layer,
    read_record,
    split_index,
)

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


@pytest.mark.parametrize("record", [b"", struct.pack("<I", 0)])
def test_an_empty_record_says_that_there_is_no_evidence(record):
    assert read(record) == b""


@pytest.mark.parametrize("record", [struct.pack("<I", 0) + b"more", bytes(300)])
def test_zeros_where_a_record_should_be_are_an_error(record):
    with pytest.raises(
        EvidenceError, match=f"prefix of 0 bytes where the record has {len(record) - 4}"
    ):
        read(record)


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


@pytest.mark.parametrize(
    "layer", ["1_0", " 7 ", "00", "-1", "", "+1", "\N{ARABIC-INDIC DIGIT ONE}"]
)
def test_a_layer_has_one_way_to_be_written(layer):
    with pytest.raises(EvidenceError, match="is no number of a layer"):
        split_index(json.dumps({layer: None}).encode(), "here")


def test_a_layer_that_is_given_twice_is_an_error():
    with pytest.raises(EvidenceError, match="here: broken index: '7' is given twice"):
        split_index(b'{"7": null, "8": null, "7": {"filename": "a", "offsets": [0, 4]}}', "here")


@pytest.mark.parametrize("wrap", [list, lambda entries: dict(enumerate(entries))])
def test_an_index_of_too_many_layers_is_an_error(wrap):
    split_index(json.dumps(wrap([None] * MAX_LAYERS)).encode(), "here")
    with pytest.raises(EvidenceError, match="1,001 layers, of which at most 1,000 are read"):
        split_index(json.dumps(wrap([None] * (MAX_LAYERS + 1))).encode(), "here")


@pytest.mark.parametrize("bomb", [b"0", b"null", b"[]", b"{}", b'""', b'{"a":[0]}', b"1.5"])
def test_an_index_that_is_a_bomb_is_refused_before_it_is_built(bomb):
    content = b"[" + (bomb + b",") * 600_000 + bomb + b"]"
    tracemalloc.start()
    try:
        with pytest.raises(EvidenceError, match="here: broken index: too much besides offsets"):
            split_index(content, "here")
        assert tracemalloc.get_traced_memory()[1] < 3 * len(content)
    finally:
        tracemalloc.stop()


def test_a_layer_of_too_many_offsets_is_refused_before_it_is_built(monkeypatch):
    monkeypatch.setattr("clerp.evidence.bins.MAX_OFFSETS", 100)
    assert open_layer([0] * 100).find(98) == Span(0, 0)
    with pytest.raises(EvidenceError, match="index: layer 0: more than 100 offsets"):
        open_layer([0] * 101)
