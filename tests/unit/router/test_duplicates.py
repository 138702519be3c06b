from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.evidence import ActivationExample, FeatureEvidence
from clerp.evidence.folder import FolderSource
from clerp.graph import read_graph
from clerp.ordinary.passages import WIDTH, load_passages
from clerp.router import duplicates
from clerp.router.duplicates import MIN_SHARED, OVERLAP, REACH, SHINGLE, drop_near_duplicates

PEAK = WIDTH // 2
SAMPLE = Path(__file__).parents[3] / "graphs" / "smollm2-135m"
PASSAGES = [list(tokens) for tokens in load_passages().tokens[::37]]


def make(
    number: int, tokens: Sequence[str], activation: float = 1.0, peak: int = PEAK
) -> ActivationExample:
    activations = np.zeros(len(tokens), dtype=np.float32)
    activations[peak] = activation
    return ActivationExample(f"0.{number}", tuple(tokens), activations, peak)


def change(tokens: Sequence[str], places: Sequence[int]) -> list[str]:
    return [f" other{i}" if i in places else token for i, token in enumerate(tokens)]


def ids(examples: Sequence[ActivationExample]) -> list[str]:
    return [example.id for example in examples]


def test_ordinary_passages_are_all_kept():
    kept = drop_near_duplicates([make(i, tokens) for i, tokens in enumerate(PASSAGES)])

    assert len(kept.examples) == len(PASSAGES)
    assert kept.dropped == ()


def test_of_near_duplicates_the_strongest_is_kept():
    near = change(PASSAGES[0], [3, 20, 40])

    kept = drop_near_duplicates([make(0, PASSAGES[0], 2.0), make(1, near, 3.0)])

    assert ids(kept.examples) == ["0.1"]
    assert ids(kept.dropped) == ["0.0"]


def test_of_equally_strong_ones_the_first_by_id_is_kept():
    given_ = [make(i, change(PASSAGES[0], [i])) for i in (2, 0, 1)]

    assert ids(drop_near_duplicates(given_).examples) == ["0.0"]


def test_a_passage_whose_peak_stands_elsewhere_is_the_same():
    text = [*PASSAGES[0], *PASSAGES[1]]

    kept = drop_near_duplicates([make(0, text, 2.0, peak=30), make(1, text, 1.0, peak=45)])

    assert ids(kept.dropped) == ["0.1"]


def test_far_from_the_peak_texts_may_be_the_same():
    shared = PASSAGES[2] * 2
    given_ = [make(i, [*PASSAGES[i], *PASSAGES[i + 10], *shared]) for i in range(2)]

    assert len(drop_near_duplicates(given_).examples) == 2
    assert len(shared) > 2 * REACH


@pytest.mark.parametrize("length", [3, 6])
@pytest.mark.parametrize("around", [8, PEAK])
def test_a_phrase_at_the_peak_makes_no_duplicates(length: int, around: int):
    phrase = [f" phrase{i}" for i in range(length)]

    def place(tokens: Sequence[str]) -> list[str]:
        before = tokens[PEAK - around : PEAK - length + 1]
        return [*before, *phrase, *tokens[PEAK + 1 : PEAK + around]]

    given_ = [make(i, place(tokens), peak=around) for i, tokens in enumerate(PASSAGES[:20])]

    assert len(drop_near_duplicates(given_).examples) == 20


def test_case_and_spaces_make_no_difference():
    loud = [token.upper() for token in PASSAGES[0]]
    spaced = [part for token in PASSAGES[0] for part in ("  ", token)]

    kept = drop_near_duplicates(
        [make(0, PASSAGES[0], 3.0), make(1, loud, 2.0), make(2, spaced, 1.0, peak=2 * PEAK + 1)]
    )

    assert ids(kept.examples) == ["0.0"]


def test_a_text_too_short_to_be_told_from_a_phrase_is_kept():
    short = [f" word{i}" for i in range(8)]

    kept = drop_near_duplicates([make(i, short, peak=3) for i in range(5)])

    assert len(kept.examples) == 5


@pytest.mark.parametrize(("length", "n_kept"), [(11, 2), (12, 1)])
def test_twelve_tokens_in_a_row_make_duplicates_of_short_texts(length: int, n_kept: int):
    shared = [f" shared{i}" for i in range(length)]
    given_ = [make(i, [*shared, *(f" own{i}.{j}" for j in range(10))], peak=8) for i in range(2)]

    assert len(drop_near_duplicates(given_).examples) == n_kept


