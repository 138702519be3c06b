import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import UsageError
from clerp.evidence import ActivationExample, FeatureEvidence
from clerp.evidence.parsing import parse_record
from clerp.feature import FeatureId
from clerp.graph import LogitEdge
from clerp.labelers import LabelRequest
from clerp.labelers.token_frequency import TokenFrequencyLabeler, hint
from clerp.labels import MAX_LABEL_CHARS, Abstention, Label, clean_label
from clerp.router import Role, Route

FEATURE = FeatureId(3, 7)


def example(text: str, activation: float, name: str) -> ActivationExample:
    """Make an example of text with its peak token in double square brackets."""
    before, peak, after = re.split(r"\[\[|\]\]", text)
    head = re.findall(r"\s?\S+|\s", before)
    tokens = (*head, peak, *re.findall(r"\s?\S+|\s", after))
    activations = np.zeros(len(tokens), dtype=np.float32)
    activations[len(head)] = activation
    return ActivationExample(name, tokens, activations, len(head))


def evidence(
    texts: Sequence[str],
    promoted: Sequence[str] = (),
    suppressed: Sequence[str] = (),
    lower: Sequence[str] = (),
) -> FeatureEvidence:
    return FeatureEvidence(
        feature=FEATURE,
        top=tuple(example(text, 10 - n / 10, f"0.{n}") for n, text in enumerate(texts)),
        lower=tuple(example(text, 1, f"1.{n}") for n, text in enumerate(lower)),
        set_aside=(),
        promoted=tuple(promoted),
        suppressed=tuple(suppressed),
        promoted_from="summed",
        act_min=0.0,
        act_max=10.0,
        density=None,
        digest="",
    )


def edges(*weights: tuple[str, float]) -> tuple[LogitEdge, ...]:
    return tuple(LogitEdge(token, weight, None, 0) for token, weight in weights)


async def answer(
    role: Role, known: FeatureEvidence, logit_edges: tuple[LogitEdge, ...] = ()
) -> Label | Abstention:
    route = Route(FEATURE, role, 1, {}, "high", len(known.top), "")
    return await TokenFrequencyLabeler().label(LabelRequest(known, route, logit_edges))


async def named(
    role: Literal["input", "output"],
    known: FeatureEvidence,
    logit_edges: tuple[LogitEdge, ...] = (),
) -> Label:
    label = await answer(role, known, logit_edges)
    assert isinstance(label, Label), label
    return label


WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ELSEWHERE = ["a stray[[ dog]] in rain", "one red[[ car]] went by", "we heard[[ music]] late"]


async def test_one_word_at_the_peak_is_the_name():
    texts = [f"{w} in[[ Texas]] and {w}" for w in WORDS[:7]]

    label = await named("input", evidence([*texts, "the great[[ TEXAS]] fair", *ELSEWHERE]))

    assert label.text == "Texas"
    assert label.explanation == (
        "the peak word is 'Texas' in 8 of 11 examples (74 % of activation)"
    )
    assert label.evidence == tuple(f"0.{n}" for n in range(8))
    assert label.confidence == "medium"


async def test_a_word_in_nearly_all_of_many_examples_is_named_with_high_confidence():
    texts = [f"{w} in[[ Texas]] and {w}" for w in WORDS[:7]]
    told = evidence([*texts, "all of[[ Texas]]"], lower=["deep in[[ Texas]]", ELSEWHERE[0]])

    label = await named("input", told)

    assert label.confidence == "high"
    assert label.explanation.endswith(", and in 1 of 2 at lower activations")


async def test_capital_of():
    states = ("Texas", "Ohio", "Maine", "Utah")

    label = await named("input", evidence([f"{s}: a capital[[ of]] {s}" for s in states]))

    assert label.text == "capital of"
    assert label.explanation.startswith("the peak ends 'capital of' in 4 of 4 examples")


async def test_a_phrase_of_several_words_is_told_in_full():
    heads = ("pleural", "amian", "asic", "itrine")

    label = await named("input", evidence([f"{h}: of or[[ relating]] to {h}" for h in heads]))

    assert label.text == "of or relating"


