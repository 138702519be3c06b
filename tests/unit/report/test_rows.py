import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.outcomes import (
    FIRST,
    SECOND,
    THIRD,
    make_artefact,
    make_label,
    make_named,
    make_route,
    make_score,
    make_unnamed,
)

from clerp.evidence import CandidateLabel
from clerp.labels import MAX_LABEL_CHARS
from clerp.report.occurrence import Occurrence
from clerp.report.rows import list_rows, make_visible, percent


def row_of(labeled):
    return list_rows([labeled], {}, 1)[0]


def test_the_most_influential_come_first_and_equals_in_the_order_of_features():
    features = [make_named(THIRD), make_named(SECOND), make_named(FIRST)]
    rows = list_rows(features, {SECOND: Occurrence(0.5)}, 3)
    assert [row.feature for row in rows] == ["1_11", "0_10", "2_12"]
    assert [row.share for row in rows] == ["50.0%", "-", "-"]


def test_a_rule_stands_for_the_reason_beside_the_examples_that_it_fits():
    row = row_of(make_named())
    assert (row.name, row.role, row.why) == ("Texas", "1 input", "2/20 one word")
    assert row.is_counted


def test_a_label_that_rests_on_no_example_has_no_count():
    row = row_of(make_named(label=make_label("avoid Texas", evidence=())))
    assert (row.why, row.is_counted) == ("one word", False)


def test_a_label_without_a_rule_is_explained_in_its_own_words():
    label = make_label(details={}, explanation="All texts name a state.")
    row = row_of(make_named(label=label))
    assert (row.why, row.is_counted) == ("All texts name a state.", False)


def test_an_artefact_says_its_reason_once():
    assert row_of(make_artefact()).why == "dense: fires on 53% of all tokens"


def test_the_role_is_not_said_again_in_the_reason():
    row = row_of(make_unnamed())
    assert (row.role, row.why) == ("3 obscure", "no window is alike enough")


def test_a_failure_is_named_as_one():
    assert row_of(make_unnamed(status="failed", reason="no answer")).why == "failed: no answer"


@pytest.mark.parametrize(
    ("hint", "name"), [("of | the | Austin", "? of | the | Austin"), ("", "?")]
)
def test_a_feature_without_a_label_shows_its_marked_hint(hint, name):
    assert row_of(make_unnamed(hint=hint)).name == name


@pytest.mark.parametrize(
    ("changes", "strength"),
    [
        ({}, "8.2"),
        ({"role": "obscure", "tier": 3}, "8.2"),
        ({"role": "output"}, "1.0"),
        ({"scores": {"input": make_score(None, 0.456)}}, "0.46"),
        ({"scores": {}}, ""),
    ],
)
def test_the_strength_is_that_of_the_channel_that_decided_else_the_greatest(changes, strength):
    assert row_of(make_named(route=make_route(**changes))).strength == strength


def test_doubt_is_a_note_after_those_of_the_feature():
    doubtful = make_named(label=make_label(confidence="low"), notes=("a note",))
    assert row_of(doubtful).notes == ("a note", "low confidence")


@given(st.text())
def test_what_is_shown_is_one_line_of_visible_characters(text):
    shown = make_visible(text)
    assert shown.isprintable()
    assert not {unicodedata.bidirectional(c) for c in shown} & {"RLO", "LRO", "RLI", "LRI", "PDF"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "�[31mred"),
        ("abc\u202etxt", "abc�txt"),
        ("two\nlines\tand\u2028more", "two lines and more"),
        ("zero\u200bwidth\ud800", "zero�width�"),
        ("épée 東京 [bold]", "épée 東京 [bold]"),
    ],
)
def test_what_could_act_is_replaced_and_everything_else_kept(text, shown):
    assert make_visible(text) == shown


def test_a_label_without_end_is_cut():
    row = row_of(make_named(label=make_label("x" * 1000)))
    assert row.name == "x" * (MAX_LABEL_CHARS - 1) + "…"


def test_an_unknown_share_is_a_dash():
    assert (percent(None), percent(0.0), percent(0.0249)) == ("-", "0.0%", "2.5%")


@pytest.mark.parametrize(
    ("tokens", "shown"),
    [
        ((), ""),
        (("",), ""),
        ((" Dallas",), "Dallas"),
        ((" Dallas", "\n", "."), "Dallas +2"),
        (("\n",), "newline"),
        (("\x1b[31m",), "31m"),
    ],
)
def test_the_first_token_that_it_fires_on_is_shown(tokens, shown):
    (row,) = list_rows([make_named()], {FIRST: Occurrence(0.5, tokens)}, 1)
    assert row.fires_on == shown


@pytest.mark.parametrize(
    ("texts", "shown"),
    [((), ""), (("cities",), "cities"), (("a\x1b[2Jb", "cities", "towns"), "a\ufffd[2Jb +2")],
)
def test_the_first_of_what_others_say_is_shown(texts: tuple[str, ...], shown: str):
    candidates = tuple(CandidateLabel(text, "np_max-act", "") for text in texts)
    (row,) = list_rows([make_named(candidates=candidates)], {}, 1)
    assert row.others == shown
    assert row.name == "Texas"
