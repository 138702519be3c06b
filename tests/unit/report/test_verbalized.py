"""What readers are shown of what an NLA said."""

import io
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tests.browser.hostile import HOSTILE
from tests.outcomes import FIRST
from tests.verbalizations import (
    PAIR,
    make_agreement,
    make_said,
    make_trust,
    make_verbalization,
)

from clerp.errors import GraphError
from clerp.report.verbalized import (
    Piece,
    cut_quotes,
    read_verbalization,
    view_verbalization,
)
from clerp.report.verbalized_lines import render_verbalized
from clerp.verbalizers.outcome import FeatureVerbalization

SIGNALS = ("reconstruction", "self_agreement", "example_agreement", "contrast")


def show(said: FeatureVerbalization, *, with_all: bool = False, width: int = 4000) -> str:
    shown = io.StringIO()
    view = view_verbalization(said)
    Console(file=shown, width=width).print(render_verbalized(view, with_all=with_all))
    return shown.getvalue()


def test_the_first_text_of_each_place_is_shown_and_the_others_are_kept_apart():
    view = view_verbalization(make_verbalization())
    assert [text.where for text in view.first] == [
        "0.0 at ' Paris', activation 8.25",
        "0.1 at ' Rome', activation 8.25",
    ]
    assert view.first[0].pieces == (
        Piece("It names ", is_quote=False),
        Piece('"Paris"', is_quote=True),
        Piece(" at the end.", is_quote=False),
    )
    assert [text.fault for text in view.more] == ["", "cut off at 200 tokens"]
    assert [text.where for text in view.where_off] == ["0.0-3 at ' the'"]
    assert view.has_quotes


def test_what_looks_quoted_is_marked_in_proposals_and_claims_too():
    told = 'It names "Paris".'
    view = view_verbalization(make_verbalization(said=(), kept_claims=(told,), proposal=told))
    expected = (
        Piece("It names ", is_quote=False),
        Piece('"Paris"', is_quote=True),
        Piece(".", is_quote=False),
    )
    assert view.proposal == expected
    assert [claim.pieces for claim in view.kept_claims] == [expected]
    for alone in (replace(view, proposal=()), replace(view, kept_claims=())):
        assert alone.has_quotes
    assert not replace(view, proposal=(), kept_claims=()).has_quotes


def test_a_claim_says_at_how_many_places_it_is_made():
    said = make_verbalization(kept_claims=("A city is named.", "Of another record."))
    assert [claim.made_at for claim in view_verbalization(said).kept_claims] == [
        "made at 4 of 5, of inactive 0 of 8",
        "",
    ]


def test_a_text_goes_before_a_fault_of_the_same_place():
    said = (make_said("0.0", "", fault="empty"), make_said("0.0", "A city.", sample=1))
    view = view_verbalization(make_verbalization(said=said))
    assert [text.pieces for text in view.first] == [(Piece("A city.", is_quote=False),)]
    assert [text.fault for text in view.more] == ["empty"]


@given(
    text=st.text(max_size=20),
    spans=st.lists(st.tuples(st.integers(-3, 25), st.integers(-3, 25)), max_size=5),
)
def test_spans_of_any_kind_lose_nothing_of_a_text(text: str, spans: list[tuple[int, int]]):
    pieces = cut_quotes(text, spans)
    assert "".join(piece.text for piece in pieces) == text
    assert all(piece.text for piece in pieces)


def test_each_signal_stands_with_its_control():
    view = view_verbalization(make_verbalization())
    assert {signal.name: (signal.value, signal.control) for signal in view.signals} == {
        "gates": (
            "7 of 8 texts are usable (no closing tag: 1)",
            "form alone, whatever the text says",
        ),
        "reconstruction": (
            "explains 0.62 of the variance (0.7 of 512 reference residuals); says nothing of truth",
            "with residuals that the texts are not about -0.75",
        ),
        "rank": ("its own residual ranks 2 of 64", "by chance 32.5"),
        "agreement over samples": (
            "+0.25 (+0.12 to +0.38), p 0.01",
            "within 0.75, with other features 0.50; 5 against 40",
        ),
        "agreement over examples": (
            "+0.12 (+0.12 to +0.38), p 0.04",
            "within 0.75, with other features 0.50; 5 against 40",
        ),
        "contrast": (
            "+0.25, p 0.03",
            "texts of 5 places where it fires 0.75, with those of 8 where it is off 0.50",
        ),
    }


@pytest.mark.parametrize("missing", SIGNALS)
def test_a_signal_that_nobody_measured_is_not_shown(missing: str):
    everything = {s.name for s in view_verbalization(make_verbalization()).signals}
    trust = make_trust(**{missing: None})
    left = {s.name for s in view_verbalization(make_verbalization(trust=trust)).signals}
    assert left < everything


