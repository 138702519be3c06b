import re
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from clerp.tokens import detect_spelling, is_special, readable

# GPT-2's table, built here in another way than in the module: control bytes and blanks move up.
_VISIBLE = [chr(byte) for byte in range(256) if chr(byte).isprintable() and not chr(byte).isspace()]
_MOVED = [byte for byte in range(256) if chr(byte) not in _VISIBLE]
GPT2 = {byte: chr(byte) for byte in range(256) if chr(byte) in _VISIBLE} | {
    byte: chr(0x100 + n) for n, byte in enumerate(_MOVED)
}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
cuts = st.lists(st.integers(0, 200), max_size=12)


def cut(text, places):
    borders = sorted({0, len(text), *(place for place in places if place < len(text))})
    return [text[a:b] for a, b in pairwise(borders)]


@given(texts, cuts)
def test_byte_level_text_is_read_back_wherever_it_is_cut(text, places):
    spelled = "".join(GPT2[byte] for byte in f"a {text}".encode())
    pieces = cut(spelled, places)
    assume(not any(is_special(piece) or re.fullmatch("<0x..>", piece) for piece in pieces))
    read = readable(pieces)
    assert "".join(read) == f"a {text}"
    assert len(read) == len(pieces)


@given(texts.filter(lambda text: not {"▁", "\\", "⏎"} & set(text)), cuts)
def test_sentencepiece_text_is_read_back_wherever_it_is_cut(text, places):
    pieces = cut(f"a {text}".replace(" ", "▁"), places)
    assume(not any(is_special(piece) for piece in pieces))
    assert "".join(readable(pieces)) == f"a {text}"


@given(texts.filter(lambda text: not {"▁", "\\", "⏎"} & set(text)))
def test_byte_fallback_is_read_back(text):
    kept = [[char] if char.isascii() else [f"<0x{b:02X}>" for b in char.encode()] for char in text]
    pieces = ["a▁", *(piece.replace(" ", "▁") for pieces in kept for piece in pieces)]
    assert "".join(readable(pieces)) == f"a {text}"


@given(texts.filter(lambda text: "\\x" not in text and "⏎" not in text and "▁" not in text), cuts)
def test_escaped_bytes_are_read_back_wherever_they_are_cut(text, places):
    pieces = [chr(byte) if byte < 0x80 else f"\\x{byte:02x}" for byte in f"a ’{text}".encode()]
    borders = sorted({0, len(pieces), *(place for place in places if place < len(pieces))})
    tokens = ["".join(pieces[a:b]) for a, b in pairwise(borders)]
    assume(not any(is_special(token) or re.fullmatch("<0x..>", token) for token in tokens))
    assert "".join(readable(tokens)) == f"a ’{text}"


@given(texts.filter(lambda text: not set(text) & set("⏎↵→▁")), cuts)
def test_drawn_white_space_is_read_back_except_a_tab_after_a_space(text, places):
    text = f"a b\n{text}".replace(" \t", "\t")
    assume(" \t" not in text and "\\x" not in text)
    drawn = text.replace("\n", "⏎").replace("\t", "→").replace("\r", "↵")
    pieces = cut(drawn, places)
    assume(not any(re.fullmatch("<0x..>", piece) for piece in pieces))
    assert "".join(readable(pieces)) == text


@given(st.lists(st.text(st.characters(), max_size=8), max_size=12))
def test_any_strings_give_as_many_encodable_pieces(tokens):
    read = readable(tokens)
    assert len(read) == len(tokens)
    assert "".join(read).encode().decode() == "".join(read)


@pytest.mark.parametrize(
    "tokens",
    [
        [" See", " →", " below"],
        [" press", "→", " twice"],
        [" the", " letter", " Ġ", "antija"],
        [" a", " block", " ▁", " drawn"],
        [" caf", "é", " naïve"],
        ["město"],
        ["été"],
        [' b"', "\\x41", "\\xff", '"'],
        [" keyboard", " ⏎", "\n"],
        [" x", "<", "0x", "E2", ">"],
        [],
        [""],
    ],
    ids=repr,
)
def test_readable_text_stays_as_it_is(tokens):
    assert readable(tokens) == tuple(tokens)


@pytest.mark.parametrize(
    ("tokens", "read"),
    [
        (["<|im_start|>", "Fact", ":", "Ġthe"], ("<|im_start|>", "Fact", ":", " the")),
        (["don", "âĢ", "Ļ", "t", "Ċ"], ("don", "’", "", "t", "\n")),
        (["ä½łå¥½"], ("你好",)),
        (["Ġa", "  ", "b"], (" a", "  ", "b")),
        (["▁don", "<0xE2>", "<0x80>", "<0x99>", "t"], (" don", "’", "", "", "t")),
        (["\n", "▁Say", "<bos>"], ("\n", " Say", "<bos>")),
        ([" don", "\\xe2", "\\x80\\x99t"], (" don", "’", "t")),
        ([" a", "⏎", "→", "b", " → c"], (" a", "\n", "\t", "b", " → c")),
        (["Ġa", "âĢ", "b", "Ļ"], (" a", "�", "b", "�")),
        (["Ġa", "âĢ", "", "Ļ"], (" a", "’", "", "")),
        ([" a", "\ud83d", "b"], (" a", "�", "b")),
        (["<0xF0>", " x"], ("�", " x")),
        (["<｜begin▁of▁sentence｜>", "Ġa"], ("<｜begin▁of▁sentence｜>", " a")),
    ],
    ids=repr,
)
def test_spelled_tokens_become_readable(tokens, read):
    assert readable(tokens) == read


def test_one_token_outside_the_alphabet_rules_byte_level_out():
    assert readable(["Ġa", " b"]) == ("Ġa", " b")


def test_a_record_decides_for_sequences_that_are_ambiguous_alone():
    spelling = detect_spelling([" a", "⏎", ")", "→", "I"])
    assert spelling.read([")", "→", "I"]) == (")", "\t", "I")


def test_tokens_apart_do_not_lend_each_other_bytes():
    spelling = detect_spelling(["Ġa", "âĢ", "Ļ"])
    assert spelling.read_each(["âĢ", "Ļ", "Ġa"]) == ("�", "�", " a")


@pytest.mark.parametrize(
    "marker",
    [
        *["<bos>", "<eos>", "<pad>", "<s>", "</s>", "<EOT>", "<|im_start|>", "<|begin_of_text|>"],
        *["<|endoftext|>", "<start_of_turn>", "<｜begin▁of▁sentence｜>", "[CLS]"],
    ],
)
def test_sequence_markers_are_special(marker):
    assert is_special(marker)


@pytest.mark.parametrize("word", ["", "<", " <bos>", "<b>", "<0x0A>", "[x]", "bos", "<|>", "||"])
def test_text_is_not_special(word):
    assert not is_special(word)
