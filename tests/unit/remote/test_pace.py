import pytest

from clerp.remote.pace import LEAST_SPEED, Pace
from clerp.remote.patience import TransientError


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_an_exchange_has_twice_the_timeout_from_when_it_is_first_read(clock):
    pace = Pace(30.0, "here", clock)
    clock.now += 500
    assert pace.measure_left() == 60.0
    clock.now += 59
    assert pace.measure_left() == 1.0
    clock.now += 1
    with pytest.raises(TransientError, match="here: the answer came too slowly"):
        pace.measure_left()


def test_an_answer_that_comes_fast_enough_may_take_as_long_as_it_needs(clock):
    pace = Pace(30.0, "here", clock)
    for _ in range(1000):
        assert pace.measure_left() == 60.0
        pace.count(LEAST_SPEED)
        clock.now += 1
