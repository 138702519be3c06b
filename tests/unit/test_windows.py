import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import UsageError
from clerp.evidence import ActivationExample
from clerp.windows import (
    DEFAULT_WINDOWS,
    Window,
    cut,
    cut_tokens,
    is_bare_space,
    parse_windows,
    split_tokens,
    split_words,
    word_at,
)

INPUT, OUTPUT, CROSS = DEFAULT_WINDOWS


def example(*tokens: str, peak: int = 0) -> ActivationExample:
    activations = np.zeros(len(tokens), dtype=np.float32)
    activations[peak] = 1
    return ActivationExample("0.0", tokens, activations, peak)


def words_of(*tokens: str) -> list[str]:
    return [word.text for word in split_words(example(*tokens))]


def word_of(token: int, *tokens: str) -> str | None:
    word = word_at(split_words(example(*tokens)), token)
    return word.text if word else None


def test_windows_are_read_in_the_order_of_the_channels():
    written = "output=1:3, cross=-4:4 ,input=0:0"

    assert parse_windows(written) == (
        Window("input", 0, 0),
        Window("output", 1, 3),
        Window("cross", -4, 4),
    )


def test_the_default_windows_can_be_written_and_read_back():
    written = ",".join(f"{w.name}={w.start}:{w.stop}" for w in DEFAULT_WINDOWS)

    assert parse_windows(written) == DEFAULT_WINDOWS


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("", "'' is not a window"),
        ("input=-1:0,output=1:2", "no window for cross"),
        ("input=-1:0,output=1:2,cross=8", "'cross=8' is not a window"),
        ("input=-1:0,output=1:2,cross=8:-8", "ends before it starts"),
        ("input=-1:0,output=1:2,around=-8:8", "there is no channel 'around'"),
        ("input=-1:0,output=1:2,cross=-8:8,input=0:0", "'input' has two windows"),
        ("input=-1:0,output=1:2,cross=-8:99999", "is not a window"),
        ("input=-1:0;output=1:2;cross=-8:8", "is not a window"),
    ],
)
def test_a_window_that_cannot_be_used_is_named(written: str, fault: str):
    with pytest.raises(UsageError, match=fault) as raised:
        parse_windows(written)

    assert "input=-1:0,output=1:2,cross=-8:8" in raised.value.remedy


@given(st.text())
def test_any_text_is_windows_or_a_usage_error(written: str):
    try:
        windows = parse_windows(written)
    except UsageError:
        return
    assert [window.name for window in windows] == ["input", "output", "cross"]


def test_a_window_is_cut_around_the_peak():
    text = example("The", " capital", " of", " Texas", " is", peak=2)

    assert cut(text, INPUT) == " capital of"
    assert cut(text, OUTPUT) == " Texas is"
    assert cut(text, CROSS) == "The capital of Texas is"


def test_a_window_is_clipped_and_empty_outside():
    text = example("The", " capital", peak=1)

    assert cut(text, OUTPUT) == ""
    assert cut_tokens(text.tokens, OUTPUT, 0) == " capital"
    assert cut_tokens(text.tokens, INPUT, 0) == "The"
    assert cut_tokens(text.tokens, Window("input", -5, -3), 1) == ""


@given(st.lists(st.text(max_size=3), min_size=1, max_size=12), st.data())
def test_a_window_around_the_peak_is_that_around_its_position(
    tokens: list[str], data: st.DataObject
):
    peak = data.draw(st.integers(0, len(tokens) - 1))
    start, stop = sorted(data.draw(st.tuples(st.integers(-15, 15), st.integers(-15, 15))))
    window = Window("cross", start, stop)
    inside = [t for i, t in enumerate(tokens) if start <= i - peak <= stop]

    assert cut(example(*tokens, peak=peak), window) == "".join(inside)
    assert cut_tokens(tokens, window, peak) == "".join(inside)


