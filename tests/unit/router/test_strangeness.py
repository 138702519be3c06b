import pydoc_data.topics
from collections.abc import Sequence
from math import isfinite
from random import Random

import pytest
from tests.unit.router.ordinary_peaks import place_words

from clerp.embedding import WordLlamaEmbedder
from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.ordinary import OrdinaryContexts, OrdinaryText, load_contexts, load_ordinary
from clerp.ordinary.passages import load_passages
from clerp.router import route_features
from clerp.router.rules import find_rule
from clerp.router.strangeness import Drift, Strangeness, measure_drift, measure_strangeness
from clerp.router.surroundings import Surroundings, read_surroundings
from clerp.testing import make_evidence
from clerp.testing.planting import plant_many

GERMAN = (
    "Der Staat liegt im Süden des Landes und grenzt im Westen an die Wüste . Die Hauptstadt ist "
    "klein , während die größte Stadt am Meer liegt . Viele Menschen arbeiten dort in der "
    "Landwirtschaft , die seit dem neunzehnten Jahrhundert den Wohlstand der Gegend bestimmt hat . "
    "Nachdem der Krieg zu Ende gegangen war , kehrten die Soldaten zu ihren Familien zurück und "
    "begannen , die zerstörten Häuser wieder aufzubauen , denn der Winter stand vor der Tür ."
)
CHINESE = (
    "这个州位于国家南部西临沙漠首府很小而最大的城市在海边"
    "许多人在那里从事农业战争结束后士兵们回到家人身边"
)


@pytest.fixture(scope="module")
def text() -> OrdinaryText:
    return load_ordinary()


@pytest.fixture(scope="module")
def contexts() -> OrdinaryContexts:
    return load_contexts(WordLlamaEmbedder())


def write_in(words: Sequence[str], index: int = 0, n: int = 8) -> FeatureEvidence:
    """Make a feature whose peaks are spread over a text."""
    rng = Random(index)
    starts = [rng.randrange(len(words) - 30) for _ in range(n)]
    texts = [list(words[start : start + 30]) for start in starts]
    return make_evidence(texts, peak=15, feature=FeatureId(1, index))


def read(known: FeatureEvidence) -> list[Surroundings]:
    return [read_surroundings(example) for example in known.top]


def draw_passages(n: int, seed: int = 0) -> list[FeatureEvidence]:
    tokens = Random(seed).sample(load_passages().tokens, 6 * n)
    return [
        make_evidence([list(t) for t in tokens[6 * i : 6 * i + 6]], feature=FeatureId(2, i))
        for i in range(n)
    ]


@pytest.mark.parametrize("words", [[f" {word}" for word in GERMAN.split()], list(CHINESE)])
def test_another_language_is_strange(words: list[str], text: OrdinaryText):
    found = measure_strangeness(read(write_in(words)), text)

    assert found.unknown >= 0.4
    assert found.is_strange


def test_ordinary_text_is_not_strange(text: OrdinaryText):
    for known in draw_passages(20):
        found = measure_strangeness(read(known), text)
        assert found.unknown < 0.25
        assert not found.is_strange


def test_words_that_are_strange_only_at_the_peaks_do_not_count(text: OrdinaryText):
    strange, plain = place_words(" xyzzyq"), place_words()

    assert measure_strangeness(read(strange), text) == measure_strangeness(read(plain), text)


def test_a_few_words_tell_nothing(text: OrdinaryText):
    few = make_evidence([[" xyzzyq", " quxxy", " plughy"]] * 5)

    found = measure_strangeness(read(few), text)

    assert found.unknown == 1.0
    assert not found.is_strange


def test_the_confidence_in_strange_text_is_a_step_lower_and_the_reason_says_so():
    german = [f" {word}" for word in GERMAN.split()]
    # The word at the peak recurs as surely as in ordinary text.
    strange = make_evidence(
        [[*german[i : i + 15], " tuple", *german[i + 15 : i + 30]] for i in range(0, 40, 4)],
        peak=15,
    )
    plain = place_words(" tuple")
    embedder = WordLlamaEmbedder()

    routed = [
        next(route_features([known], rule=find_rule("calibrated"), windows=(), embedder=embedder))
        for known in (strange, plain)
    ]

    steps = ("high", "medium", "low")
    margin = routed[0].margin
    assert margin is not None
    by_margin = 0 if margin >= 2 else 1 if margin >= 0.7 else 2
    assert routed[0].confidence == steps[min(2, by_margin + 1)]
    assert "less sure, for ordinary text does not know" in routed[0].reason
    assert "less sure" not in routed[1].reason


def test_passages_of_ordinary_text_do_not_drift(text: OrdinaryText, contexts: OrdinaryContexts):
    for seed in range(3):
        found = measure_drift(draw_passages(40, seed), text, contexts)
        assert list(found.tell()) == []


def test_text_about_one_thing_drifts(text: OrdinaryText, contexts: OrdinaryContexts):
    manual = list(pydoc_data.topics.topics.values())
    planted = plant_many(manual, ["random positions"], seed=3, each=40)

    found = measure_drift([p.evidence for p in planted], text, contexts)

    assert found.coherence is not None
    (told,) = found.tell()
    assert f"(z {found.coherence:.1f}, mixed text has 1)" in told


def test_text_in_another_language_drifts(text: OrdinaryText, contexts: OrdinaryContexts):
    german = [f" {word}" for word in GERMAN.split()]

    told = list(measure_drift([write_in(german, i) for i in range(12)], text, contexts).tell())

    assert "of the words around the examples are unknown to the ordinary text" in told[0]


def test_features_that_fire_in_one_passage_are_one_witness(
    text: OrdinaryText, contexts: OrdinaryContexts
):
    (known,) = draw_passages(1)
    same = [make_evidence([e.tokens for e in known.top], feature=FeatureId(0, i)) for i in range(9)]

    alone = measure_drift([known, *draw_passages(10, seed=1)], text, contexts)

    assert measure_drift([known, *same, *draw_passages(10, seed=1)], text, contexts) == alone


def test_neither_order_of_features_nor_of_examples_makes_a_difference(
    text: OrdinaryText, contexts: OrdinaryContexts
):
    known = draw_passages(15)

    assert measure_drift(known[::-1], text, contexts) == measure_drift(known, text, contexts)


def test_few_features_are_not_compared(text: OrdinaryText, contexts: OrdinaryContexts):
    assert measure_drift(draw_passages(9), text, contexts).coherence is None
    assert measure_drift([], text, contexts) == Drift(Strangeness(0, 0.0), None)


@pytest.mark.parametrize("tokens", [["", "", ""], ["🙂", "🙂"], ["\u2028"], ["<bos>", " שלום"]])
def test_odd_text_is_measured(tokens: list[str], text: OrdinaryText, contexts: OrdinaryContexts):
    odd = [make_evidence([[*tokens, str(i)]] * 5, feature=FeatureId(0, i)) for i in range(12)]

    found = measure_drift(odd, text, contexts)

    assert 0 <= found.words.unknown <= 1
    assert found.coherence is None or isfinite(found.coherence)