def test_where_there_is_no_control_it_is_said():
    found = make_trust().reconstruction
    assert found is not None
    bare = replace(found, mismatch_fve=None, rank=None, n_reference=None)
    trust = make_trust(reconstruction=bare)
    signals = view_verbalization(make_verbalization(trust=trust)).signals
    assert [signal.name for signal in signals][:3] == [
        "gates",
        "reconstruction",
        "agreement over samples",
    ]
    assert signals[1].control == "no control: other residuals are not at hand"


def test_agreement_names_what_it_is_held_against():
    own = make_agreement(against="ordinary residuals")
    view = view_verbalization(make_verbalization(trust=make_trust(self_agreement=own)))
    controls = {signal.name: signal.control for signal in view.signals}
    told = "within 0.75, with {} 0.50; 5 against 40"
    assert controls["agreement over samples"] == told.format("ordinary residuals")
    assert controls["agreement over examples"] == told.format("other features")


def test_the_status_is_said_once_and_all_notes_stand_together():
    view = view_verbalization(make_verbalization())
    assert (view.status, view.status_line) == (
        "suggestive",
        "all agree; thresholds checked on a toy",
    )
    assert view.notes == (*make_trust().notes, *make_verbalization().notes)
    assert view.whose == f"{PAIR}; given: the residual at the peaks of its examples"


def test_a_terminal_shows_what_it_is_before_what_it_says():
    lines = show(make_verbalization(proposal="cities", method="baez")).splitlines()
    assert lines[0] == "experimental: no label, and no claim in it is checked"
    assert lines[2].startswith("suggestive all agree; thresholds checked on a toy")
    assert lines[3] == "Made of it by baez, no label: cities"
    assert "So: predicted, not quoted" in lines
    assert "3 more texts: --json" in lines
    claims = lines.index("Said where it fires and not where it is off:")
    assert lines[claims + 1].strip() == "A city is named. (made at 4 of 5, of inactive 0 of 8)"
    assert lines[-1].startswith("Note: 0.2 was passed over")


def test_a_terminal_shows_every_text_where_all_are_asked_for():
    said = make_verbalization()
    shown = show(said, with_all=True)
    assert all(" ".join(s.text.split()) in " ".join(shown.split()) for s in said.said)
    assert "Where it is off:" in shown
    assert "more texts: --json" not in shown
    assert "cut off at 200 tokens (no text)" in shown


def test_what_is_not_available_is_said_and_nothing_else():
    said = FeatureVerbalization.decline(FIRST, "decoder", "it reads above the layer of the NLA")
    assert show(said).splitlines()[1:] == [
        "given: what it writes up to the layer of the NLA",
        "not available: it reads above the layer of the NLA",
    ]


def make_hostile(text: str) -> FeatureVerbalization:
    said = make_said(text, text, token=text, fault="", quotes=((0, len(text)),))
    return make_verbalization(
        pair=text,
        said=(said, replace(said, sample=1), replace(said, input_id=f"{text}1", fault=text)),
        said_where_off=(said,),
        kept_claims=(text,),
        proposal=text,
        method="baez",
        notes=(text,),
        trust=make_trust(status_line=f"suggestive: {text}", notes=(text,)),
    )


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_that_an_nla_says_acts_on_a_terminal(text: str):
    shown = show(make_hostile(f"[red]a[/red]{text}[link=http://x]"), with_all=True)
    assert {char for char in shown if not char.isprintable()} <= {"\n"}
    assert shown.count("[red]a[/red]") >= 10


def test_a_text_without_end_is_cut():
    shown = show(make_verbalization(said=(make_said("0.0", "word " * 10**5),)))
    assert "…" in shown
    assert len(shown) < 10_000


@pytest.mark.parametrize("made", [make_verbalization(), make_hostile("\u202e<b>")])
def test_what_a_graph_has_on_record_is_what_was_said(made: FeatureVerbalization):
    assert read_verbalization(made.to_record(), FIRST, "small") == made


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"kind": "encoder"}, "kind"),
        ({"said": [{"input_id": 3}]}, "said[0].input_id"),
        ({"trust": {"gates": "open"}}, "trust.gates"),
        ({"method": "guess"}, "method"),
    ],
)
def test_a_record_that_is_none_is_named_with_its_place(change: dict[str, Any], place: str):
    with pytest.raises(GraphError) as raised:
        read_verbalization(make_verbalization().to_record() | change, FIRST, "small")
    assert f"small, metadata.clerp.features.0_10.verbalization.{place}" in str(raised.value)
