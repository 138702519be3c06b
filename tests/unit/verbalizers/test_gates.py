from dataclasses import replace

import numpy as np
import pytest

from clerp.verbalizers import Verbalization
from clerp.verbalizers.gates import Controls, Gates, check_gates, find_modal, sum_up
from clerp.verbalizers.reference import measure_reference

GOOD = Verbalization(
    text="A list of capitals.\n\nThe final token names a city.", raw="", n_tokens=40
)


def controls(**changes: object) -> Controls:
    vectors = np.random.default_rng(0).normal(size=(200, 16)).astype(np.float32)
    known = Controls(
        nothing=("I see a bracket.",),
        modal="Some text about things.",
        reference=measure_reference(vectors),
    )
    return replace(known, **changes)


def check(text: str = GOOD.text, **given: object) -> tuple[str, ...]:
    named = {"max_new_tokens": 200, **given}
    return check_gates(replace(GOOD, text=text), controls(), **named)


def test_a_good_text_passes():
    assert check() == ()
    assert check(norm=4.0, position=60) == ()


def test_a_fault_is_the_reason_and_nothing_else_is_looked_at():
    said = Verbalization(text="", raw="<expl", fault="cut off at 200 tokens", n_tokens=200)

    assert check_gates(said, controls(), max_new_tokens=200) == ("cut off at 200 tokens",)


@pytest.mark.parametrize("text", ["", "  \n\n "])
def test_no_text_is_no_text(text: str):
    assert check(text) == ("empty",)


@pytest.mark.parametrize(("n_tokens", "fails"), [(199, False), (200, True), (201, True)])
def test_a_text_that_took_all_it_was_allowed_is_not_trusted(n_tokens: int, fails: bool):
    said = replace(GOOD, n_tokens=n_tokens)

    failures = check_gates(said, controls(), max_new_tokens=200)

    assert failures == (("as long as was allowed",) if fails else ())


def test_a_server_that_does_not_count_tokens_is_believed():
    assert check_gates(replace(GOOD, n_tokens=None), controls(), max_new_tokens=200) == ()


def test_lengths_have_bounds():
    assert check("Two words") == ("fewer than 3 words",)
    assert check("Now three words") == ()
    assert check("word " * 799 + "word.") == ()
    assert check("word " * 801) == ("more than 4,000 characters",)


@pytest.mark.parametrize(
    "text",
    [
        "这段文字 描述了 一个城市",
        "Это текст о городах",
        "هذا نص عن المدن",
        "Text: これは都市についての文章です。 そして 終わり",
        "“这段” 文字 描述",
        "这是一个关于城市的文字 “a quote” and more",
    ],
)
def test_other_scripts_are_not_what_the_actor_was_trained_to_write(text: str):
    assert check(text) == ("not in Latin letters",)


@pytest.mark.parametrize(
    "text",
    [
        "The final token “北京市” ends a list of “上海”, “广州” and “深圳”.",
        'A phrase such as "Привет мир, как дела" in Russian.',
        "Ein deutscher Satz über Straßen und Çelik, naïveté",
        "1234 5678 9012",
        "Angles α and β in a proof.",
    ],
)
def test_quotes_and_marks_of_other_scripts_pass_and_so_does_german(text: str):
    assert check(text) == ()


def test_a_text_that_is_all_quote_is_still_looked_at():
    assert check("“这段 文字 描述”") == ("not in Latin letters",)


def test_what_is_said_without_a_vector_says_nothing_of_one():
    assert check("I see  a\nBRACKET.") == ("the same without a vector",)
    assert check("I see a bracket here.") == ()


def test_what_is_said_of_random_vectors_says_nothing_either():
    assert check("some text about THINGS.") == ("the same for random vectors",)


def test_without_controls_nothing_is_equal():
    assert check_gates(GOOD, Controls(), max_new_tokens=200, norm=1e9) == ()


def test_a_residual_of_unusual_length_is_told_on_both_sides():
    known = controls().reference
    assert known is not None

    assert check(norm=known.low_norm) == check(norm=known.high_norm) == ()
    for norm in (0.99 * known.low_norm, 1.01 * known.high_norm):
        assert check(norm=norm) == ("a residual of unusual length",)


@pytest.mark.parametrize(("position", "fails"), [(0, True), (9, True), (10, False)])
def test_early_positions_are_told(position: int, fails: bool):
    assert check(position=position) == (("among the first 10 tokens",) if fails else ())


def test_every_failure_of_a_text_is_told():
    assert len(check("I see a bracket.", norm=1e9, position=0)) == 3


def test_failures_are_counted_commonest_first():
    gates = sum_up([(), ("b", "a"), ("a",), ()])

    assert (gates.n_texts, gates.n_usable) == (4, 2)
    assert [(f.reason, f.n_texts) for f in gates.failures] == [("a", 2), ("b", 1)]
    assert str(gates) == "2 of 4 texts are usable (a: 2; b: 1)"
    assert str(sum_up([(), ()])) == "2 of 2 texts are usable"


@pytest.mark.parametrize(
    ("n_usable", "n_texts", "is_shut"),
    [(0, 0, True), (0, 3, True), (1, 3, True), (1, 2, False), (2, 3, False), (1, 1, False)],
)
def test_a_feature_is_shut_out_when_most_of_its_texts_are(
    n_usable: int, n_texts: int, is_shut: bool
):
    assert Gates(n_texts, n_usable).is_shut is is_shut


def test_the_modal_text_is_one_that_was_said_twice():
    assert find_modal(["One. ", "two", "one.", ""]) == "one."
    assert find_modal(["one", "two"]) == ""
    assert find_modal(["", "", "", "one", "one"]) == "one"
    assert find_modal(["", " ", "\n"]) == ""
    assert find_modal([]) == ""
