import io
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console
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
from tests.unit.graph.conftest import build_graph

from clerp.evidence import CandidateLabel
from clerp.graph import read_graph
from clerp.report.occurrence import Occurrence
from clerp.report.summary import Coverage, JointSummary, summarize
from clerp.report.table import plain, render_features, render_summary, render_together

PLACES = {
    FIRST: Occurrence(0.25, (" Dallas",)),
    SECOND: Occurrence(0.125, ("a", "b", "c")),
    THIRD: Occurrence(0.0625),
}
HOSTILE = "[red]a[/red]\x1b]0;x\x07\u202eb\r\nc"


def show(renderable, width: int = 100) -> str:
    shown = io.StringIO()
    Console(file=shown, width=width).print(renderable)
    return shown.getvalue()


def show_features(*features, limit: int = 20, width: int = 100) -> list[str]:
    shown = show(render_features(features, PLACES, limit=limit), width)
    return [line.rstrip() for line in shown.splitlines()]


def line_of(lines: list[str], start: str) -> str:
    (line,) = (line for line in lines if line.startswith(start))
    return " ".join(line.split())


def test_a_line_has_label_role_share_strength_feature_and_reason():
    lines = show_features(make_named())
    assert lines[0].split() == ["label", "fires", "on", "role", "share", "z", "feature", "why"]
    assert line_of(lines, "Texas") == "Texas Dallas 1 input 25.0% 8.2 0_10 2/20 one word"


def test_raw_scores_are_not_called_z():
    route = make_route(scores={"input": make_score(None, 0.45)})
    lines = show_features(make_named(route=route))
    assert "raw" in lines[0].split()
    assert "z" not in lines[0].split()
    assert "raw likeness of the examples as mean cosine similarity" in lines


def test_nothing_is_said_twice_of_an_artefact():
    lines = show_features(make_artefact(), width=140)
    assert "\n".join(lines).count("dense: fires on 53% of all tokens") == 1


def test_a_note_of_many_features_stands_once_below_and_its_number_beside_each():
    noted = [make_named(f, notes=("the note",)) for f in (FIRST, SECOND)]
    doubtful = make_named(THIRD, make_label("Ohio", confidence="low"), notes=("the note",))
    lines = show_features(*noted, doubtful)
    assert "0_10 [1]" in lines[1]
    assert "1_11 [1]" in lines[2]
    assert "2_12 [1,2]" in lines[3]
    assert lines.count("[1] the note") == 1
    assert lines.count("[2] low confidence") == 1


def test_it_is_said_how_many_features_are_left_out():
    features = [make_named(FIRST), make_named(SECOND), make_named(THIRD)]
    assert "2 more features, of less influence, are not shown" in show_features(*features, limit=1)
    assert not any("not shown" in line for line in show_features(*features, limit=3))


def test_the_marks_are_explained_only_where_they_stand():
    named = "\n".join(show_features(make_named()))
    unnamed = "\n".join(show_features(make_artefact()))
    assert "17/20" in named
    assert "? no label" not in named
    assert "17/20" not in unnamed
    assert "? no label" in unnamed


@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_label_is_cut_and_every_other_cell_keeps_one_line(width):
    name = "capitalised names: President, Ministers!"
    unnamed = make_unnamed(SECOND, hint="word, " * 20, reason="because " * 20)
    lines = show_features(make_named(label=make_label(name)), unnamed, width=width)
    assert all(cell_len(line) <= width for line in lines)
    shown = " ".join(lines)
    assert all(word in shown for word in name.split())
    (hint,) = (line for line in lines if line.startswith("? word"))
    assert hint.count("…") == 2
    assert "3 obscure" in hint


@pytest.mark.parametrize("make", [make_named, make_unnamed, make_artefact])
def test_a_hostile_text_shows_as_what_it_is(make):
    label = make_label(HOSTILE, details={"rule": HOSTILE}) if make is make_named else None
    changes = {"label": label, "details": label.details} if label else {"hint": HOSTILE}
    features = [replace(make(), reason=HOSTILE, notes=(HOSTILE,), **changes)]
    shown = show(render_features(features, PLACES, limit=1), 140)
    assert "[red]a[/red]" in shown
    assert not set("\x1b\x07\u202e\r") & set(shown)
    assert len(shown.splitlines()) == len(show_features(make(notes=("n",)), width=140))


def test_plain_text_is_not_cut():
    assert plain("a\x1b" * 300).plain == "a�" * 300


def test_the_coverage_is_compared_with_what_was_routed():
    graph = read_graph(build_graph())
    features = [make_named(FIRST), make_unnamed(SECOND), make_artefact(THIRD)]
    lines = [
        line.rstrip() for line in show(render_summary(summarize(graph, features))).splitlines()
    ]
    # Seven nodes with equal shares: three features, two errors, two embeddings.
    assert line_of(lines, "1 token") == "1 token frequency 1 of 1 14.3% of 14.3%"
    assert line_of(lines, "2 LLM") == "2 LLM 0 of 0 0.0% of 0.0%"
    assert line_of(lines, "3 review") == "3 review 0 of 2 0.0% of 28.6%"
    assert line_of(lines, "all features") == "all features 1 of 3 14.3% of 42.9%"
    assert line_of(lines, "error nodes") == "error nodes 28.6%"
    assert line_of(lines, "token embeddings") == "token embeddings 28.6%"
    assert "Without a label: 1 artefacts (14.3%), 1 to review (14.3%)." in lines
    assert "The first 2 of the review queue, 1 of them artefacts, would add 28.6%." in lines
    assert "LLM answers: none." in lines


def test_without_influence_shares_are_dashes():
    document = build_graph()
    for node in document["nodes"]:
        node["influence"] = None
    shown = show(render_summary(summarize(read_graph(document), [make_named()])))
    assert "- of     -" in shown
    assert "%" not in shown


def test_what_is_out_of_the_ordinary_is_said():
    graph = read_graph(build_graph())
    failed = make_unnamed(THIRD, status="failed", details={"cost_usd": None})
    summary = summarize(graph, [make_named(FIRST), make_named(SECOND), failed])
    shown = show(render_summary(replace(summary, kept_nodes=4)))
    assert "1 failed (14.3%)" in shown
    assert "Run again to try only the failed features." in shown
    assert "Nodes that had a label which is not clerp's: 4." in shown
    assert "Labels that several features bear: 1." in shown
    assert "Features answered by an LLM: 1, at an unknown cost." in shown


def test_where_all_is_labelled_no_queue_is_spoken_of():
    summary = summarize(read_graph(build_graph()), [make_named(FIRST)])
    assert summary.queue_head == Coverage(0, 0.0)
    shown = show(render_summary(summary))
    assert "Without a label" not in shown
    assert "queue" not in shown


def test_several_graphs_close_with_what_they_share():
    shown = show(render_together(JointSummary(4, 900, 150, 700, 12, 0.5)))
    assert shown.split("\n") == [
        "",
        "All 4 graphs",
        "Distinct features: 900, in more than one graph: 150.",
        "Labelled: 700 of 900.",
        "Features answered by an LLM: 12, which cost $0.5000 when asked.",
        "",
    ]


def test_labels_of_others_have_a_column_where_there_are_any():
    others = (CandidateLabel("Texan cities", "np_max-act", "gpt-4o-mini"),)
    shown = show(render_features([make_named(candidates=others)], {}, limit=5))
    assert "Texan cities" in shown
    assert "others say labels that come with the examples" in shown
    assert "others say" not in show(render_features([make_named()], {}, limit=5))
