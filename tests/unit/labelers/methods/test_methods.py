"""Questions: the same for the same request, and evidence stays data."""

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.outcomes import make_label
from tests.unit.labelers.methods.asked import (
    PROPOSAL,
    make_evidence,
    make_request,
    read_data,
    with_activations,
)

from clerp import testing
from clerp.errors import LabelerError, UsageError
from clerp.labelers import LabelRequest
from clerp.labelers.methods import METHODS, find_method, frame_question, list_held_out
from clerp.labelers.methods.data import read_words, shorten
from clerp.labelers.request import GraphContext
from clerp.llm import LabelAnswer
from clerp.windows import split_words, word_at

EVERY = pytest.mark.parametrize("name", METHODS)
TOKENS = st.text(max_size=8) | st.sampled_from(["\ud800", "\u2028", '"}', "\n", "\U000e0041"])

_JOINED = [
    "Min",
    "nes",
    "ota",
    "'s",
    "",
    "<bos>",
    "-",
    "\t",
    "...",
    "\u200d",
    "\u4e2d\u6587",
    "\u0301",
]
PIECES = st.sampled_from(
    [*_JOINED, *(f" {piece}" for piece in _JOINED), " \n", "  ", " \xa0", " 1"]
)


def ask(name: str, texts: tuple[tuple[str, ...], ...], *, peak: int = 1) -> LabelRequest:
    return make_request(testing.make_evidence(texts, peak=peak, promoted=(" Austin", " Salem")))


def test_the_default_comes_first():
    assert next(iter(METHODS)) == "max-act-logits"
    assert all(find_method(name).name == name for name in METHODS)


def test_an_unknown_method_names_the_known_ones():
    with pytest.raises(UsageError, match="max-act-logits, acts-top20, token-act-pairs, small-llm"):
        find_method("guess")


@pytest.mark.parametrize(
    ("name", "revision", "question"),
    [
        ("max-act-logits", 1, "469e12e6a4215fe7"),
        ("acts-top20", 1, "4bcbadb76833630b"),
        ("token-act-pairs", 1, "c4427818d3529685"),
        ("small-llm", 1, "d7c2a6b9911cdbd2"),
    ],
)
def test_data_that_is_cut_otherwise_comes_with_another_revision(
    name: str, revision: int, question: str
):
    # Answers in ledgers are found by revision and evidence. Who changes the data of a question on
    # purpose raises the revision of its method, and then this.
    method = find_method(name)
    written = method.build(make_request(make_evidence(20, 25), activations=[0.3])).prompt.user
    cut = written.partition("\n")[2].rpartition("\n")[0]
    assert method.revision == revision
    assert hashlib.sha256(cut.encode()).hexdigest()[:16] == question


@EVERY
def test_a_frame_is_all_of_a_question_but_what_is_cut_from_evidence(name: str):
    method, request = find_method(name), make_request(make_evidence(20, 25))
    frame = frame_question(method, request)
    assert frame.system == method.build(request).prompt.system
    assert frame == frame_question(method, make_request(make_evidence(3), activations=[0.3]))
    in_graph = replace(request, context=GraphContext((" a", " b"), (1,), ("US states",)))
    asked = [frame, frame_question(method, in_graph)]
    asked += [frame_question(method, replace(request, proposal=make_label("Ohio / Utah")))]
    assert len({prompt.hash for prompt in asked}) == 3
    assert method.build(in_graph).prompt.system == asked[1].system


@EVERY
def test_a_question_names_what_it_shows_and_what_it_holds_out(name: str):
    evidence = make_evidence(20, 25)
    question = find_method(name).build(make_request(evidence))
    held_out = list_held_out(evidence)
    shown = {example.id for example in question.shown}
    written = json.dumps(read_data(question))
    assert question.prompt.schema is LabelAnswer
    assert len(held_out) == 9
    assert all(f'"{id_}"' in written for id_ in shown)
    assert not any(f'"{id_}"' in written for id_ in held_out)
    peaks = [e.tokens[1].strip() for e in evidence.top if e.id in held_out]
    assert not any(f'{peak}"' in written for peak in peaks)


@EVERY
@given(texts=st.lists(st.tuples(TOKENS, TOKENS, TOKENS), min_size=1, max_size=12))
def test_no_text_leaves_the_data(name: str, texts: list[tuple[str, str, str]]):
    method = find_method(name)
    question = method.build(ask(name, tuple(texts)))
    again = method.build(ask(name, tuple(texts)))
    assert read_data(question)
    assert question.prompt == again.prompt
    assert question.prompt.user.encode()
    assert len(question.prompt.user.splitlines()) == len(question.prompt.user.split("\n"))
    marker = question.prompt.user.partition("\n")[0]
    assert question.prompt.user.count(marker) == 2


@EVERY
def test_tokens_of_any_length_make_a_short_prompt(name: str):
    request = ask(name, tuple((f"{i}" * 10**4, "b" * 10**4, "c" * 10**4) for i in range(20)))
    assert len(find_method(name).build(request).prompt.user) < 20_000


def test_markers_differ_between_methods_features_and_data():
    evidence = make_evidence(20, 25)
    requests = [
        make_request(evidence),
        make_request(replace(evidence, digest="e" * 64)),
        make_request(evidence, activations=[0.01]),
    ]
    markers = {
        method.build(request).prompt.user.partition("\n")[0]
        for method in METHODS.values()
        for request in requests
    }
    assert len(markers) == len(METHODS) * len(requests)


