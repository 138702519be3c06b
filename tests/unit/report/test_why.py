import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console
from tests.outcomes import FIRST, make_artefact, make_label, make_named, make_score, make_unnamed
from tests.verbalizations import make_said, make_verbalization

from clerp.evidence import CandidateLabel
from clerp.explanation import (
    ChannelView,
    ComparedWindow,
    Explanation,
    NearbyExample,
    NodeView,
    NullFigures,
)
from clerp.outcome import LabeledFeature
from clerp.report.why import render_explanation
from clerp.word_counts import WordCount

HOSTILE = "[red]a[/red]\x1b]0;x\x07\u202eb\r\n\u2028c[link=http://x]d"
NEAR = NearbyExample("1.0", 2.25, "the city of", " Dallas", " today")
ACTING = set("\x1b\x07\u202e\u2028\r")


def make_channel(**changes: Any) -> ChannelView:
    given: dict[str, Any] = {
        "channel": "input",
        "window": (-1, 0),
        "score": make_score(8.25),
        "null": NullFigures(0.1, 0.05, 0.2, 0.3, 2000),
        "windows": (ComparedWindow("0.0", " in Texas", 0.75), ComparedWindow("0.1", "", None)),
    }
    return ChannelView(**given | changes)


def make_explanation(labeled: LabeledFeature | None = None, **changes: Any) -> Explanation:
    given: dict[str, Any] = {
        "source": "folder, because it lies beside the graph",
        "graph": "small",
        "labeled": labeled or make_named(details={"rule": "one word", "cost_usd": 0.5}),
        "nodes": (NodeView("0_10_1", 1, " Dallas", 2.5, 50.0, 0.125, (NEAR,)),),
        "steps": ("not an artefact", "so the role is input, tier 1"),
        "channels": (make_channel(),),
        "peak_words": (WordCount("Texas", 0.5, ("0.0", "0.1")),),
        "next_words": (WordCount("today", 0.25, ("0.0",)),),
        "promoted": (" Austin", " Dallas"),
        "suppressed": (" Ohio",),
        "prompt": "You name features.\n\nText 0.0",
        "prompt_note": "",
        "notes": ("mind this",),
    }
    return Explanation(**given | changes)


def show(explanation: Explanation, width: int = 120) -> list[str]:
    shown = io.StringIO()
    Console(file=shown, width=width).print(render_explanation(explanation))
    return [line.rstrip() for line in shown.getvalue().splitlines()]


def section_of(lines: list[str], title: str) -> list[str]:
    """Return the lines between a title and the next one, words apart by one space."""
    start = lines.index(title) + 1
    indented = []
    for line in lines[start:]:
        if line and not line.startswith("  "):
            break
        indented.append(" ".join(line.split()))
    return indented[:-1] if indented and not indented[-1] else indented


TITLES = (
    "In the graph",
    "Examples nearest to the activation of 0_10_1",
    "Route",
    "Channel input [-1, 0]",
    "Words at the peak",
    "Words that follow",
    "Promoted tokens",
    "Suppressed tokens",
    "Prompt",
    "On record",
)


