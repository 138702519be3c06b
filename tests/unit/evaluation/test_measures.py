from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.evaluation.annotated import part, repeat

from clerp.evaluation.measures import (
    ROLES,
    encode,
    measure_accuracy,
    measure_kappa,
    measure_macro_f1,
    tally,
)
from clerp.router import Role

ROLE = st.sampled_from(ROLES)
PAIRS = st.lists(st.tuples(ROLE, ROLE), min_size=1, max_size=40)
MEASURES = (measure_accuracy, measure_macro_f1, measure_kappa)


def count(truth: list[Role], found: list[Role]) -> np.ndarray:
    return tally(encode(truth), encode(found), np.ones((1, len(truth))))


def measure(truth: list[Role], found: list[Role]) -> list[float]:
    confusion = count(truth, found)
    return [float(how(confusion)[0]) for how in MEASURES]


def test_a_small_case_by_hand() -> None:
    truth = repeat("input", 6) + repeat("output", 3) + repeat("cross", 1)
    found = truth[:5] + truth[6:9] + repeat("input", 1) + repeat("obscure", 1)
    # input: precision 5/6, recall 5/6; output: 2/3 and 2/3; cross is never found. Chance agreement
    # is (6 * 6 + 3 * 3) / 100.
    assert measure(truth, found) == pytest.approx(
        [0.7, (5 / 6 + 2 / 3 + 0) / 3, (0.7 - 0.45) / (1 - 0.45)]
    )


def test_agreement_below_chance_has_a_negative_kappa() -> None:
    assert measure(["input", "output"], ["output", "input"]) == pytest.approx([0.0, 0.0, -1.0])


def test_a_role_that_is_found_and_never_true_takes_no_part_in_macro_f1() -> None:
    _, macro_f1, _ = measure(repeat("input", 4), ["input", "input", "obscure", "cross"])
    assert macro_f1 == pytest.approx(2 * 2 / (4 + 2))


@given(st.lists(ROLE, min_size=2, max_size=40).filter(lambda roles: len(set(roles)) > 1))
def test_equal_roles_agree_fully(truth: list[Role]) -> None:
    assert measure(truth, list(truth)) == pytest.approx([1.0, 1.0, 1.0])


@given(st.lists(ROLE, min_size=1, max_size=40), ROLE)
def test_one_role_for_everything_has_no_kappa(truth: list[Role], role: Role) -> None:
    assert measure(truth, repeat(role, len(truth)))[2] == 0


@given(PAIRS, st.randoms(use_true_random=False))
def test_the_order_of_features_changes_nothing(
    pairs: list[tuple[Role, Role]], random: Random
) -> None:
    shuffled = random.sample(pairs, len(pairs))
    one, other = (measure(*part(some)) for some in (pairs, shuffled))
    assert one == other


@given(PAIRS)
def test_kappa_and_accuracy_do_not_ask_which_side_is_true(pairs: list[tuple[Role, Role]]) -> None:
    truth, found = part(pairs)
    one, other = measure(truth, found), measure(found, truth)
    assert (one[0], one[2]) == pytest.approx((other[0], other[2]))


@given(PAIRS)
def test_measures_stay_in_their_range(pairs: list[tuple[Role, Role]]) -> None:
    accuracy, macro_f1, kappa = measure(*part(pairs))
    assert 0 <= accuracy <= 1
    assert 0 <= macro_f1 <= 1
    assert -1 <= kappa <= 1


@given(PAIRS, st.integers(2, 4))
def test_a_weight_counts_as_so_many_features(pairs: list[tuple[Role, Role]], times: int) -> None:
    truth, found = part(pairs)
    weighted = tally(encode(truth), encode(found), np.full((1, len(pairs)), float(times)))
    np.testing.assert_array_equal(weighted, count(truth * times, found * times))
    assert weighted.sum() == times * len(pairs)


def test_rows_are_true_and_columns_found() -> None:
    (confusion,) = count(["cross", "cross"], ["input", "input"])
    assert confusion[ROLES.index("cross"), ROLES.index("input")] == 2
    assert confusion.sum() == 2