async def test_capital_of_after_different_words():
    before = ("the new", "its old", "a former", "no real", "one great")

    label = await named("input", evidence([f"{b} capital[[ of]] it" for b in before]))

    assert label.text == "capital of"


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        ([f"{w} one[[-]]{w}" for w in ("snug", "curt", "stray")], "one-"),
        ([f"{w} Mr[[.]] {w}" for w in ("snug", "curt", "stray")], "Mr."),
        ([f"{w}.[[ In]] {w}" for w in ("snug", "curt", "stray")], ". In"),
        ([f"{w} ([[the]] {w}" for w in ("snug", "curt", "stray")], "(the"),
        ([f"{w},[[000]] {w}" for w in ("1", "17", "230")], ",000"),
    ],
)
async def test_a_phrase_with_a_mark_is_written_as_the_text_has_it(texts: list[str], name: str):
    assert (await named("input", evidence(texts))).text == name


@pytest.mark.parametrize(
    ("before", "told"), [('"', "quote mark"), ("\n", "newline"), ("&", "ampersand")]
)
async def test_a_mark_that_labels_cannot_show_is_left_to_the_reason(before: str, told: str):
    words = ("snug", "curt", "stray", "face")

    label = await named("input", evidence([f"{w} {before}[[a]] {w} one" for w in words]))

    assert label.text == "a"
    assert label.explanation.startswith(
        f"the peak word is 'a', mostly after '{told}', in 4 of 4 examples"
    )


async def test_a_class_before_a_mark_or_article_is_left_to_the_reason():
    label = await named("input", evidence([f"({y}[[-]]{y}" for y in ("1525", "1863", "1706")]))

    assert label.text == "hyphen"
    assert label.explanation.startswith("the peak word is 'hyphen', mostly after a year, in 3 of 3")


async def test_case_and_number_are_one_name():
    words = [" capital", " Capital", " capitals", " Capitals", " capital's"]

    label = await named("input", evidence([f"the{n}[[{w}]] {n}" for n, w in enumerate(words)]))

    assert label.text == "capital"


async def test_inflections_are_named_by_their_stem():
    words = [" running", " runs", " run", " ran", " running"]

    label = await named("input", evidence([f"he{n}[[{w}]] {n}" for n, w in enumerate(words)]))

    assert label.text == "run"
    assert "running, runs, run" in label.explanation


async def test_forms_without_their_stem_are_listed_in_their_commonest_spelling():
    words = [" Buddhist", " Buddhism", " Buddhist", " Buddhism"]

    label = await named("input", evidence([f"x{n}[[{w}]] {n}" for n, w in enumerate(words)]))

    assert label.text == "Buddhist / Buddhism"


async def test_an_ending_shared_by_words_is_a_suffix():
    words = [" nation", " station", " relation", " option", " motion", " dog"]

    label = await named("input", evidence([f"x{n}[[{w}]] {n}" for n, w in enumerate(words)]))

    assert label.text == "-tion"


@pytest.mark.parametrize(
    ("pieces", "name"),
    [
        ([" na[[tion]]", " sta[[tion]]", " op[[tion]]", " mo[[tion]]"], "-tion"),
        (["[[ un]]happy", "[[ un]]able", "[[ un]]done", "[[ un]]seen"], "un-"),
        ([" St[[an]]ley", " M[[an]]chester", " b[[an]]dit", " s[[an]]d"], "-an-"),
        (["Noah[['s]] flood", "Devil[['s]] due", "heart[['s]] love", "day[['s]] end"], "'s"),
    ],
)
async def test_a_piece_that_many_words_share_is_named_with_its_place(pieces: list[str], name: str):
    assert (await named("input", evidence(pieces))).text == name


async def test_a_piece_says_how_many_words_share_it_and_which():
    label = await named(
        "input", evidence([" na[[tion]]", " sta[[tion]]", " na[[tion]]", "mo[[tion]]"])
    )

    assert label.explanation.startswith(
        "the peak token is 'tion', of 3 different words (nation, station, motion), in 4 of 4"
    )


async def test_a_piece_of_two_words_is_not_named_as_a_piece():
    label = await named("input", evidence(["[[ cl]]aim", "[[ cl]]imb", "[[ cl]]aim", "[[ cl]]imb"]))

    assert label.text == "claim / climb"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["3", "7", "3", "9", "7", "3"], "digits: 3, 7"),
        (["1942", "1789", "2011", "1942"], "years: 1942, 1789"),
        ([" Cou", " Mar", " Pit", " Cou"], "capitalised names: Cou, Mar"),
        ([".", ",", ";", ","], "punctuation: comma, full stop"),
        ([" of", " to", " near", " by", " of"], "prepositions: of, to"),
        (["<", "=", "{", "*", "<"], "symbols: less-than sign, equals sign"),
        (["река", "дом", "небо", "сон", "река"], "Cyrillic words: река, дом"),
    ],
)
async def test_words_of_one_class_are_named_by_it(words: list[str], name: str):
    texts = [f"so {n} it went; [[{w}]] {n}" for n, w in enumerate(words)]

    assert (await named("input", evidence(texts))).text == name


