from collections.abc import Sequence
from itertools import combinations, permutations, product

import numpy as np
import pytest
from tests.unit.verbalizers.planted import PlantedEmbedder

from clerp.embedding import WordLlamaEmbedder, embed_unit
from clerp.verbalizers.agreement import Agreement, FeatureAgreement, Samples, measure_agreement

Feature = list[Samples]


def say(*vectors: Sequence[str]) -> Feature:
    return [Samples(f"0.{place}", tuple(texts)) for place, texts in enumerate(vectors)]


def plant(topic: str, name: str, n_examples: int = 5, n_samples: int = 3) -> Feature:
    """All texts of a feature are of one topic."""
    return say(*([f"{topic}:{name}.{i}.{j}" for j in range(n_samples)] for i in range(n_examples)))


def scatter(name: str, n_examples: int = 5, n_samples: int = 3) -> Feature:
    """Each example of a feature has a topic of its own."""
    return say(*([f"{name}.{i}:{j}" for j in range(n_samples)] for i in range(n_examples)))


def products(one: Sequence[str], other: Sequence[str], embedder: PlantedEmbedder) -> np.ndarray:
    return embed_unit(one, embedder).astype(np.float64) @ embed_unit(other, embedder).T


def only(found: Agreement | None) -> Agreement:
    assert found is not None
    return found


def test_samples_are_compared_with_those_of_the_same_vector():
    embedder = PlantedEmbedder()
    features = [plant("a", "one"), scatter("two"), scatter("three")]

    found = only(measure_agreement(features, embedder)[1].of_samples)

    within = np.mean(
        [
            products([one], [other], embedder)[0, 0]
            for samples in features[1]
            for one, other in combinations(samples.texts, 2)
        ]
    )
    own = [text for samples in features[1] for text in samples.texts]
    others = [t for place in (0, 2) for samples in features[place] for t in samples.texts]
    between = products(own, others, embedder).mean()
    assert found.within == pytest.approx(within, abs=1e-4)
    assert found.between == pytest.approx(between, abs=1e-4)
    assert found.excess == pytest.approx(within - between, abs=2e-4)
    assert (found.n_items, found.n_baseline) == (5, 30)


def test_examples_are_compared_with_other_examples_never_with_themselves():
    embedder = PlantedEmbedder()
    features = [plant("a", "one"), scatter("two")]

    found = only(measure_agreement(features, embedder)[0].of_examples)

    within = np.mean(
        [
            products(one.texts, other.texts, embedder).mean()
            for one, other in combinations(features[0], 2)
        ]
    )
    between = np.mean([products(a.texts, b.texts, embedder).mean() for a, b in product(*features)])
    assert found.within == pytest.approx(within, abs=1e-4)
    assert found.between == pytest.approx(between, abs=1e-4)
    assert (found.n_items, found.n_baseline) == (5, 5)


def test_with_few_examples_p_is_exact():
    embedder = PlantedEmbedder()
    features = [plant("a", "one", 3, 1), scatter("two", 4, 1)]
    texts = [samples.texts[0] for feature in features for samples in feature]
    similar = products(texts, texts, embedder)

    def excess(chosen: tuple[int, ...]) -> float:
        rest = [i for i in range(7) if i not in chosen]
        within = np.mean([similar[i, j] for i, j in combinations(chosen, 2)])
        return float(within - similar[np.ix_(chosen, rest)].mean())

    every = [excess(chosen) for chosen in combinations(range(7), 3)]
    for place, own in ((0, (0, 1, 2)), (1, (3, 4, 5, 6))):
        if place:
            every = [excess(chosen) for chosen in combinations(range(7), 4)]
        expected = np.mean([value >= excess(own) - 1e-9 for value in every])
        found = only(measure_agreement(features, embedder)[place].of_examples)
        assert found.p == pytest.approx(expected, abs=1e-5)


def test_p_of_samples_is_that_of_all_ways_to_group_texts():
    embedder = PlantedEmbedder()
    features = [scatter("one", 2, 2), scatter("two", 2, 2)]
    texts = [text for feature in features for samples in feature for text in samples.texts]
    similar = products(texts, texts, embedder)

    def excess(order: Sequence[int]) -> float:
        rest = [i for i in range(8) if i not in order]
        within = (similar[order[0], order[1]] + similar[order[2], order[3]]) / 2
        return float(within - similar[np.ix_(order, rest)].mean())

    every = [excess(order) for order in permutations(range(8), 4)]
    for place, own in enumerate(([0, 1, 2, 3], [4, 5, 6, 7])):
        expected = np.mean([value >= excess(own) - 1e-9 for value in every])
        found = only(measure_agreement(features, embedder)[place].of_samples)
        assert found.p == pytest.approx(expected, abs=0.006)


