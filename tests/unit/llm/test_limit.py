from itertools import pairwise

import pytest

from clerp.llm.limit import AdaptiveLimit


def fill(limit: AdaptiveLimit) -> list[int]:
    """Begin what there is room for; return the rounds."""
    rounds: list[int] = []
    while limit.has_room:
        rounds.append(limit.begin())
    return rounds


def settle(most: int, period: int, *, rounds: int = 400) -> float:
    """Return the mean limit where every `period`th reply is busy."""
    limit, n, seen = AdaptiveLimit(most), 0, 0
    for _ in range(rounds):
        for begun_in in fill(limit):
            n += 1
            limit.end()
            (limit.note_answer if n % period else limit.note_busy)(begun_in)
        seen += limit.value
    return seen / rounds


def test_it_starts_at_the_most_and_never_exceeds_it():
    limit = AdaptiveLimit(8)
    rounds = fill(limit)
    assert len(rounds) == 8
    for begun_in in rounds:
        limit.note_answer(begun_in)
    assert limit.value == 8


def test_a_burst_of_busy_replies_lowers_it_once():
    limit = AdaptiveLimit(64)
    rounds = fill(limit)
    limit.note_busy(rounds[0])
    lowered = limit.value
    for begun_in in rounds[1:]:
        limit.note_busy(begun_in)
    assert lowered < 64
    assert limit.value == lowered


def test_answers_of_the_round_before_do_not_raise_it():
    limit = AdaptiveLimit(64)
    first, second, *_ = fill(limit)
    limit.note_busy(first)
    lowered = limit.value
    limit.note_answer(second)
    assert limit.value == lowered


def test_where_all_is_refused_it_halves_down_to_one():
    limit = AdaptiveLimit(64)
    values: list[int] = []
    for _ in range(30):
        for begun_in in fill(limit):
            limit.note_busy(begun_in)
            limit.end()
        values.append(limit.value)
    assert values[-1] == 1
    assert all(later <= earlier for earlier, later in pairwise(values))
    assert limit.has_room


def test_answers_double_it_in_a_round():
    limit = AdaptiveLimit(64)
    for _ in range(30):
        for begun_in in fill(limit):
            limit.note_busy(begun_in)
            limit.end()
    values: list[int] = []
    for _ in range(7):
        for begun_in in fill(limit):
            limit.note_answer(begun_in)
            limit.end()
        values.append(limit.value)
    assert values == [2, 4, 8, 16, 32, 64, 64]


def test_a_limit_that_was_not_reached_is_lowered_from_what_was_under_way():
    limit = AdaptiveLimit(64)
    begun = [limit.begin() for _ in range(4)]
    limit.note_busy(begun[0])
    assert limit.value < 4


@pytest.mark.parametrize(("period", "least", "most"), [(100, 60, 64), (5, 4, 48), (2, 1, 8)])
def test_the_more_is_refused_the_lower_it_settles(period: int, least: int, most: int):
    assert least <= settle(64, period) <= most
