from collections.abc import Sequence
from dataclasses import fields, replace
from math import isfinite, log2
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.router.ordinary_peaks import place_words

from clerp.embedding import WordLlamaEmbedder
from clerp.evidence import ActivationExample, FeatureEvidence
from clerp.router.signals import Signals, measure_all, measure_signals
from clerp.router.yardstick import Yardstick, load_yardstick
from clerp.testing import make_evidence
from clerp.word_classes import NAMES

MUSIC = [" guitar", " piano", " violin", " drums", " trumpet",
         " cello", " flute", " saxophone", " clarinet", " organ"]  # fmt: skip
UNLIKE = [" parliament", " seven", " quickly", " copper", " river",
          " argue", " yellow", " diagnosis", " kitchen", " treaty"]  # fmt: skip
WEEKDAYS = [" Monday", " Tuesday", " Friday", " Sunday", " Thursday", " Wednesday"]
ODD_TEXTS = {
    "no text": [""],
    "no token with text": ["", "", ""],
    "one word": ["word"],
    "emoji": ["🙂", "👩‍👩‍👧", "🇫🇷"],
    "a broken emoji": ["🙂", "", " a"],
    "right to left": ["שלום", " עולם", " مرحبا"],
    "marks": ["...", "—", '",'],
    "spaces": [" ", "  ", "\t"],
    "line breaks": ["\n", "\n\n", "\r\n"],
    "special tokens": ["<bos>", "<|im_start|>", "<eos>"],
    "no spaces between words": ["日本", "語", "です"],
    "control characters": ["\x1b[31m", "\x00", "\u202e"],
    "nothing after the peak": [" the", " end"],
    "a very long word": ["x" * 10_000, "y"],
}


@pytest.fixture(scope="module")
def yardstick() -> Yardstick:
    return load_yardstick(WordLlamaEmbedder())


def read_numbers(signals: Signals) -> list[float]:
    values = [getattr(signals, field.name) for field in fields(signals)]
    recurring = (signals.at_peak, signals.before, signals.after)
    classes = (signals.peak_class, signals.after_class)
    nested = [number for found in (*recurring, *classes) for number in (found.bits, found.share)]
    return [*(v for v in values if isinstance(v, int | float)), *nested, signals.unexplained]


def reorder(evidence: FeatureEvidence, seed: int) -> FeatureEvidence:
    shuffled = list(evidence.top)
    Random(seed).shuffle(shuffled)
    return replace(evidence, top=tuple(shuffled))


def rescale(evidence: FeatureEvidence, factor: float) -> FeatureEvidence:
    def scale(e: ActivationExample) -> ActivationExample:
        return ActivationExample(e.id, e.tokens, (e.activations * factor).astype("float32"), e.peak)

    return replace(evidence, top=tuple(map(scale, evidence.top)))


def test_the_same_peak_word_tells_its_information(yardstick: Yardstick):
    found = measure_signals(place_words(" tuple"), yardstick)

    assert found.at_peak.words == ("tuple",)
    assert (found.at_peak.share, found.top_share, found.unexplained) == (1.0, 1.0, 0.0)
    assert found.at_peak.bits == pytest.approx(-log2(yardstick.text.rate("tuple")))
    assert (found.function_share, found.peak_coherence) == (0.0, 0.0)


def test_a_rarer_word_tells_more(yardstick: Yardstick):
    rare, common = (
        measure_signals(place_words(word), yardstick).at_peak.bits for word in (" tuple", " the")
    )

    assert rare > common + 5


def test_sizes_do_not_grow_with_the_number_of_examples(yardstick: Yardstick):
    few, many = (measure_signals(place_words(" tuple", n=n), yardstick) for n in (6, 30))

    assert few.at_peak == many.at_peak


def test_spellings_of_a_peak_word_recur_as_one(yardstick: Yardstick):
    evidence = place_words([" tuple", " Tuple", " TUPLE"] * 4, n=12)

    assert measure_signals(evidence, yardstick).at_peak.words == ("tuple",)


def test_a_piece_that_different_words_share_recurs(yardstick: Yardstick):
    cities = [" Nash", " Jackson", " Louis", " Green", " Hunts", " Knox"]
    evidence = make_evidence([["in", city, "ville", " now"] for city in cities], peak=2)

    assert measure_signals(evidence, yardstick).at_peak.words == ("ville",)


def test_words_that_occur_once_do_not_recur(yardstick: Yardstick):
    found = measure_signals(place_words(UNLIKE), yardstick)

    assert (found.at_peak.bits, found.at_peak.words, found.top_share) == (0.0, (), 0.1)


def test_a_narrow_class_at_the_peak_is_named(yardstick: Yardstick):
    found = measure_signals(place_words(WEEKDAYS, n=6), yardstick)

    assert (found.peak_class.name, found.peak_class.share) == ("weekdays", 1.0)
    assert found.unexplained == 0.0


def test_a_narrow_class_after_the_peak_is_named(yardstick: Yardstick):
    years = [f" 19{decade}4" for decade in range(10)]

    found = measure_signals(place_words(years, at=1), yardstick)

    assert (found.after_class.name, found.after_class.share) == ("years", 1.0)
    assert found.after_class.bits > 5 > found.peak_class.bits