def test_where_resamples_are_all_alike_the_interval_is_the_excess():
    own = say(["a:1", "a:1"], ["a:1", "a:1", "a:1"], ["a:1", "a:1"])
    others = [say(["b:1"] * 3, ["b:1"] * 2), say(["b:1"] * 2), say(["b:1"] * 4)]

    found = measure_agreement([own, *others], PlantedEmbedder())[0]

    for agreement in (only(found.of_samples), only(found.of_examples)):
        assert agreement.within == pytest.approx(1, abs=1e-4)
        assert agreement.low == agreement.excess == agreement.high


def test_what_agrees_is_found_and_told_apart():
    features = [
        *(plant(f"topic {i}", f"f{i}") for i in range(8)),
        *(scatter(f"g{i}") for i in range(8)),
    ]

    found = measure_agreement(features, PlantedEmbedder())

    for feature in found[:8]:
        assert only(feature.of_examples).beats_baseline
        assert only(feature.of_samples).beats_baseline
    for feature in found[8:]:
        # Its vectors decide the texts, but have nothing in common.
        assert only(feature.of_samples).beats_baseline
        assert not only(feature.of_examples).beats_baseline
        assert abs(only(feature.of_examples).excess) < 0.25


def test_a_form_that_all_texts_share_is_no_agreement():
    features = [plant("boilerplate", f"f{i}") for i in range(12)]

    found = measure_agreement(features, PlantedEmbedder(share=0.8))

    assert min(only(feature.of_examples).within for feature in found) > 0.7
    assert np.mean([only(feature.of_examples).beats_baseline for feature in found]) <= 1 / 6


def draw_null(n_features: int) -> list[Feature]:
    """Every text is drawn from the same pool, whatever its vector and feature."""
    generator = np.random.default_rng(5)
    topics = generator.integers(6, size=(n_features, 4, 2)).tolist()
    return [
        say(*([f"topic {t}:{f}.{i}.{j}" for j, t in enumerate(row)] for i, row in enumerate(rows)))
        for f, rows in enumerate(topics)
    ]


def test_under_the_null_p_is_below_5_percent_about_as_often():
    found = measure_agreement(draw_null(300), PlantedEmbedder())

    samples = np.array([only(feature.of_samples).p for feature in found])
    examples = np.array([only(feature.of_examples).p for feature in found])
    for p in (samples, examples):
        assert 0.02 <= (p <= 0.05).mean() <= 0.09
        assert 0.4 <= (p <= 0.5).mean() <= 0.6
    assert np.mean([only(feature.of_examples).beats_baseline for feature in found]) <= 0.07


def test_agreement_of_others_makes_no_agreement_of_ones_own():
    # Nonsense among features that are all about something.
    nonsense = scatter("nonsense", 5, 2)
    others = [plant(f"topic {i}", f"f{i}", 5, 2) for i in range(30)]

    found = measure_agreement([*others, nonsense], PlantedEmbedder())[-1]

    assert only(found.of_examples).p > 0.05


def test_the_interval_is_around_the_excess_and_narrows_with_examples():
    def measure(n_examples: int) -> Agreement:
        features = [plant("a", "one", n_examples), *(scatter(f"g{i}") for i in range(20))]
        return only(measure_agreement(features, PlantedEmbedder())[0].of_examples)

    few, many = measure(4), measure(12)

    for found in (few, many):
        assert found.low < found.excess < found.high
    assert many.high - many.low < few.high - few.low


def test_an_interval_that_reaches_0_beats_nothing():
    good = Agreement(0.5, 0.1, 0.4, 0.1, 0.6, 0.01, 5, 20)

    def beats(low: float, p: float) -> bool:
        return Agreement(0.5, 0.1, 0.4, low, 0.6, p, 5, 20).beats_baseline

    assert good.beats_baseline
    assert beats(0.0001, 0.05)
    assert not beats(0.0, 0.01)
    assert not beats(0.1, 0.0501)


def test_a_single_vector_is_judged_by_its_samples():
    features = [plant("a", "one", 1, 5), *(scatter(f"g{i}", 1, 5) for i in range(6))]

    found = measure_agreement(features, PlantedEmbedder())[0]

    assert only(found.of_samples).n_items == 5
    assert only(found.of_samples).beats_baseline
    assert found.of_examples is None


