import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.verbalizers.claims import MOST_CLAIMS, choose_paragraph, cut_claims, find_quotes

SHAPED = """An encyclopedia entry about rivers.

Words such as "delta" and “mouth of the Nile” come up.

Final token "river" ends a noun phrase."""

texts = st.text(alphabet=st.sampled_from("ab.!? \n\"'`“”‘’«»「」„（A1。"), max_size=60) | st.text()


def quoted(text: str) -> list[str]:
    return [text[span.start : span.stop] for span in find_quotes(text)]


def test_the_last_paragraph_is_about_the_token():
    chosen = choose_paragraph(SHAPED)

    assert chosen.text == 'Final token "river" ends a noun phrase.'
    assert not chosen.is_whole


@pytest.mark.parametrize("text", ["One paragraph.", "One\nof two lines.", " One paragraph. \n\n"])
def test_a_text_of_one_paragraph_is_said_to_be_all(text: str):
    chosen = choose_paragraph(text)

    assert chosen.text == text.strip()
    assert chosen.is_whole


@pytest.mark.parametrize("blank", ["\n\n", "\n \t\n", "\n\n\n\n", "\r\n\r\n"])
def test_paragraphs_stand_between_blank_lines(blank: str):
    assert choose_paragraph(f"First.{blank}Last one.").text == "Last one."


def test_rules_and_marks_are_no_paragraphs():
    assert choose_paragraph("First.\n\nLast.\n\n---\n\n**").text == "Last."
    chosen = choose_paragraph("Only one.\n\n---")
    assert chosen.text == "Only one.\n\n---"
    assert chosen.is_whole


@given(texts)
def test_the_chosen_paragraph_is_the_end_of_the_text_or_all_of_it(text: str):
    chosen = choose_paragraph(text)

    assert chosen.text in text
    assert not chosen.is_whole or chosen.text == text.strip()
    assert bool(chosen.text) == bool(text.strip())


def test_a_text_is_cut_into_sentences():
    assert cut_claims(SHAPED) == (
        "An encyclopedia entry about rivers.",
        'Words such as "delta" and “mouth of the Nile” come up.',
        'Final token "river" ends a noun phrase.',
    )


def test_a_sentence_ends_before_what_can_begin_one():
    assert cut_claims('It is a list, e.g. of names. "Paris" ends it! Or not? 3 more.') == (
        "It is a list, e.g. of names.",
        '"Paris" ends it!',
        "Or not?",
        "3 more.",
    )
    assert cut_claims("这是第一句。这是第二句。") == ("这是第一句。", "这是第二句。")
    assert cut_claims('He said "Stop." Then he went.') == ('He said "Stop."', "Then he went.")


def test_scraps_and_repetitions_are_no_claims():
    assert cut_claims("Same one.\n\n-\nok\nSame one.\n") == ("Same one.",)
    assert cut_claims("") == ()


def test_claims_have_a_limit():
    assert len(cut_claims("\n".join(f"Claim {i}." for i in range(100)))) == MOST_CLAIMS


@given(texts)
def test_claims_are_parts_of_the_text_in_order(text: str):
    claims = cut_claims(text)

    found = [text.index(claim) for claim in claims]
    assert found == sorted(found) or len(set(found)) < len(found)
    assert len(set(claims)) == len(claims)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ('a "b c" d "e"', ['"b c"', '"e"']),
        ("“a” and “b”", ["“a”", "“b”"]),
        ("‘a’ of the dogs’ ‘don’t go’", ["‘a’", "‘don’t go’"]),
        ("'a b' isn't 'don't go' it", ["'a b'", "'don't go'"]),
        ("code `x = 1` here", ["`x = 1`"]),
        ("«a» 「b」 『c』 „d“", ["«a»", "「b」", "『c』", "„d“"]),
        ('token " Paris" there', ['" Paris"']),
        ("“he said ‘no’ twice”", ["“he said ‘no’ twice”"]),
        ('a 5" pipe and "b"', ['"b"']),
        ("the dogs' tails aren't 'x'", ["'x'"]),
        ('an open "one', []),
        ("an open “one\nand” more", []),
        ('""', []),
        ('"' + 300 * "a" + '"', ['"' + 300 * "a" + '"']),
        ('"' + 301 * "a" + '"', []),
        ("“a “b”", ["“b”"]),
    ],
)
def test_what_looks_quoted_is_found(text: str, spans: list[str]):
    assert quoted(text) == spans


@given(texts)
def test_spans_lie_in_the_text_and_never_overlap(text: str):
    end = 0
    for start, stop in find_quotes(text):
        assert end <= start < stop <= len(text)
        assert stop - start <= 302
        assert "\n" not in text[start:stop]
        end = stop


@pytest.mark.parametrize("mark", ['"', "“", "'", "‘", "`", '" ', " '", "„“"])
def test_long_rows_of_marks_are_read_to_their_end(mark: str):
    # A search that went back over the whole text at each mark would never end.
    text = (mark + "a ") * 20_000 + "\n“end”"

    assert quoted(text)[-1] == "“end”"
    assert cut_claims(text)[-1] == "“end”"