def test_the_next_word_is_held_against_what_follows_the_same_peak(yardstick: Yardstick):
    ordinary = measure_signals(place_words(" according", " to"), yardstick)
    strange = measure_signals(place_words(" banana", " to"), yardstick)

    assert ordinary.after.words == strange.after.words == ("to",)
    rates = [yardstick.text.follow_rate("to", word) for word in ("according", "banana")]
    assert ordinary.after.bits == pytest.approx(-log2(rates[0])) == pytest.approx(0.2, abs=0.1)
    assert strange.after.bits == pytest.approx(-log2(rates[1]))
    assert strange.after.bits > 5


def test_so_is_the_word_before(yardstick: Yardstick):
    ordinary = measure_signals(place_words(" United", " States", at=-1), yardstick)
    strange = measure_signals(place_words(" United", " banana", at=-1), yardstick)

    assert ordinary.before.words == strange.before.words == ("united",)
    assert ordinary.before.bits == pytest.approx(
        -log2(yardstick.text.precede_rate("united", "states"))
    )
    assert ordinary.before.bits + 5 < strange.before.bits


def test_function_words_and_marks_count_but_no_lone_space(yardstick: Yardstick):
    peaks = [" the", " of", ",", "\n", "  ", "  ", " copper", " river", " 7", " Rome"]

    assert measure_signals(place_words(peaks), yardstick).function_share == 0.4


def test_a_lone_space_between_words_is_no_function_word(yardstick: Yardstick):
    evidence = make_evidence([[f" w{i}", "  ", "x"] for i in range(6)])

    assert measure_signals(evidence, yardstick).function_share == 0.0


@pytest.mark.parametrize(
    ("peaks", "unexplained"),
    [
        ([" tuple"] * 6 + UNLIKE[:4], 0.4),
        (WEEKDAYS + UNLIKE[:4], 0.4),
        (UNLIKE, 1.0),
        ([" tuple"] * 10, 0.0),
    ],
)
def test_unexplained_is_what_neither_words_nor_a_class_explain(
    yardstick: Yardstick, peaks: Sequence[str], unexplained: float
):
    found = measure_signals(place_words(peaks), yardstick)

    assert found.unexplained == pytest.approx(unexplained)


def test_a_slight_class_explains_nothing(yardstick: Yardstick):
    found = measure_signals(place_words([" Paris", " Rome", *UNLIKE[:8]]), yardstick)

    assert (found.peak_class.name, found.peak_class.share) == ("capitalised names", 0.2)
    assert found.unexplained == 1.0


def test_capitals_are_counted_above_ordinary_text(yardstick: Yardstick):
    names = [" London", " Berlin", " Madrid", " Vienna", " Lisbon", " Athens"]
    ordinary = yardstick.text.class_rate(NAMES)

    capitals, small = (
        measure_signals(place_words(" of", words, n=6, at=1), yardstick).content_capitals
        for words in (names, UNLIKE)
    )

    assert capitals == pytest.approx(1 - ordinary)
    assert small == pytest.approx(-ordinary)


def test_promoted_tokens_fit_the_next_words_they_name(yardstick: Yardstick):
    same = measure_signals(place_words(" guitar", at=1, promoted=[" guitar"]), yardstick)
    alike = measure_signals(place_words(" piano", at=1, promoted=MUSIC), yardstick)
    unlike = measure_signals(place_words(" treaty", at=1, promoted=MUSIC), yardstick)

    assert same.promoted_fit == pytest.approx(1.0, abs=1e-3)
    assert same.promoted_fit > alike.promoted_fit > unlike.promoted_fit + 0.2


@pytest.mark.parametrize("promoted", [[], ["..."], [""]])
def test_without_promoted_words_nothing_fits(yardstick: Yardstick, promoted: list[str]):
    assert measure_signals(place_words(" tuple", promoted=promoted), yardstick).promoted_fit == 0.0


def test_examples_without_a_next_word_fit_nothing(yardstick: Yardstick):
    whole = make_evidence([[" a", " b", " guitar"]] * 6, promoted=[" guitar"])
    half = make_evidence([[" a", " b", " guitar"]] * 3 + [[" a", " b"]] * 3, promoted=[" guitar"])

    fits = [measure_signals(known, yardstick).promoted_fit for known in (whole, half)]

    assert fits[1] == pytest.approx(fits[0] / 2, abs=1e-3)


def test_peak_words_of_a_kind_cohere(yardstick: Yardstick):
    alike, unlike = (measure_signals(place_words(w), yardstick) for w in (MUSIC, UNLIKE))

    assert alike.peak_coherence > 10 > 5 > unlike.peak_coherence


def test_next_words_of_a_kind_cohere(yardstick: Yardstick):
    alike = measure_signals(place_words(MUSIC, at=1), yardstick)
    unlike = measure_signals(place_words(UNLIKE, at=1), yardstick)

    assert alike.after_coherence > 10 > 5 > unlike.after_coherence