@pytest.mark.parametrize(
    ("feature", "has_samples", "has_examples"),
    [
        ([], False, False),
        (say([]), False, False),
        (say(["a:1", "a:2"]), False, False),
        (say(["a:1", "a:2", "a:3"]), True, False),
        (say(["a:1"], ["a:2"]), False, False),
        (say(["a:1"], ["a:2"], ["a:3"]), False, True),
        (say(["a:1"], ["a:2"], ["a:3"], []), False, True),
        (say(["a:1", "a:2"], ["a:3"], ["a:4"]), False, True),
        (say(["a:1", "a:2"], ["a:3", "a:4"]), True, False),
        (say(["a:1", "a:2"], ["a:3", "a:4"], ["a:5"]), True, True),
        (say(["a:1", "", ""], ["a:3", "  ", ""]), False, False),
    ],
)
def test_where_texts_are_too_few_nothing_is_said(
    feature: Feature, has_samples: bool, has_examples: bool
):
    found = measure_agreement([feature, scatter("g")], PlantedEmbedder())[0]

    assert (found.of_samples is not None) == has_samples
    assert (found.of_examples is not None) == has_examples


def test_without_another_feature_nothing_is_said():
    nothing = FeatureAgreement(None, None)

    assert measure_agreement([plant("a", "one")], PlantedEmbedder()) == [nothing]
    assert measure_agreement([plant("a", "one"), []], PlantedEmbedder()) == [nothing, nothing]
    assert measure_agreement([], PlantedEmbedder()) == []


def test_samples_are_held_against_texts_of_other_vectors_and_examples_are_not():
    baseline = [Samples(f"r{i}", (f"r{i}:0",)) for i in range(40)]

    (found,) = measure_agreement([plant("a", "one")], PlantedEmbedder(), baseline=baseline)

    assert only(found.of_samples).n_baseline == 40
    assert only(found.of_samples).beats_baseline
    # What all examples of a corpus share would be taken for a theme of theirs.
    assert found.of_examples is None


def test_texts_of_other_vectors_change_nothing_for_examples():
    baseline = [Samples(f"r{i}", (f"r{i}:0",)) for i in range(40)]
    features = [plant("a", "one"), scatter("two")]

    alone = measure_agreement(features, PlantedEmbedder())
    beside = measure_agreement(features, PlantedEmbedder(), baseline=baseline)

    assert [one.of_examples for one in alone] == [one.of_examples for one in beside]
    assert alone[0].of_samples != beside[0].of_samples


@pytest.mark.parametrize(
    ("n_others", "n_baseline", "against"),
    [
        (1, 0, "other features"),
        (0, 5, "random vectors"),
        (2, 5, "other features and random vectors"),
    ],
)
def test_what_samples_are_held_against_is_told(n_others: int, n_baseline: int, against: str):
    features = [plant("a", "one"), *(scatter(f"g{i}") for i in range(n_others))]
    baseline = [Samples(f"r{i}", (f"r{i}:0",)) for i in range(n_baseline)]

    found = measure_agreement(features, PlantedEmbedder(), baseline=baseline, of="random vectors")[
        0
    ]

    assert only(found.of_samples).against == against
    if found.of_examples is not None:
        assert found.of_examples.against == "other features"


def test_the_order_of_vectors_changes_no_mean():
    one, other = plant("a", "one"), scatter("two")

    there = measure_agreement([one, other], PlantedEmbedder())[0]
    back = measure_agreement([one[::-1], other], PlantedEmbedder())[0]

    assert only(there.of_examples).excess == only(back.of_examples).excess
    assert only(there.of_samples).within == only(back.of_samples).within
    assert only(there.of_examples).p == only(back.of_examples).p


def test_the_same_texts_give_the_same_figures():
    features = [plant("a", "one"), scatter("two"), plant("b", "three", 4, 2)]

    assert measure_agreement(features, PlantedEmbedder()) == measure_agreement(
        features, PlantedEmbedder()
    )


def test_real_texts_of_one_subject_agree():
    def write(*words: str) -> Feature:
        return say(*([f"The text is about {word}.", f"It concerns {word}."] for word in words))

    features = [
        write("rivers", "lakes", "the sea", "streams", "an ocean"),
        write("a violin", "tax law", "a goal in football", "enzymes", "the moon"),
        write("loops in code", "a divorce", "bread", "Napoleon", "hot weather"),
    ]

    found = measure_agreement(features, WordLlamaEmbedder())

    assert only(found[0].of_examples).beats_baseline
    assert not only(found[1].of_examples).beats_baseline
    assert not only(found[2].of_examples).beats_baseline
