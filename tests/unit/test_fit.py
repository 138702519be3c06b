from dataclasses import replace

import pytest
from tests.unit.graph.conftest import build_graph

from clerp.feature import FeatureId
from clerp.fit import find_misfits
from clerp.graph import read_graph
from clerp.labels import Label
from clerp.outcome import LabeledFeature
from clerp.router import Role
from clerp.testing import make_evidence, make_example, make_route

FEATURE = FeatureId(0, 10)
TEXTS = ((" in", " Texas", " now"), (" from", " texas", "."), (" of", " Ohio", " then"))


def find(
    prompt: list[str], *, rule: str = "one word", role: Role = "input", rests_on=("0.0", "0.1")
):
    document = build_graph(n_features=1)
    document["metadata"]["prompt_tokens"] = prompt
    graph = read_graph(document)
    evidence = make_evidence(TEXTS, peak=1, feature=FEATURE)
    route = make_route(evidence, role)
    label = Label("Texas", "token-frequency", "high", "because", rests_on, {"rule": rule})
    labeled = LabeledFeature(
        FEATURE, route, "labeled", label, "because", "token-frequency", "", "", label.details
    )
    return find_misfits(labeled, evidence, graph.nodes_of(FEATURE), graph.prompt_tokens)


@pytest.mark.parametrize("word", [" Texas", " TEXAS", " texas"])
def test_a_node_on_the_word_that_the_label_names_fits(word: str):
    assert find(["The", word]) == ()


def test_a_node_on_another_word_does_not_fit():
    assert find(["The", " Dallas"]) == ("0_10_1",)


def test_a_word_of_an_example_that_is_not_behind_the_label_does_not_fit():
    assert find(["The", " Ohio"]) == ("0_10_1",)
    assert find(["The", " Ohio"], rests_on=("0.2",)) == ()


def test_pieces_of_the_prompt_are_joined_to_words():
    assert find(["The", " Tex", "as"]) == ()
    assert find(["The", " Tex", "mex"]) == ("0_10_1",)


@pytest.mark.parametrize("rule", ["class", "piece of words"])
def test_what_names_more_than_words_cannot_be_judged(rule: str):
    assert find(["The", " Dallas"], rule=rule) is None


def test_what_is_said_afterwards_cannot_be_judged():
    assert find(["The", " Dallas"], role="output") is None


def test_without_the_prompt_nothing_can_be_judged():
    assert find(["The"]) is None


def test_without_a_label_nothing_can_be_judged():
    evidence = make_evidence(TEXTS, peak=1, feature=FEATURE)
    route = make_route(evidence, "obscure")
    unnamed = LabeledFeature(FEATURE, route, "needs_review", None, "obscure", "", "", "")
    graph = read_graph(build_graph(n_features=1))
    assert find_misfits(unnamed, evidence, graph.nodes_of(FEATURE), graph.prompt_tokens) is None


PHRASES = ((" by", " the", " law", " of"), (" a", " good", " law", " of"), (" in", " Law", " of"))


@pytest.mark.parametrize(
    ("prompt", "misfits"),
    [
        (["The", " law", " of"], ()),
        (["The", " capital", " of"], ("0_10_2",)),
        (["The", " law", " is"], ("0_10_2",)),
        ([" of", "x", " of"], ("0_10_2",)),
    ],
)
def test_a_phrase_has_to_end_with_all_its_words(prompt: list[str], misfits: tuple[str, ...]):
    document = build_graph(n_features=1)
    document["metadata"]["prompt_tokens"] = prompt
    document["nodes"][0] |= {"node_id": "0_10_2", "ctx_idx": 2}
    for link in document["links"]:
        link["source"] = link["source"].replace("0_10_1", "0_10_2")
    graph = read_graph(document)
    examples = tuple(
        make_example(text, peak=len(text) - 1, activation=2.0, id=f"0.{n}")
        for n, text in enumerate(PHRASES)
    )
    evidence = replace(make_evidence(TEXTS, peak=1, feature=FEATURE), top=examples)
    ids = tuple(example.id for example in examples)
    label = Label("law of", "token-frequency", "high", "because", ids, {"rule": "phrase"})
    labeled = LabeledFeature(
        FEATURE,
        make_route(evidence, "input"),
        "labeled",
        label,
        "because",
        "token-frequency",
        "",
        "",
        label.details,
    )
    found = find_misfits(labeled, evidence, graph.nodes_of(FEATURE), graph.prompt_tokens)
    assert found == misfits
