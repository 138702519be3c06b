import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import InputError, UsageError
from clerp.evidence import ActivationExample
from clerp.ordinary import Document, read_documents
from clerp.ordinary import corpus as corpus_module
from clerp.ordinary.corpus import REACH, EncodedCorpus, SourceSize, cut_words, encode_corpus
from clerp.windows import is_bare_space, split_words

# What parts words in English and in code; `<` and `>` join what could be a special token.
_PLAIN = st.text(st.sampled_from("abZ09 '’\n\t.,-_(é\u0301$😀"), max_size=40)


def test_words_marks_line_breaks_and_special_tokens_are_words_and_bare_spaces_are_not():
    words = cut_words("<bos>Ahab's ship,  well-built...\n\nx = 42")

    assert words == [
        *("<bos>", "Ahab's", "ship", ",", "well", "-", "built", "...", "\n\n"),
        *("x", "=", "42"),
    ]


@given(_PLAIN, st.sets(st.integers(0, 40)))
def test_a_text_is_cut_like_an_example_of_its_tokens(text: str, borders: set[int]):
    stops = sorted({*(b for b in borders if 0 < b < len(text)), len(text)})
    tokens = tuple(text[a:b] for a, b in zip([0, *stops], stops, strict=False))
    example = ActivationExample("", tokens, np.zeros(len(tokens), dtype=np.float32), 0)
    split = [word.text for word in split_words(example) if not is_bare_space(word.text)]

    # A token of nothing but spaces parts a row of line breaks, and a mark from its like.
    if not any(is_bare_space(token) for token in tokens):
        assert cut_words(text) == split
    assert "".join(cut_words(text)).split() == "".join(split).split()


@given(st.text(st.sampled_from("ab<>|/.\n \r\u200d😀"), max_size=60), st.integers(1, 9))
def test_pieces_of_a_long_text_give_the_words_of_the_whole(text: str, size: int):
    whole = cut_words(text)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(corpus_module, "_PIECE_CHARACTERS", size)
        assert cut_words(text) == whole


def test_an_encoded_corpus_has_gaps_around_every_document():
    corpus = encode_corpus([Document("b a", "x"), Document("a A", "y")])

    gap = [-1] * REACH
    assert corpus.spellings == ("A", "a", "b")
    assert corpus.ids.tolist() in (
        [*gap, 2, 1, *gap, 1, 0, *gap],
        [*gap, 1, 0, *gap, 2, 1, *gap],
    )
    assert corpus.sources == (SourceSize("x", 1, 2), SourceSize("y", 1, 2))


@given(
    st.lists(st.builds(Document, st.text(max_size=20), st.sampled_from("xy")), max_size=6),
    st.randoms(use_true_random=False),
)
def test_the_order_of_documents_does_not_matter(documents: list[Document], random):
    shuffled = list(documents)
    random.shuffle(shuffled)

    _assert_equal(encode_corpus(documents), encode_corpus(shuffled))


def test_half_characters_do_not_stop_a_corpus():
    assert encode_corpus([Document("a \ud800 b")]).spellings == ("?", "a", "b")


def test_json_lines_are_documents_with_their_source(tmp_path: Path):
    path = tmp_path / "texts.jsonl"
    lines = [{"text": "One.", "source": "a", "year": 1}, {"text": "Two."}, {"text": None}]
    path.write_text("\n\n".join(json.dumps(line) for line in lines))

    assert list(read_documents(path)) == [
        Document("One.", "a"),
        Document("Two."),
        Document(""),
    ]


def test_a_text_file_is_one_document(tmp_path: Path):
    path = tmp_path / "book.txt"
    path.write_bytes(b"\xef\xbb\xbfCall me Ishmael.\n\nSome years ago")

    assert list(read_documents(path)) == [Document("Call me Ishmael.\n\nSome years ago")]


@pytest.mark.parametrize("line", ['{"text": 1}', '{"tex": "a"}', "[]", '{"text": "a"', "[" * 9999])
def test_a_line_without_text_is_named(tmp_path: Path, line: str):
    path = tmp_path / "texts.jsonl"
    path.write_text(f'{{"text": "a"}}\n{line}\n')

    with pytest.raises(InputError, match=r"texts\.jsonl: line 2: no JSON with a text"):
        list(read_documents(path))


def test_a_text_that_is_no_utf8_is_refused(tmp_path: Path):
    path = tmp_path / "book.txt"
    path.write_bytes(b"caf\xe9 noir")

    with pytest.raises(InputError, match=r"no UTF-8: .* at byte 3"):
        list(read_documents(path))


@pytest.mark.parametrize("suffix", [".jsonl", ".txt"])
def test_what_is_too_long_is_refused_before_it_is_read(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(corpus_module, "MAX_DOCUMENT_BYTES", 20)
    path = tmp_path / f"long{suffix}"
    path.write_text(json.dumps({"text": "a" * 30}))

    with pytest.raises(InputError, match="longer than"):
        list(read_documents(path))


@pytest.mark.parametrize("name", ["missing.jsonl", "folder.txt", "table.csv"])
def test_what_is_no_corpus_is_refused_at_once(tmp_path: Path, name: str):
    (tmp_path / "folder.txt").mkdir()
    (tmp_path / "table.csv").touch()

    with pytest.raises(UsageError, match="is no corpus"):
        read_documents(tmp_path / name)


def _assert_equal(first: EncodedCorpus, second: EncodedCorpus) -> None:
    assert first.spellings == second.spellings
    assert first.ids.tolist() == second.ids.tolist()
    assert first.sources == second.sources