async def test_capitals_at_line_starts_do_not_make_names():
    texts = [f"so it ended\n[[{w}]] is a" for w in ("Graduate", "Comp", "Straw", "Wheel")]

    assert (await named("input", evidence(texts))).text.startswith("capitalised words")


@pytest.mark.parametrize(
    ("peak", "name"),
    [(",", "comma"), (" (", "open bracket"), ("%", "percent sign"), ("\n", "newlines")],
)
async def test_one_mark_is_named_in_words(peak: str, name: str):
    texts = [f"{w}[[{peak}]] and {w}" for w in ("one", "red", "dog", "house")]

    assert (await named("input", evidence(texts))).text == name


async def test_different_words_are_the_top_three():
    words = [" small", " petit", "小", " small", " petit", "小", " tiny"]
    texts = [f"so {n}[[{w}]] {n}" for n, w in enumerate(words)]

    label = await named("input", evidence(texts))

    assert label.text == "small / petit / 小"
    assert label.confidence == "low"


async def test_a_list_is_trusted_more_where_one_of_its_words_has_half_of_the_activation():
    words = [" savage", " savage", " savage", " steam", " savage", " steam"]

    label = await named("input", evidence([f"so {n}[[{w}]] {n}" for n, w in enumerate(words)]))

    assert label.text == "savage / steam"
    assert label.confidence == "medium"


async def test_a_strong_second_word_belongs_to_the_name():
    texts = [f"x{n}[[{' the' if n % 3 else ' dog'}]] {n}" for n in range(9)]

    assert (await named("input", evidence(texts))).text == "the / dog"


async def test_peaks_with_nothing_in_common_are_declined():
    words = ("wall", "bug", "Oxford", "nosy", "marriage", "sounding", "7")

    refused = await answer("input", evidence([f"so {w}[[ {w}]] by" for w in words]))

    assert isinstance(refused, Abstention)
    assert refused.reason.startswith("nothing recurs at the peak: 7 different words in 7 examples")


async def test_two_witnesses_name_what_is_said():
    texts = [f"{w} the capital[[ is]] Austin" for w in ("so", "now", "thus", "yes")]

    label = await named("output", evidence(texts, promoted=[" Austin", " Aus", "theless"]))

    assert label.text == "say Austin"
    assert label.confidence == "medium"
    assert label.details["promoted_from"] == "summed"
    assert label.details["witnesses"] == "the examples, the promoted tokens"
    assert label.evidence == ("0.0", "0.1", "0.2", "0.3")


async def test_three_witnesses_are_trusted_most():
    texts = [f"{w} the capital[[ is]] Austin" for w in WORDS]
    told = evidence(texts, promoted=[" Austin"])

    label = await named("output", told, edges((" Austin", 2.0), (" Dallas", 0.1)))

    assert label.text == "say Austin"
    assert label.confidence == "high"


async def test_tokens_do_not_agree_on_a_word_that_one_of_them_only_begins():
    told = evidence(ELSEWHERE, promoted=[" money"])

    label = await named("output", told, edges((" Mon", 2.0)))

    assert label.confidence == "low"
    assert label.details["witnesses"] == "the promoted tokens"


async def test_a_logit_that_begins_another_token_does_not_second_the_examples():
    texts = [f"{w} saw the[[ European]] Monetary" for w in WORDS]

    label = await named("output", evidence(texts), edges((" Mon", 2.0)))

    assert label.text == "say Monetary"
    assert label.details["witnesses"] == "the examples"


async def test_a_token_that_spells_the_following_word_is_named_by_the_word():
    def spell(name: str) -> ActivationExample:
        tokens = (f"in {name}", " the", " E", " Mon", "etary", " Union")
        return ActivationExample(name, tokens, np.array([0, 0, 1, 0, 0, 0], np.float32), 2)

    told = replace(evidence([]), top=tuple(spell(f"0.{n}") for n in range(5)))

    label = await named("output", told, edges((" Mon", 2.0)))

    assert label.text == "say Monetary"
    assert label.details["witnesses"] == "the examples, the direct edges to logits"


