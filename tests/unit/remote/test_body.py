import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import RemoteError
from clerp.remote.body import START_BYTES, read_body, read_start

contents = st.binary(max_size=2000)


def split(content, size):
    return [content[start : start + size] for start in range(0, len(content), size)]


@given(contents, st.integers(1, 500), st.sampled_from(["", "identity", "gzip", "GZIP ", "x-gzip"]))
def test_the_content_does_not_depend_on_its_pieces(content, size, encoding):
    sent = content if encoding in ("", "identity") else gzip.compress(content)
    assert read_body(split(sent, size), encoding, len(content), "here") == content


@given(contents.filter(bool), st.integers(1, 500), st.sampled_from(["", "gzip"]))
def test_one_byte_too_many_is_refused(content, size, encoding):
    sent = gzip.compress(content) if encoding else content
    with pytest.raises(RemoteError, match="larger"):
        read_body(split(sent, size), encoding, len(content) - 1, "here")


@given(contents, st.data())
def test_packed_content_that_is_cut_is_never_taken_for_whole(content, data):
    packed = gzip.compress(content)
    cut = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(RemoteError, match="cut short"):
        read_body([packed[:cut]], "gzip", len(content), "here")


@given(st.lists(contents, min_size=1, max_size=4), st.integers(1, 500))
def test_packed_files_end_to_end_are_one_content(members, size):
    sent = b"".join(map(gzip.compress, members))
    whole = b"".join(members)
    assert read_body(split(sent, size), "gzip", len(whole), "here") == whole


def test_what_follows_packed_content_and_is_none_is_refused():
    with pytest.raises(RemoteError, match="damaged"):
        read_body([gzip.compress(b"[]"), b"\0" * 9], "gzip", 100, "here")


@pytest.mark.parametrize(
    ("start", "nothing"),
    [(b"", gzip.compress(b"")), (gzip.compress(b"")[:10], b"\x00\x00\x00\xff\xff")],
    ids=["empty files", "empty blocks"],
)
def test_what_unpacks_to_nothing_has_an_end_all_the_same(start, nothing):
    taken = []

    def send():
        yield start
        while True:
            taken.append(nothing)
            yield nothing * 1000

    with pytest.raises(RemoteError, match="larger than 100 bytes"):
        read_body(send(), "gzip", 100, "here")
    assert len(taken) < 100


def test_a_bomb_is_left_after_the_first_pieces():
    taken = []

    def send():
        for piece in split(gzip.compress(bytes(20_000_000)), 1000):
            taken.append(piece)
            yield piece

    with pytest.raises(RemoteError, match="larger than 1,000 bytes"):
        read_body(send(), "gzip", 1000, "here")
    assert len(taken) == 1


@given(contents, st.integers(1, 500), st.sampled_from(["", "gzip"]))
def test_a_short_start_is_all_of_it(content, size, encoding):
    sent = gzip.compress(content) if encoding else content
    assert read_start(split(sent, size), encoding) == content


@given(contents, st.integers(1, 500), st.data())
def test_of_what_is_cut_the_start_is_told(content, size, data):
    packed = gzip.compress(content)
    cut = data.draw(st.integers(0, len(packed) - 1))
    assert content.startswith(read_start(split(packed[:cut], size), "gzip"))


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_of_what_is_long_the_start_is_told(encoding):
    content = bytes(range(256)) * 1000
    sent = gzip.compress(content) if encoding else content
    assert read_start(split(sent, 999), encoding) == content[:START_BYTES]


def test_of_a_bomb_no_more_is_unpacked_than_is_told():
    taken = []

    def send():
        for piece in split(gzip.compress(bytes(20_000_000)), 1000):
            taken.append(piece)
            yield piece

    assert read_start(send(), "gzip") == bytes(START_BYTES)
    assert len(taken) == 1


def test_what_nobody_can_unpack_has_no_start():
    assert read_start([b"abc"], "br") == b""
    assert read_start([b"abc"], "gzip") == b""
