import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.verbalizers import Missed, Passage
from clerp_nla.subject.tokens import Encoded, encode, encode_passage, pad_right

from .subject_models import TEXTS, make_tokenizer

TOKENIZER = make_tokenizer()
START = TOKENIZER.bos_token_id


def cut(text: str, token: str | None = None, longest: int = 128) -> Encoded | Missed:
    last = encode(text, TOKENIZER).last if token is None else token
    return encode_passage(Passage("0.0", text, last, 1.0), TOKENIZER, longest)


def reason_of(found: Encoded | Missed) -> str:
    assert isinstance(found, Missed)
    return found.reason


def test_the_start_token_is_put_in_front_once() -> None:
    plain = encode(TEXTS[0], TOKENIZER)

    assert plain.ids[0] == START
    assert plain.ids.count(START) == 1
    assert encode(f"<bos>{TEXTS[0]}", TOKENIZER) == plain


def test_a_tokenizer_without_a_start_token_puts_nothing_in_front() -> None:
    tokenizer = make_tokenizer(bos=None)

    assert encode(TEXTS[0], tokenizer).ids == encode(TEXTS[0], TOKENIZER).ids[1:]


def test_the_last_piece_has_the_space_before_it() -> None:
    assert encode("the ship left the", TOKENIZER).last == " the"
    assert encode("the", TOKENIZER).last in ("the", "he", "e")


@given(st.text(max_size=40))
def test_pieces_are_ends_of_the_text_and_positions_those_of_the_last_token(text: str) -> None:
    found = encode(text, TOKENIZER)

    assert text.endswith(found.last)
    assert found.position == len(found.ids) - 1
    assert found.ids[0] == START


def test_a_passage_that_ends_with_the_token_of_the_evidence_is_read() -> None:
    found = cut(TEXTS[0])

    assert isinstance(found, Encoded)
    assert found.position >= 10


@pytest.mark.parametrize("token", ["rain", " rained it", "", "<bos>"])
def test_another_last_token_is_missed_with_both(token: str) -> None:
    found = cut(f"{TEXTS[0]} in", token)

    assert reason_of(found) == f"the model ends the text with ' in', the evidence with {token!r}"


def test_a_character_of_several_tokens_at_the_end_is_missed() -> None:
    # The evidence gives the whole character to its first token, and nobody knows which is meant.
    assert "the model ends the text with" in reason_of(cut(f"{TEXTS[0]} 漢", " 漢"))


def test_an_empty_passage_is_missed() -> None:
    assert "the evidence with ''" in reason_of(cut("", ""))


@pytest.mark.parametrize(("n_letters", "fits"), [(9, False), (10, True)])
def test_the_first_ten_positions_are_missed(n_letters: int, fits: bool) -> None:
    # No text of the tokenizer holds an X: each is a token.
    text = "X" * n_letters
    assert encode(text, TOKENIZER).position == n_letters

    found = cut(text)

    assert isinstance(found, Encoded) is fits
    if not fits:
        assert reason_of(found).startswith("at position 9: before 10")


def test_two_start_tokens_are_missed() -> None:
    assert reason_of(cut(f"<bos><bos>{TEXTS[0]}")) == "the text begins with two start tokens"


def test_more_tokens_than_the_model_reads_are_missed() -> None:
    n = len(encode(TEXTS[0], TOKENIZER).ids)

    assert isinstance(cut(TEXTS[0], longest=n), Encoded)
    assert reason_of(cut(TEXTS[0], longest=n - 1)) == (
        f"the text has {n} tokens, the model reads {n - 1}"
    )


def test_rows_are_padded_on_the_right() -> None:
    assert pad_right([[1, 2], (3,)], filler=9) == [[1, 2], [3, 9]]