def test_next_content_coheres_across_a_function_word(yardstick: Yardstick):
    found = measure_signals(place_words(" of", MUSIC, at=1), yardstick)

    assert found.after.words == ("of",)
    assert found.after_coherence == 0.0
    assert found.content_coherence > 10


def test_few_different_words_cohere_less(yardstick: Yardstick):
    few = measure_signals(place_words(MUSIC[:3] * 3 + MUSIC[:1]), yardstick)
    many = measure_signals(place_words(MUSIC), yardstick)

    assert 0 < few.peak_coherence < many.peak_coherence
    assert measure_signals(place_words(MUSIC[:2] * 5), yardstick).peak_coherence == 0.0


def test_contexts_of_one_topic_are_alike_whatever_the_peak(yardstick: Yardstick):
    draw = Random(0)
    words = [*MUSIC, " melody", " orchestra", " concert", " symphony", " chord", " singer"]
    texts = [[*draw.sample(words, 8), peak, *draw.sample(words, 8)] for peak in UNLIKE]

    topic = measure_signals(make_evidence(texts, peak=8), yardstick)
    plain = measure_signals(place_words(UNLIKE), yardstick)

    assert topic.context > 20 > 10 > plain.context
    assert min(topic.context_before, topic.context_after) > 10


def test_each_side_has_its_own_context(yardstick: Yardstick):
    found = measure_signals(place_words(*MUSIC[:6], at=1), yardstick)

    assert found.context_after > 10 + found.context_before


@pytest.mark.parametrize(("before", "peak"), [(" United", " States"), (" New", " York")])
def test_what_a_peak_word_ordinarily_stands_in_is_no_context(
    yardstick: Yardstick, before: str, peak: str
):
    ordinary, strange = (
        measure_signals(place_words(before, word, at=-1), yardstick) for word in (peak, " zyxwq")
    )

    assert ordinary.context_before < strange.context_before / 2


def test_features_measured_together_have_the_signals_of_each(yardstick: Yardstick):
    known = [place_words(*words) for words in ([MUSIC], [" of", MUSIC], [UNLIKE])]

    assert list(measure_all(known, yardstick)) == [measure_signals(k, yardstick) for k in known]


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_examples_changes_nothing(yardstick: Yardstick, seed: int):
    evidence = place_words(" of", MUSIC, n=20, at=1, seed=seed, promoted=MUSIC[:4])

    assert measure_signals(reorder(evidence, seed), yardstick) == measure_signals(
        evidence, yardstick
    )


@pytest.mark.parametrize("factor", [1e-30, 0.01, 7.0, 1e30])
def test_the_scale_of_activations_changes_nothing(yardstick: Yardstick, factor: float):
    evidence = place_words(MUSIC)

    assert measure_signals(rescale(evidence, factor), yardstick) == measure_signals(
        evidence, yardstick
    )


def test_what_was_measured_before_changes_nothing(yardstick: Yardstick):
    evidence = place_words(MUSIC, seed=3)
    for seed in range(4):
        measure_signals(place_words(UNLIKE, seed=seed), yardstick)

    fresh = load_yardstick(WordLlamaEmbedder())

    assert measure_signals(evidence, yardstick) == measure_signals(evidence, fresh)


@pytest.mark.parametrize("tokens", ODD_TEXTS.values(), ids=ODD_TEXTS)
@pytest.mark.parametrize("n", [1, 2, 6])
def test_signals_of_odd_texts_are_finite(yardstick: Yardstick, tokens: list[str], n: int):
    found = measure_signals(make_evidence([tokens] * n, promoted=tokens), yardstick)

    assert all(map(isfinite, read_numbers(found)))
    assert 0 <= found.unexplained <= 1
    assert found.n == n


def test_a_mix_of_odd_texts_is_finite(yardstick: Yardstick):
    found = measure_signals(make_evidence(list(ODD_TEXTS.values())), yardstick)

    assert all(map(isfinite, read_numbers(found)))


def test_no_examples_have_no_signals(yardstick: Yardstick):
    found = measure_signals(make_evidence([]), yardstick)

    assert all(map(isfinite, read_numbers(found)))
    assert (found.n, found.at_peak.words, found.context) == (0, (), 0.0)


def test_far_text_is_not_read(yardstick: Yardstick):
    near = place_words(MUSIC)
    far = [" far"] * 5000
    texts = [[*far, *example.tokens, *far] for example in near.top]

    found = measure_signals(make_evidence(texts, peak=5000 + near.top[0].peak), yardstick)

    assert found == measure_signals(near, yardstick)


@settings(max_examples=60)
@given(texts=st.lists(st.lists(st.text(max_size=6), min_size=1, max_size=6), max_size=6))
def test_any_text_has_finite_signals(yardstick: Yardstick, texts: list[list[str]]):
    found = measure_signals(make_evidence(texts, promoted=texts[0] if texts else []), yardstick)

    assert all(map(isfinite, read_numbers(found)))
    assert all(0 <= part <= 1 for part in (found.unexplained, found.top_share))
