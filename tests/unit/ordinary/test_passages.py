"""Stretches of ordinary text: how they are cut and kept, and those that ship."""

import gzip
import json
import random
import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import EvidenceError
from clerp.ordinary import Document
from clerp.ordinary.passages import (
    N_PASSAGES,
    PASSAGES_FILE,
    WIDTH,
    cut_passages,
    load_passages,
    pack_passages,
)

LICENCES = {"book": "public domain"}


def find_words(text: str) -> Iterable[int]:
    """Let a token start at every blank: `The`, ` whale`."""
    return (match.start() for match in re.finditer(" ", text))


def write_documents(*sizes: int) -> list[Document]:
    """Write documents of so many tokens, no two of which are alike."""
    return [
        Document(" ".join(f"d{number}w{word}" for word in range(size)), "book")
        for number, size in enumerate(sizes)
    ]


def cut_tokens(document: Document) -> list[str]:
    borders = [0, *find_words(document.text), len(document.text)]
    return [document.text[start:stop] for start, stop in pairwise(borders)]


SIZES = st.lists(st.integers(1, 2 * WIDTH), min_size=1, max_size=6).map(lambda s: [*s, 2 * WIDTH])


@given(SIZES, st.randoms(use_true_random=False))
def test_the_order_of_documents_and_their_repetition_change_nothing(
    sizes: list[int], rng: random.Random
):
    documents = write_documents(*sizes)
    shuffled = [*documents, rng.choice(documents)]
    rng.shuffle(shuffled)

    assert cut_passages(shuffled, find_words, 9) == cut_passages(documents, find_words, 9)


@given(SIZES)
def test_a_passage_is_a_stretch_of_tokens_that_joins_back_to_its_text(sizes: list[int]):
    documents = write_documents(*sizes)

    passages = cut_passages(documents, find_words, 9)

    assert len(passages) == 9
    for passage in passages:
        assert len(passage) == WIDTH
        (document,) = (d for d in documents if "".join(passage) in d.text)
        tokens = cut_tokens(document)
        first = tokens.index(passage[0])
        assert passage == tokens[first : first + WIDTH]


@given(st.text(min_size=WIDTH, max_size=3 * WIDTH))
def test_tokens_of_any_text_may_start_anywhere(text: str):
    (passage,) = cut_passages([Document(text)], lambda text: range(len(text)), 1)

    assert len(passage) == WIDTH
    assert "".join(passage) in text


def test_starts_may_come_in_any_order_and_twice():
    documents = write_documents(60)

    def find_badly(text: str) -> Iterable[int]:
        starts = list(find_words(text))
        return [*reversed(starts), *starts, len(text), 0]

    assert cut_passages(documents, find_badly, 5) == cut_passages(documents, find_words, 5)


def test_every_stretch_of_every_document_is_as_likely():
    documents = write_documents(WIDTH, 3 * WIDTH, WIDTH - 1, WIDTH + 4)
    everything = [
        tokens[first : first + WIDTH]
        for tokens in map(cut_tokens, documents)
        for first in range(len(tokens) - WIDTH + 1)
    ]

    drawn = cut_passages(documents, find_words, len(everything))

    # None is drawn twice, and none is out of reach.
    assert sorted(drawn) == sorted(everything)


def test_few_passages_are_spread_over_the_documents_by_their_sizes():
    documents = write_documents(WIDTH + 999, WIDTH + 2999)

    sources = Counter(
        passage[0].split("w")[0].strip() for passage in cut_passages(documents, find_words, 400)
    )

    assert 70 <= sources["d0"] <= 130
    assert sources["d0"] + sources["d1"] == 400


def test_passages_are_packed_and_read_back(tmp_path: Path):
    passages = cut_passages(write_documents(80, 90), find_words, 7)
    path = tmp_path / PASSAGES_FILE
    path.write_bytes(pack_passages(passages, LICENCES))

    loaded = load_passages(path)

    assert [list(tokens) for tokens in loaded.tokens] == passages


@given(st.lists(st.lists(st.text(max_size=4), min_size=WIDTH, max_size=WIDTH), max_size=3))
def test_passages_of_any_characters_are_packed(passages: list[list[str]]):
    packed = pack_passages(passages, LICENCES)

    assert json.loads(gzip.decompress(packed)) == {"sources": LICENCES, "passages": passages}
    assert pack_passages(passages, LICENCES) == packed


def test_a_name_is_of_what_the_file_holds_and_not_of_where_it_lies(tmp_path: Path):
    passages = cut_passages(write_documents(80), find_words, 3)
    names: list[str] = []
    for number, kept in enumerate((passages, passages, passages[:2])):
        path = tmp_path / f"{number}.json.gz"
        path.write_bytes(pack_passages(kept, LICENCES))
        names.append(load_passages(path).name)

    assert names[0] == names[1] != names[2]
    assert all(re.fullmatch(r"ordinary-passages@[0-9a-f]{12}", name) for name in names)


GOOD = pack_passages([["a"] * WIDTH, ["b"] * WIDTH], LICENCES)
DAMAGED = {
    "empty": b"",
    "no gzip": b"passages",
    "cut short": GOOD[: len(GOOD) // 2],
    "a sum that is wrong": GOOD[:-8] + bytes([GOOD[-8] ^ 1]) + GOOD[-7:],
    "no JSON": gzip.compress(b"passages"),
    "no passages": gzip.compress(b'{"sources": {}}'),
    "passages of numbers": gzip.compress(b'{"sources": {}, "passages": [[1, 2]]}'),
    "something more": gzip.compress(b'{"sources": {}, "passages": [], "more": 1}'),
}


@pytest.mark.parametrize("content", [*DAMAGED.values(), None], ids=[*DAMAGED, "missing"])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, content: bytes | None):
    check_refused(tmp_path / "damaged.json.gz", content)


@pytest.mark.parametrize(
    "content",
    [
        # The first block of the deflated stream has a type that there is not.
        pytest.param(
            GOOD[:10] + b"\xff" + GOOD[11:],
            id="no stream",
        ),
        pytest.param(
            gzip.compress(b'{"sources": {}, "passages": [["\xff"]]}'),
            id="no UTF-8",
        ),
    ],
)
def test_what_cannot_be_decoded_is_named_with_what_to_do(tmp_path: Path, content: bytes):
    check_refused(tmp_path / "damaged.json.gz", content)


def check_refused(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(EvidenceError, match="passages of ordinary text cannot be read") as raised:
        load_passages(path)

    # Where clerp is installed is nobody's business.
    assert raised.value.where == "damaged.json.gz"
    assert raised.value.remedy == "Install clerp again"


def test_the_passages_that_ship_are_as_many_and_as_wide_as_they_should_be():
    shipped = load_passages()

    assert len(shipped.tokens) == len(set(shipped.tokens)) == N_PASSAGES
    assert {len(tokens) for tokens in shipped.tokens} == {WIDTH}
    assert all("".join(tokens).strip() for tokens in shipped.tokens)


def test_the_middle_of_a_passage_is_any_word_of_ordinary_text():
    middles = Counter(tokens[WIDTH // 2] for tokens in load_passages().tokens)

    assert len(middles) > 1000
    assert middles[" the"] > 50
    assert max(middles.values()) < 0.1 * N_PASSAGES
