import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from clerp.report.html.escapes import mark_up, spell_out

_ANY = st.text(st.characters(), max_size=40)


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("say Austin", "say Austin"),
        ("\n", "⏎"),
        ("a\r\n\tb", "a↵⏎⇥b"),
        ("\x00\x1b[31m", "\\x00\\x1b[31m"),
        ("ab\u202edc", "ab\\u202edc"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\u2066isolate\u2069", "\\u2066isolate\\u2069"),
        ("\ud800", "\\ud800"),
        ("\u3164", "\\u3164"),
        ("no\u00a0break", "no\\xa0break"),
        ("\U000e0041", "\\U000e0041"),
        ("東京 Ünïcödé", "東京 Ünïcödé"),
    ],
)
def test_what_is_not_seen_is_spelled_out(text: str, spelled: str):
    assert spell_out(text) == spelled


def test_escapes_are_marked_and_named():
    assert mark_up("a\u202e<b>") == Markup(
        'a<span class="esc" title="U+202E RIGHT-TO-LEFT OVERRIDE">\\u202e</span>&lt;b&gt;'
    )


@given(_ANY)
def test_what_is_spelled_out_is_seen_and_can_be_sent(text: str):
    spelled = spell_out(text)
    spelled.encode()
    hidden = [c for c in spelled if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn")]
    assert hidden == []
    assert spell_out(spelled) == spelled


@given(_ANY)
def test_marked_text_holds_no_tag_but_its_own(text: str):
    html = str(mark_up(text))
    own = html.replace('<span class="esc" title="', "").replace("</span>", "")
    assert "<" not in own
    assert Markup(html).striptags().split() == spell_out(text).split()
