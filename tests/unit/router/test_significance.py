from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.router.significance import (
    MIN_CHANCE,
    MIN_CHANCE_AMONG,
    chance_among,
    chance_of_lead,
    lead_of_chance,
    q_values,
    round_chance,
)

CHANCES = (0.5, 0.2, 0.05, 0.01, 0.001)
TABLE = {
    "5": {"0.5": -1.0, "0.2": 0.5, "0.05": 3.0, "0.01": 4.5, "0.001": 7.0},
    "20": {"0.5": -2.5, "0.2": -2.0, "0.05": -1.5, "0.01": -0.5, "0.001": 1.0},
}
EXPONENTIAL = {str(chance): -2 * log(chance) for chance in CHANCES}
LEADS = st.floats(-20, 60)
SIZES = st.integers(1, 300)


@pytest.mark.parametrize("size", TABLE)
def test_at_a_lead_of_the_table_the_chance_is_that_of_the_table(size: str):
    for chance, lead in TABLE[size].items():
        assert chance_of_lead(TABLE, int(size), lead) == pytest.approx(float(chance))
        assert lead_of_chance(TABLE, int(size), float(chance)) == pytest.approx(lead)


def test_between_two_leads_the_logarithm_of_the_chance_is_linear():
    halfway = chance_of_lead(TABLE, 5, (0.5 + 3.0) / 2)

    assert log(halfway) == pytest.approx((log(0.2) + log(0.05)) / 2)


def test_between_two_numbers_of_examples_leads_are_linear_in_one_over_the_root():
    # 1 / sqrt(80 / 9) lies halfway between those of 20 and 5.
    way = (9**-0.5 - 20**-0.5) / (5**-0.5 - 20**-0.5)
    expected = TABLE["20"]["0.05"] + way * (TABLE["5"]["0.05"] - TABLE["20"]["0.05"])

    assert lead_of_chance(TABLE, 9, 0.05) == pytest.approx(expected)
    assert chance_of_lead(TABLE, 9, expected) == pytest.approx(0.05)


def test_past_the_table_the_tail_is_the_exponential_that_its_last_points_show():
    for lead in (15.0, 18.0):
        chance = chance_of_lead({"20": EXPONENTIAL}, 20, lead)
        assert chance == pytest.approx(exp(-lead / 2))


def test_no_chance_is_told_to_be_smaller_than_the_floor():
    assert chance_among(EXPONENTIAL, 1e6) == MIN_CHANCE_AMONG
    assert chance_of_lead(TABLE, 20, 1e6) == MIN_CHANCE


def test_a_lead_below_all_of_the_table_proves_nothing():
    assert chance_of_lead(TABLE, 20, -2.6) == 1.0


def test_of_chances_with_the_same_lead_the_greatest_is_told():
    leads = {"0.1": 1.0, "0.05": 2.0, "0.01": 2.0}

    assert chance_among(leads, 2.0) == pytest.approx(0.05)


def test_a_table_of_one_lead_has_no_tail():
    assert chance_among({"0.05": 1.0}, 100.0) == pytest.approx(0.05)
    assert lead_of_chance({"20": {"0.05": 1.0}}, 20, 1e-4) == 1.0


@given(SIZES, LEADS, LEADS)
def test_a_greater_lead_is_no_more_likely(n: int, one: float, other: float):
    low, high = sorted((one, other))

    assert chance_of_lead(TABLE, n, low) >= chance_of_lead(TABLE, n, high)


@given(SIZES, LEADS)
def test_a_chance_is_one_and_never_nothing(n: int, lead: float):
    assert MIN_CHANCE <= chance_of_lead(TABLE, n, lead) <= 1


@given(SIZES, st.floats(MIN_CHANCE, 0.5))
def test_the_chance_of_the_lead_of_a_chance_is_that_chance(n: int, chance: float):
    assert chance_of_lead(TABLE, n, lead_of_chance(TABLE, n, chance)) == pytest.approx(chance)


@given(st.integers(1, 299), LEADS)
def test_more_examples_make_the_same_lead_no_more_likely(n: int, lead: float):
    # Of what lies past the table the slopes differ with the number of examples.
    if chance_of_lead(TABLE, n, lead) >= 0.001:
        assert chance_of_lead(TABLE, n + 1, lead) <= chance_of_lead(TABLE, n, lead) + 1e-12


@given(st.lists(st.floats(MIN_CHANCE, 1), max_size=30))
def test_a_q_value_is_the_least_rate_at_which_a_chance_is_a_discovery(p: list[float]):
    def rate(cut: float) -> float:
        return min(1.0, cut * len(p) / sum(chance <= cut for chance in p))

    assert q_values(p) == pytest.approx([min(rate(c) for c in p if c >= chance) for chance in p])


def test_q_values_of_a_textbook_example():
    p = [0.01, 0.04, 0.03, 0.5]

    assert q_values(p) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])


def test_a_chance_is_told_with_three_digits():
    assert round_chance(0.0123456) == 0.0123
    assert round_chance(1.23456e-5) == 1.23e-5