def test_the_outcome_comes_first_then_notes_then_what_it_rests_on():
    lines = show(make_explanation())
    assert lines[:3] == [
        "0_10  Texas  input, tier 1, confidence high",
        "the peak word is 'Texas' in 2 of 20 examples (token-frequency)",
        "Note: mind this",
    ]
    assert [line for line in lines if line in TITLES] == list(TITLES)


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        (
            "In the graph",
            [
                "node position token activation place in its range share",
                "0_10_1 1 ' Dallas' 2.5 50 % 12.50%",
            ],
        ),
        (
            "Examples nearest to the activation of 0_10_1",
            ["example activation text", "1.0 2.25 the city of<< Dallas>> today"],
        ),
        ("Route", ["not an artefact", "so the role is input, tier 1"]),
        (
            "Channel input [-1, 0]",
            [
                "raw 0.400, weighted by activation 0.400, 20 windows, z 8.2, p 0.0005",
                "windows drawn at random: mean 0.100, spread 0.050, 95 % below 0.200, 99 % below "
                "0.300 (2000 draws)",
                "example similarity window",
                "0.0 0.75 ' in Texas'",
                "0.1 - ''",
            ],
        ),
        ("Words at the peak", ["50% 'Texas' in 2: 0.0, 0.1"]),
        ("Words that follow", ["25% 'today' in 1: 0.0"]),
        ("Promoted tokens", ["' Austin', ' Dallas'"]),
        ("Suppressed tokens", ["' Ohio'"]),
        ("Prompt", ["You name features.", "", "Text 0.0"]),
        (
            "On record",
            [
                "source: folder, because it lies beside the graph",
                "evidence: 0.0, 0.1",
                f"evidence digest: {'d' * 64}",
                "rule: one word",
                "cost usd: 0.5",
            ],
        ),
    ],
    ids=TITLES,
)
def test_every_section_shows_its_part(title: str, expected: list[str]):
    score = replace(make_score(8.25), p=0.0005)
    lines = show(make_explanation(channels=(make_channel(score=score),)))
    assert section_of(lines, title) == expected


def test_what_there_is_nothing_of_has_no_section():
    empty = make_explanation(
        make_unnamed(evidence_digest="", hint=""),
        nodes=(NodeView("0_10_1", 1, " Dallas", 2.5, None, None, ()),),
        channels=(),
        peak_words=(),
        next_words=(),
        promoted=(),
        suppressed=(),
        prompt="",
        notes=(),
    )
    lines = show(empty)
    assert [line for line in lines if line and not line.startswith(" ")] == [
        "0_10  (needs review)  obscure, tier 3, confidence high",
        "obscure: no window is alike enough",
        "In the graph",
        "Route",
        "On record",
    ]


def test_labels_of_others_stand_apart_with_who_made_them():
    others = (
        CandidateLabel("Texan cities", "np_max-act-logits", "gpt-4o-mini", (("recall_alt", 0.8),)),
        CandidateLabel("[bold]places[/bold]", "oai_token-act-pair", ""),
    )
    lines = show(make_explanation(make_named(candidates=others)))
    assert lines[0].startswith("0_10  Texas  ")
    assert section_of(lines, "What others call it") == [
        "label method model scores",
        "Texan cities np_max-act-logits gpt-4o-mini recall_alt 0.80",
        "[bold]places[/bold] oai_token-act-pair",
    ]


def test_a_feature_without_a_label_shows_status_and_hint():
    lines = show(make_explanation(make_unnamed(method="token-frequency"), notes=()))
    assert lines[:3] == [
        "0_10  (needs review)  obscure, tier 3, confidence high",
        "obscure: no window is alike enough (token-frequency)",
        "Hint: of, the | comma | Austin",
    ]


def test_an_artefact_shows_its_reason_as_route_and_outcome():
    reason = "dense: fires on 53% of all tokens"
    unscored = make_channel(score=None, null=None)
    explanation = make_explanation(make_artefact(), steps=(reason,), channels=(unscored,))
    lines = show(explanation)
    assert lines[0] == "0_10  (abstained)  artefact, tier 3, confidence high"
    assert lines[1] == reason
    assert section_of(lines, "Route") == [reason]


def test_a_channel_without_a_score_says_why():
    lines = show(make_explanation(channels=(make_channel(score=None, null=None),)))
    shown = section_of(lines, "Channel input [-1, 0]")
    assert shown[0] == "no score: fewer than 5 windows have content"


def test_a_channel_that_need_not_be_scored_says_why():
    channel = make_channel(score=None, null=None, unscored="not scored: input is clear without it")
    shown = section_of(show(make_explanation(channels=(channel,))), "Channel input [-1, 0]")
    assert shown[0] == "not scored: input is clear without it"
    assert shown[1] == "example similarity window"