async def test_only_the_three_strongest_edges_speak_and_only_if_positive():
    texts = [f"{w} the capital[[ is]] Austin" for w in WORDS]
    others = ((" Rome", 3.0), (" Oslo", 2.9), (" Bonn", 2.8))

    fourth = await named("output", evidence(texts), edges(*others, (" Austin", 2.7)))
    negative = await named("output", evidence(texts), edges((" Austin", -2.7)))
    third = await named("output", evidence(texts), edges(*others[:2], (" Austin", 2.7)))

    assert fourth.details["witnesses"] == negative.details["witnesses"] == "the examples"
    assert third.details["witnesses"] == "the examples, the direct edges to logits"


async def test_promoted_tokens_and_edges_suffice():
    told = evidence(ELSEWHERE, promoted=[" Dallas", " Austin"])

    label = await named("output", told, edges((" Austin", 2.0), (" Dallas", 1.5)))

    assert label.text == "say Dallas / Austin"
    assert label.confidence == "medium"


async def test_one_witness_alone_is_low_and_says_so():
    label = await named("output", evidence(ELSEWHERE, promoted=[" Austin", " Boston"]))

    assert label.text == "say Austin / Boston"
    assert label.confidence == "low"
    assert label.explanation.startswith(
        "only the promoted tokens speak for 'Austin' or 'Boston'; "
        "'Austin' or 'Boston' follows the peak in 0 of 3 examples"
    )


async def test_said_words_of_one_class_are_a_class():
    texts = [f"room {n} has[[ number]] {n}" for n in range(1, 6)]

    label = await named("output", evidence(texts, promoted=["1", "2", "3", "4"]))

    assert label.text == "say a digit"


async def test_a_class_is_agreed_on_without_a_common_word():
    texts = [f"it was[[ been]] {w}" for w in ("crushed", "dried", "used", "viewed")]
    promoted = [" slowed", " averaged", " measured", " scaled"]

    label = await named("output", evidence(texts, promoted=promoted))

    assert label.text == "say -ed"


async def test_capitalised_logits_do_not_second_capitalised_names():
    texts = [f"near the[[ port]] {w}" for w in ("Oran", "Sfax", "Tunis", "Rabat", "Cairo")]

    label = await named(
        "output", evidence(texts), edges((" Paris", 3.0), (" Le", 2.0), (" Mon", 2.0))
    )

    assert label.text == "say a capitalised name"
    assert label.details["witnesses"] == "the examples"
    assert label.confidence == "low"


async def test_tokens_of_any_script_are_said():
    texts = [f"{w}[[ say]]小狗" for w in ("a", "b", "c", "d")]

    label = await named("output", evidence(texts, promoted=["小", "שלום", "", "\ufffd"]))

    assert label.text == "say 小狗"


async def test_examples_that_end_at_the_peak_and_empty_tokens_are_declined():
    told = evidence(["it[[ is]]", "he[[ was]]  ", "so[[ be]] "], promoted=["", "\ufffd"])

    refused = await answer("output", told, edges(("", 1.0)))

    assert refused == Abstention(
        "token-frequency", "no word recurs after the peak, and no token is promoted"
    )


async def test_common_words_need_more_than_chance_to_agree():
    texts = [*ELSEWHERE, "it[[ is]] the best", "he[[ was]] late", "we[[ are]] here"]

    label = await named("output", evidence(texts, promoted=[" the", " Austin"]))

    assert label.confidence == "low"
    assert label.explanation.startswith("only")


async def test_suppressed_words_with_negative_edges_are_avoided():
    told = evidence(ELSEWHERE, promoted=["xyz"], suppressed=[" Texas", " Tex"])

    label = await named("output", told, edges((" Texas", -3.0), (" Austin", 0.2)))

    assert label.text == "avoid Texas"


async def test_suppressed_tokens_alone_are_not_avoided():
    told = evidence(ELSEWHERE, promoted=[" Austin"], suppressed=[" Texas"])

    assert (await named("output", told)).text == "say Austin"
    assert (await named("output", told, edges((" Texas", 3.0)))).text == "say Austin"


@pytest.mark.parametrize("role", ["cross", "obscure", "artefact"])
async def test_other_roles_are_declined(role: Role):
    refused = await answer(role, evidence(ELSEWHERE))

    assert isinstance(refused, Abstention)
    assert refused.reason == "tier 1 names only input and output features"