def test_invisible_characters_are_written_as_their_escapes():
    user = (
        find_method("max-act-logits").build(ask("", ((" in", "\u200b", "\U000e0041"),))).prompt.user
    )
    assert "\\u200b" in user
    assert "\\udb40\\udc41" in user


def test_half_a_character_is_replaced():
    question = find_method("max-act-logits").build(ask("", ((" in", "\ud800x", " now"),)))
    assert read_data(question)["texts"] == {"0.0": " in<<\ufffdx>> now"}


def test_max_act_logits_shows_words_promoted_tokens_and_texts():
    question = find_method("max-act-logits").build(
        ask("", ((" in", " Texas", " today"), (" in", " Ohio", ".")))
    )
    assert read_data(question) == {
        "peaks": {"0.0": "Texas", "0.1": "Ohio"},
        "next": ["today", "."],
        "promoted": ["Austin", "Salem"],
        "texts": {"0.0": " in<< Texas>> today"},
    }


def test_max_act_logits_shows_words_for_eight_and_texts_for_four_of_24_tokens_a_side():
    texts = tuple(tuple(f" {i}w{j}" for j in range(60)) for i in range(9))
    data = read_data(find_method("max-act-logits").build(ask("", texts, peak=30)))
    assert (len(data["peaks"]), len(data["next"]), len(data["texts"])) == (8, 8, 4)
    assert data["texts"]["0.0"] == (
        "".join(f" 0w{j}" for j in range(6, 30)) + "<< 0w30>>"
        "" + "".join(f" 0w{j}" for j in range(31, 55))
    )


def test_a_peak_inside_a_word_names_the_whole_word():
    data = read_data(
        find_method("max-act-logits").build(ask("", ((" Min", "nes", "ota", " won"),)))
    )
    assert (data["peaks"], data["next"]) == ({"0.0": "Minnesota"}, ["won"])
    assert data["texts"] == {"0.0": " Min<<nes>>ota won"}


@given(
    tokens=st.lists(TOKENS | PIECES, min_size=1, max_size=12),
    place=st.integers(min_value=0, max_value=11),
)
def test_words_at_the_peak_are_those_of_the_whole_text(tokens: list[str], place: int):
    peak = place % len(tokens)
    example = testing.make_example(tuple(tokens), peak=peak)
    words = split_words(example)
    held = word_at(words, peak)
    after = [word.text for word in words if held is not None and word.start > held.stop]
    expected = (tokens[peak] if held is None else held.text, next(iter(after), ""))
    assert read_words(example) == tuple(shorten(text) for text in expected)


def test_acts_top20_highlights_runs_that_fire_with_the_peak():
    evidence = make_evidence(1)
    example = replace(evidence.top[0], tokens=(" a", " new", " York", " day", " out"))
    example = with_activations(example, 0.0, 7.0, 10.0, 6.0, 1.0)
    request = make_request(replace(evidence, top=(example,)))
    data = read_data(find_method("acts-top20").build(request))
    assert data == {"excerpts": {"0.0": " a<< new York>> day out"}}


def test_acts_top20_shows_twenty():
    question = find_method("acts-top20").build(make_request(make_evidence(20, 25)))
    assert len(question.shown) == 20


def test_token_act_pairs_scales_to_the_strongest_shown():
    evidence = make_evidence(2)
    strong = with_activations(evidence.top[0], 0.0, 20.0, 0.1)
    weak = with_activations(evidence.top[1], -3.0, 9.0, 10.0)
    request = make_request(replace(evidence, top=(strong, weak)))
    assert read_data(find_method("token-act-pairs").build(request)) == {
        "excerpts": {
            "0.0": [" at", [" top0", 10], [" then0", 1]],
            "0.1": [" at", [" top1", 5], [" then1", 5]],
        }
    }


def test_small_llm_shows_the_proposal_and_the_words():
    data = read_data(find_method("small-llm").build(ask("", ((" in", " Texas", " today"),))))
    assert data == {
        "proposal": PROPOSAL.text,
        "peaks": {"0.0": "Texas"},
        "next": ["today"],
        "promoted": ["Austin", "Salem"],
    }


def test_small_llm_needs_a_proposal():
    with pytest.raises(LabelerError, match="refines a label"):
        find_method("small-llm").build(make_request(make_evidence(3), proposal=None))


@EVERY
def test_the_context_of_the_graph_joins_only_when_it_is_given(name: str):
    request = make_request(make_evidence(3))
    context = GraphContext((" The", " capital", " of", " Ohio", " is"), (1, 3), ("US states",))
    alone = find_method(name).build(request)
    joined = find_method(name).build(replace(request, context=context))
    assert read_data(joined) == {
        **read_data(alone),
        "prompt": " The<< capital>> of<< Ohio>>",
        "neighbours": ["US states"],
    }
    assert "neighbours" not in alone.prompt.system
    assert "neighbours" in joined.prompt.system


def test_a_long_context_is_cut_to_what_comes_just_before():
    tokens = tuple(f" {i}" for i in range(500))
    context = GraphContext(tokens, (300,), ("x" * 10**4,) * 50)
    request = replace(make_request(make_evidence(3)), context=context)
    data = read_data(find_method("max-act-logits").build(request))
    assert data["prompt"] == "".join(tokens[237:300]) + "<< 300>>"
    assert data["neighbours"] == ["x" * 40] * 5
