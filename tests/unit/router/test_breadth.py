from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.unit.router.ordinary_peaks import place_words

from clerp.embedding import WordLlamaEmbedder
from clerp.evidence import ActivationExample, FeatureEvidence
from clerp.feature import FeatureId
from clerp.ordinary.passages import load_passages
from clerp.router import Breadth, Role
from clerp.router.breadth import BreadthMeter
from clerp.router.route import Held
from clerp.router.signals import measure_signals
from clerp.router.yardstick import load_yardstick
from clerp.testing import plant
from clerp.testing.planting import plant_many

DAYS = [" Monday", " Tuesday", " Friday", " Sunday", " Thursday", " Wednesday"]
TEXT = ["".join(tokens) for tokens in load_passages().tokens]


@pytest.fixture(scope="module")
def meter() -> BreadthMeter:
    return BreadthMeter(load_yardstick(WordLlamaEmbedder()))


def number(examples: Sequence[ActivationExample], quantile: int) -> tuple[ActivationExample, ...]:
    return tuple(replace(e, id=f"{quantile}.{i}") for i, e in enumerate(examples))


def join(top: FeatureEvidence, *lower: FeatureEvidence) -> FeatureEvidence:
    """Make a feature of a top and of one quantile for each of the others."""
    quantiles = [number(known.top, q) for q, known in enumerate(lower, 1)]
    return replace(top, lower=tuple(e for quantile in quantiles for e in quantile))


def measure(role: Role, known: FeatureEvidence, meter: BreadthMeter) -> Breadth | None:
    return meter.measure(role, known.lower, measure_signals(known, meter.yardstick))


@pytest.mark.parametrize(("role", "at"), [("input", 0), ("output", 1)])
def test_a_recurring_word_is_looked_for_where_it_decided(role: Role, at: int, meter: BreadthMeter):
    half = place_words([" tuple"] * 3, at=at, n=6, seed=3)
    known = join(place_words(" tuple", at=at), half, place_words(n=5, seed=5))

    assert measure(role, known, meter) == Breadth(3, 11, {"1": Held(3, 6), "2": Held(0, 5)})


def test_a_word_at_the_peak_is_nothing_that_follows(meter: BreadthMeter):
    known = join(place_words(" tuple", at=1), place_words(" tuple", at=0, n=5, seed=3))

    found = measure("output", known, meter)

    assert found is not None
    assert found.held == 0


def test_all_recurring_words_count_and_not_the_most_telling_only(meter: BreadthMeter):
    words = [" tuple", " walrus", " bassoon", " lagoon", " parsnip"]
    known = join(place_words(words * 2), *(place_words(w, n=1, seed=4) for w in words))

    found = measure("input", known, meter)

    assert found is not None
    assert [held.held for held in found.by_quantile.values()] == [1] * 5


@pytest.mark.parametrize(("role", "at"), [("input", 0), ("output", 1)])
def test_other_members_of_the_class_show_it(role: Role, at: int, meter: BreadthMeter):
    top = place_words(DAYS[:5], at=at, n=5)
    known = join(top, place_words(DAYS[5], at=at, n=4, seed=3), place_words(n=10, seed=5))

    found = measure(role, known, meter)

    assert found is not None
    assert found.by_quantile["1"] == Held(4, 4)
    assert found.by_quantile["2"].held < 5


def test_words_of_one_kind_show_it_though_they_are_other_words(meter: BreadthMeter):
    fruit = [" apple", " pear", " cherry", " plum", " peach", " apricot", " banana", " mango"]
    known = join(
        place_words(fruit, n=8),
        place_words([" orange", " berry", " grape"], n=3, seed=3),
        place_words([" senator", " gravel", " theorem", " because"], n=4, seed=5),
    )

    found = measure("input", known, meter)

    assert found is not None
    assert found.by_quantile == {"1": Held(3, 3), "2": Held(0, 4)}


def test_a_topic_is_found_below_and_nothing_rarely_is(meter: BreadthMeter):
    topics = plant_many(TEXT, ["topic"], seed=1, each=6, n=40)
    nothing = plant_many(TEXT, ["random positions"], seed=1, each=6, n=20)
    counts = [0, 0]
    for topic, other in zip(topics, nothing, strict=True):
        whole = topic.evidence
        top = replace(whole, top=whole.top[:20])
        known = join(top, replace(whole, top=whole.top[20:]), other.evidence)
        found = measure("cross", known, meter)
        assert found is not None
        counts[0] += found.by_quantile["1"].held
        counts[1] += found.by_quantile["2"].held

    assert counts[0] > 60
    assert counts[1] < 20


@pytest.mark.parametrize("role", ["obscure", "artefact"])
def test_what_rests_on_no_pattern_has_no_breadth(role: Role, meter: BreadthMeter):
    known = join(place_words(" tuple"), place_words(" tuple", n=3, seed=3))

    assert measure(role, known, meter) is None


def test_without_lower_examples_there_is_no_breadth(meter: BreadthMeter):
    assert measure("input", place_words(" tuple"), meter) is None


def test_what_cannot_be_looked_for_has_no_breadth(meter: BreadthMeter):
    words = [" senator", " gravel", " theorem", " walrus", " bassoon", " lagoon", " mostly"]
    known = join(place_words(words, n=7), place_words(n=3, seed=3))

    assert measure("input", known, meter) is None


def test_quantiles_stand_in_order(meter: BreadthMeter):
    lower = [place_words(" tuple", n=1, seed=s) for s in range(2, 14)]

    found = measure("input", join(place_words(" tuple"), *lower), meter)

    assert found is not None
    assert list(found.by_quantile) == [str(q) for q in range(1, 13)]


def test_a_planted_word_holds_where_it_was_planted(meter: BreadthMeter):
    whole = plant(TEXT, "word", seed=2, n=20).evidence
    top, rest = whole.top[:10], whole.top[10:]
    known = replace(whole, top=top, lower=number(rest, 1), feature=FeatureId(0, 0))

    assert measure("input", known, meter) == Breadth(10, 10, {"1": Held(10, 10)})