@pytest.mark.parametrize("strengths", [(2.0, 1.0), (1.0, 2.0)])
def test_a_short_text_that_a_long_one_holds_is_the_same_whichever_is_stronger(
    strengths: tuple[float, float],
):
    short, long = strengths
    text = PASSAGES[0]
    near = text[PEAK - 7 : PEAK + 8]

    kept = drop_near_duplicates([make(0, near, short, peak=7), make(1, text, long)])

    assert len(kept.examples) == 1


@given(st.permutations(range(12)), st.integers(0, 3))
def test_the_order_of_the_examples_makes_no_difference(order: list[int], seed: int):
    rng = Random(seed)
    drawn = [
        make(i, change(PASSAGES[i % 4], rng.sample(range(WIDTH), 3)), float(rng.randint(1, 3)))
        for i in range(12)
    ]
    expected = drop_near_duplicates(drawn)

    found = drop_near_duplicates([drawn[i] for i in order])

    assert found == expected
    assert {*found.examples, *found.dropped} == set(drawn)
    assert len(found.examples) < 12


def compare_all(examples: Sequence[ActivationExample]) -> list[str]:
    """Return the ids that are kept where every context is compared with every other in full."""
    kept: dict[str, set[tuple[str, ...]]] = {}
    for example in sorted(examples, key=lambda e: (-e.peak_activation, e.id)):
        shingles = cut_shingles(example)
        if not any(
            len(shingles & other) >= max(MIN_SHARED, OVERLAP * min(len(shingles), len(other)))
            for other in kept.values()
        ):
            kept[example.id] = shingles
    return list(kept)


def cut_shingles(example: ActivationExample) -> set[tuple[str, ...]]:
    near = example.tokens[max(0, example.peak - REACH) : example.peak + REACH + 1]
    words = [token.strip().casefold() for token in near if token.strip()]
    return {tuple(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1)}


TOKENS = st.sampled_from(
    ["a", " a", "A", "b", " B", "c", "d", "e", "\n", " ", "", "ß", " SS", "0", "x" * 101]
)
PHRASES = [[f" {letter}{i}" for i in range(8)] for letter in "pqrs"]
PIECES = st.one_of(st.lists(TOKENS, max_size=9), st.sampled_from(PHRASES))


@st.composite
def contexts(draw: st.DrawFn) -> list[ActivationExample]:
    """Draw contexts that now and then share phrases, of tokens that now and then are the same."""
    texts = draw(st.lists(st.lists(PIECES, min_size=1, max_size=7), max_size=9))
    drawn: list[ActivationExample] = []
    for number, pieces in enumerate(texts):
        tokens = [token for piece in pieces for token in piece] or ["a"]
        peak = draw(st.integers(0, len(tokens) - 1))
        drawn.append(make(number, tokens, float(draw(st.integers(1, 4))), peak))
    return drawn


@given(contexts())
def test_as_many_are_kept_as_where_all_are_compared_with_all(examples: list[ActivationExample]):
    found = drop_near_duplicates(examples)

    assert ids(found.examples) == compare_all(examples)
    assert {*found.examples, *found.dropped} == set(examples)


def test_contexts_of_more_words_than_are_remembered_are_compared_as_well(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(duplicates, "_MAX_CODES", 3)
    near = change(PASSAGES[0], [3, 20, 40])
    given_ = [make(i, tokens) for i, tokens in enumerate((*PASSAGES[:9], near))]

    assert ids(drop_near_duplicates(given_).dropped) == ["0.9"]


def test_features_of_a_bundled_graph_keep_what_is_kept_where_all_are_compared_with_all():
    n_dropped = 0
    for evidence in read_graph_evidence():
        examples = (*evidence.top, *evidence.lower)
        found = drop_near_duplicates(examples)

        assert ids(found.examples) == compare_all(examples), evidence.feature
        n_dropped += len(found.dropped)
    assert n_dropped > 20


def read_graph_evidence() -> Iterator[FeatureEvidence]:
    graph = read_graph(SAMPLE / "counting-to-six.json")
    for known in FolderSource(str(SAMPLE / "features")).read(sorted(graph.features)):
        assert isinstance(known, FeatureEvidence)
        yield known