def test_an_argument_is_refused():
    with pytest.raises(UsageError, match="takes no argument"):
        TokenFrequencyLabeler("fast")


def test_a_hint_shows_peak_next_and_promoted_words():
    told = evidence(ELSEWHERE, promoted=[" <b>", ",", " Austin", " Boston"])

    assert hint(told) == "dog, car, music | in, went, late | b token, comma, Austin"
    assert hint(evidence([])) == "none | none | none"


def test_a_long_hint_is_cut_to_size():
    words = [f"{letter * 40}" for letter in "abcdef"]

    assert len(hint(evidence([f"[[ {w}]] {w}" for w in words], promoted=words))) <= 120


PIECES = st.sampled_from(
    [
        *"aZ7,\n小 <>&#%+\"'|[ـ👍",
        "",
        " Texas",
        " F12",
        "\ufffd",
        "‏",
        " שלום",
        "<bos>",
        "ion",
        " the",
    ]
)
TOKENS = PIECES | st.text(max_size=5)


@st.composite
def any_evidence(draw: st.DrawFn) -> FeatureEvidence:
    def example_of(tokens: list[str], peak: int, activation: float, n: int) -> ActivationExample:
        activations = np.zeros(len(tokens), dtype=np.float32)
        activations[peak % len(tokens)] = activation
        return ActivationExample(f"0.{n}", tuple(tokens), activations, peak % len(tokens))

    drawn = draw(
        st.lists(
            st.tuples(
                st.lists(TOKENS, min_size=1, max_size=8),
                st.integers(0, 7),
                st.sampled_from([0.5, 1.0, 2.0]),
            ),
            max_size=8,
        )
    )
    examples = tuple(example_of(*parts, n) for n, parts in enumerate(drawn))
    told = evidence([], draw(st.lists(TOKENS, max_size=6)), draw(st.lists(TOKENS, max_size=6)))
    cut = len(examples) - draw(st.integers(0, 1))
    return replace(told, top=examples[:cut], lower=examples[cut:])


any_edges = st.lists(
    st.builds(LogitEdge, TOKENS, st.floats(-5, 5), st.none(), st.just(0)), max_size=4
).map(tuple)


@given(any_evidence(), any_edges, st.sampled_from(["input", "output"]))
async def test_any_evidence_gives_a_clean_label_or_an_abstention(
    told: FeatureEvidence, logit_edges: tuple[LogitEdge, ...], role: Role
):
    given_answer = await answer(role, told, logit_edges)

    if isinstance(given_answer, Label):
        assert given_answer.text
        assert len(given_answer.text) <= MAX_LABEL_CHARS
        assert clean_label(given_answer.text) == given_answer.text
        assert set(given_answer.evidence) <= {example.id for example in told.top}
    else:
        assert given_answer.reason


@given(any_evidence(), any_edges, st.sampled_from(["input", "output"]), st.randoms())
async def test_neither_order_of_equals_nor_scale_matters(
    told: FeatureEvidence, logit_edges: tuple[LogitEdge, ...], role: Role, random
):
    def scaled(example: ActivationExample) -> ActivationExample:
        return replace(example, activations=example.activations * np.float32(8))

    shuffled = tuple(scaled(e) for e in random.sample(told.top, len(told.top)))

    first = await answer(role, told, logit_edges)
    second = await answer(role, replace(told, top=shuffled), logit_edges)

    assert first == second


@given(any_evidence())
def test_any_evidence_has_a_hint(told: FeatureEvidence):
    line = hint(told)

    assert len(line) <= 120
    assert clean_label(line) == line or len(line) > MAX_LABEL_CHARS
    assert not set('<>&#%+"\n') & set(line)


REAL = os.environ.get("CLERP_TEST_DATA")


@pytest.mark.skipif(REAL is None, reason="CLERP_TEST_DATA is not set")
@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("0_327", "head"),
        ("0_115", "-is"),
        ("1_134", "spaces"),
        ("2_459", "hold"),
        ("7_101", "hyphen"),
        ("9_303", "ordinals: 6th, 21st"),
        ("22_0", "of or relating"),
    ],
)
async def test_real_features_are_named(written: str, text: str):
    feature = FeatureId.parse(written)
    path = Path(REAL or "", "roles", "features", f"{feature.cantor}.json")
    told = parse_record(path.read_bytes(), feature, where=path.name)

    assert isinstance(told, FeatureEvidence)
    assert (await named("input", told)).text == text
