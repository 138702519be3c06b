import pytest

from clerp.llm.breaker import Breaker

NEVER = float("-inf")


@pytest.fixture
def breaker() -> Breaker:
    return Breaker(failures=3, rest=30.0, openings=2)


def fail(
    breaker: Breaker,
    now: float,
    *,
    times: int = 1,
    is_probe: bool = False,
    is_known: bool = True,
    is_last: bool = False,
) -> None:
    for _ in range(times):
        breaker.note_failure(now, is_probe=is_probe, is_known=is_known, is_last=is_last)


def test_too_few_failures_leave_it_closed(breaker: Breaker):
    fail(breaker, 1.0, times=2)
    assert (breaker.is_open, breaker.rests_until, breaker.begin()) == (False, NEVER, False)


def test_an_answer_starts_the_count_again(breaker: Breaker):
    fail(breaker, 1.0, times=2)
    breaker.note_answer()
    fail(breaker, 2.0, times=2)
    assert not breaker.is_open


def test_failures_in_a_row_open_it_for_a_rest(breaker: Breaker):
    fail(breaker, 1.0, times=3)
    assert (breaker.is_open, breaker.rests_until, breaker.gives_up) == (True, 31.0, False)


def test_what_was_under_way_when_it_opened_does_not_prolong_the_rest(breaker: Breaker):
    fail(breaker, 1.0, times=3)
    fail(breaker, 5.0, times=60)
    assert (breaker.rests_until, breaker.gives_up) == (31.0, False)


def test_one_probe_is_under_way_until_it_ends(breaker: Breaker):
    fail(breaker, 1.0, times=3)
    assert not breaker.is_probing
    assert breaker.begin()
    assert breaker.is_probing
    breaker.end_probe()
    assert not breaker.is_probing


def test_an_answer_closes_it_and_ends_the_rest(breaker: Breaker):
    fail(breaker, 1.0, times=3)
    breaker.note_answer()
    assert (breaker.is_open, breaker.rests_until, breaker.begin()) == (False, NEVER, False)


def test_a_probe_that_fails_opens_it_again_until_it_gives_up(breaker: Breaker):
    fail(breaker, 1.0, times=3)
    fail(breaker, 31.0, is_probe=breaker.begin())
    assert (breaker.rests_until, breaker.gives_up) == (61.0, True)


def test_openings_with_an_answer_in_between_are_not_added_up(breaker: Breaker):
    for _ in range(5):
        fail(breaker, 1.0, times=3)
        breaker.note_answer()
    fail(breaker, 1.0, times=3)
    assert not breaker.gives_up


def test_a_provider_that_was_never_there_is_given_up_once_nothing_is_under_way(breaker: Breaker):
    fail(breaker, 1.0, times=3, is_known=False)
    assert not breaker.gives_up
    fail(breaker, 1.0, is_known=False, is_last=True)
    assert breaker.gives_up


def test_a_single_failure_gives_nothing_up(breaker: Breaker):
    fail(breaker, 1.0, is_known=False, is_last=True)
    assert not breaker.gives_up