def test_tokens_are_joined_to_words():
    assert words_of("The", " st", "ray", " dog", "'", "s", " day") == [
        "The",
        "stray",
        "dog's",
        "day",
    ]


def test_marks_line_breaks_and_hyphens_are_words_of_their_own():
    assert words_of('"', "Well", "-known", ',"', "\n", "he", " said", "...") == [
        *('"', "Well", "-", "known", ",", '"', "\n", "he", "said", "..."),
    ]


def test_a_token_of_spaces_is_a_word_but_spaces_before_words_are_not():
    assert words_of("in", " ", "1", "9", "4", "0", "  now") == ["in", " ", "1940", "now"]


def test_a_special_token_is_one_word():
    assert words_of("<bos>", "a", "<|im_end|>", "<", "b", ">") == [
        "<bos>",
        "a",
        "<|im_end|>",
        *("<", "b", ">"),
    ]


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (("北京", "是", "小"), ["北京", "是", "小"]),
        (("हि", "न्दी", " भाषा"), ["हिन्दी", "भाषा"]),
        ((" عَرَ", "بِي", "،"), ["عَرَبِي", "،"]),
        ((" שלום", "!"), ["שלום", "!"]),
        ((" Stra", "ße", " Ö"), ["Straße", "Ö"]),
        (("👩\u200d👩\u200d👧", "👍🏽", "🇨🇭", " ok"), ["👩\u200d👩\u200d👧", "👍🏽", "🇨🇭", "ok"]),
    ],
)
def test_words_of_any_script_stay_whole(tokens: tuple[str, ...], words: list[str]):
    assert words_of(*tokens) == words


def test_a_tokens_first_visible_character_decides_its_word():
    tokens = ("a", ' "', "Sta", "nis", 'law"', ".\n", "x")

    assert word_of(1, *tokens) == '"'
    assert word_of(3, *tokens) == "Stanislaw"
    assert word_of(4, *tokens) == "Stanislaw"
    assert word_of(5, *tokens) == "."
    assert word_of(0, "\n\n", "x") == "\n\n"


def test_later_pieces_of_a_character_belong_to_its_word():
    assert word_of(1, "é", "", "t", "é") == "été"
    assert word_of(2, "x", " 小", "", "") == "小"
    assert word_of(0, "", "x") is None
    assert word_of(0, "") is None


@given(st.lists(st.text(max_size=6), min_size=1, max_size=12))
def test_words_keep_all_visible_text_in_order(tokens: list[str]):
    words = split_words(example(*tokens))

    def visible(texts: list[str]) -> str:
        return "".join("".join(texts).split())

    assert visible([word.text for word in words]) == visible(tokens)
    for word in words:
        assert word.text in "".join(tokens[word.start : word.stop + 1])


@given(st.lists(st.text(max_size=6), min_size=1, max_size=12))
def test_every_visible_token_has_a_word_that_holds_its_first_character(tokens: list[str]):
    words = split_words(example(*tokens))

    for at, token in enumerate(tokens):
        word = word_at(words, at)
        if token.strip():
            assert word is not None
            assert token.strip()[0] in word.text


# What makes words of its own, is no word, or belongs to what stands beside it.
_PIECES = st.sampled_from(
    [
        "a",
        "it",
        "'s",
        " the",
        "'",
        "é",
        "\u0301",
        "小的",
        "",
        " ",
        "  ",
        "\n",
        ",",
        ',"',
        "<bos>",
        "\ue0f2",
    ]
)


@given(st.lists(_PIECES | st.text(max_size=4), min_size=1, max_size=10))
def test_tokens_are_split_to_the_same_words_whether_as_words_or_as_text(tokens: list[str]):
    words = split_words(example(*tokens))
    split = split_tokens(tokens)

    assert split.read(0) == [word.text for word in words if not is_bare_space(word.text)]
    for token in range(len(tokens)):
        number = split.find(token)
        assert (None if number is None else split.words(number, number + 1)[0]) == word_at(
            words, token
        )