def test_a_raw_score_is_not_called_z():
    channel = make_channel(score=make_score(None, raw=0.45), null=None)
    shown = section_of(show(make_explanation(channels=(channel,))), "Channel input [-1, 0]")
    assert shown[0] == "raw 0.450, weighted by activation 0.450, 20 windows"


def test_what_a_graph_does_not_say_is_a_dash():
    node = NodeView("0_10_9", 9, "", None, None, None, ())
    shown = section_of(show(make_explanation(nodes=(node,))), "In the graph")
    assert shown[1] == "0_10_9 9 '' - - -"


def test_a_prompt_that_is_not_the_one_on_record_is_marked():
    lines = show(make_explanation(prompt_note="of another graph"))
    expected = ["Note: of another graph", "You name features."]
    assert section_of(lines, "Prompt")[:2] == expected


def test_what_an_nla_says_stands_apart_from_the_label():
    lines = show(make_explanation(make_unnamed(verbalization=make_verbalization())), 4000)
    shown = section_of(lines, "What an NLA says")
    assert shown[0] == "experimental: no label, and no claim in it is checked"
    assert "suggestive all agree; thresholds checked on a toy" in shown
    assert "What an NLA says" not in show(make_explanation(make_unnamed()))


def make_hostile() -> Explanation:
    near = NearbyExample(HOSTILE, 1.0, HOSTILE, HOSTILE, HOSTILE)
    label = make_label(HOSTILE, method=HOSTILE, explanation=HOSTILE, evidence=(HOSTILE,))
    labeled = make_named(
        FIRST,
        label,
        hint=HOSTILE,
        details={HOSTILE: HOSTILE},
        evidence_digest=HOSTILE,
        verbalization=make_verbalization(pair=HOSTILE, said=(make_said(HOSTILE, HOSTILE),)),
    )
    return make_explanation(
        labeled,
        nodes=(NodeView(HOSTILE, 1, HOSTILE, 1.0, 1.0, 1.0, (near,)),),
        steps=(HOSTILE,),
        channels=(make_channel(windows=(ComparedWindow(HOSTILE, HOSTILE, 0.5),)),),
        peak_words=(WordCount(HOSTILE, 0.5, (HOSTILE,)),),
        next_words=(WordCount(HOSTILE, 0.5, (HOSTILE,)),),
        promoted=(HOSTILE,),
        suppressed=(HOSTILE,),
        prompt=HOSTILE,
        notes=(HOSTILE,),
    )


def test_the_nearest_examples_of_few_nodes_are_shown():
    nodes = [NodeView(f"0_10_{i}", i, "", 2.5, None, None, (NEAR,)) for i in range(9)]
    lines = show(make_explanation(nodes=tuple(nodes)))
    shown = [line for line in lines if line.startswith("Examples nearest")]
    assert shown == [
        *(f"Examples nearest to the activation of 0_10_{i}" for i in range(3)),
        "Examples nearest to 6 more nodes: --json",
    ]
    assert len(section_of(lines, "In the graph")) == 1 + 9


def test_nothing_of_a_graph_or_a_model_acts_on_the_terminal():
    shown = io.StringIO()
    Console(file=shown, width=4000, force_terminal=False).print(render_explanation(make_hostile()))
    text = shown.getvalue()
    assert not ACTING & set(text)
    # As written, markup and all: in every one of the sections.
    assert text.count("[red]a[/red]") >= 25
    assert text.count("[red]a[/red]") == text.count("[link=http://x]d")


def test_on_a_terminal_only_the_styles_of_clerp_are_sent():
    shown = io.StringIO()
    console = Console(file=shown, width=4000, force_terminal=True, color_system="standard")
    console.print(render_explanation(make_hostile()))
    text = shown.getvalue()
    assert "\x1b]" not in text
    assert not (ACTING - {"\x1b"}) & set(text)
    assert "[red]a[/red]" in text
