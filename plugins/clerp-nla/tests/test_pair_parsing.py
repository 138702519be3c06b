import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp_nla.pair.parsing import MAX_CHARS, parse_explanation


def parse(raw: str, *, cut_off: bool = False):
    return parse_explanation(raw, n_tokens=7, cut_off=cut_off)


def test_the_explanation_stands_between_its_tags() -> None:
    said = parse("Sure. <explanation>\n A text.\n\nIts end. \n</explanation> And more.")

    assert (said.text, said.fault, said.n_tokens) == ("A text.\n\nIts end.", "", 7)


@pytest.mark.parametrize(
    ("raw", "cut_off", "fault"),
    [
        ("<explanation>a text", False, "no closing tag"),
        ("<explanation>a text", True, "cut off at 7 tokens"),
        ("a text", False, "no opening tag"),
        ("", True, "cut off at 7 tokens"),
        ("<explanation> \n</explanation>", False, "empty"),
        ("</explanation><explanation>a text", False, "no closing tag"),
        (f"<explanation>{'a' * (MAX_CHARS + 1)}</explanation>", False, "longer than 20,000"),
    ],
)
def test_what_cannot_be_used_says_why(raw: str, cut_off: bool, fault: str) -> None:
    said = parse(raw, cut_off=cut_off)

    assert said.text == ""
    assert said.fault.startswith(fault)
    assert said.raw == raw[:MAX_CHARS]


def test_what_ended_with_its_last_token_is_whole() -> None:
    assert parse("<explanation>a</explanation>", cut_off=True).text == "a"


@given(text=st.text(max_size=30), before=st.text(max_size=5), after=st.text(max_size=5))
def test_a_text_comes_back(text: str, before: str, after: str) -> None:
    said = parse(f"{before}<explanation>{text}</explanation>{after}")

    assert said.text == text.strip()
    assert bool(said.fault) == (not text.strip())
