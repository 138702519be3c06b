"""Turns of requests, which runs of one machine share."""

from pathlib import Path

import pytest

from clerp.errors import EvidenceError
from clerp.remote import open_cache
from clerp_nla.backends.pace import AT_ONCE, HOUR, PER_HOUR, SECONDS_BETWEEN, Pace

START = 1_000_000.0


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLERP_CACHE", str(tmp_path))


def make(now: list[float]) -> Pace:
    return Pace("https://h", lambda: now[0])


def test_turns_come_at_once_and_then_one_by_one():
    now = [START]
    waits = [make(now).find_wait() for _ in range(AT_ONCE + 2)]
    assert waits == [0.0] * AT_ONCE + [SECONDS_BETWEEN, 2 * SECONDS_BETWEEN]
    now[0] += 2 * HOUR
    assert make(now).find_wait() == 0.0


def test_no_hour_has_more_requests_than_the_limit_whoever_asks():
    now = [START]
    starts: list[float] = []
    for number in range(3 * PER_HOUR):
        # Every one is another run; some come after a pause.
        now[0] += 1900.0 if number % 150 == 149 else 0.0
        now[0] += make(now).find_wait()
        starts.append(now[0])
    busiest = max(sum(start <= one < start + HOUR for one in starts) for start in starts)
    assert PER_HOUR - AT_ONCE <= busiest <= PER_HOUR


def test_another_server_has_turns_of_its_own():
    now = [START]
    for _ in range(AT_ONCE):
        make(now).find_wait()
    assert Pace("https://other", lambda: now[0]).find_wait() == 0.0


def test_a_clock_that_was_put_back_stops_nobody():
    now = [START]
    for _ in range(AT_ONCE + 1):
        make(now).find_wait()
    now[0] -= 3 * HOUR
    assert make(now).find_wait() == 0.0


@pytest.mark.parametrize("content", [b"{", b"7", b'["a"]', b"[null]", b"\xff", b"[" * 100_000])
def test_turns_that_cannot_be_read_are_told(content: bytes):
    with open_cache() as cache:
        cache.put("nla-turns/https://h", content)
    with pytest.raises(EvidenceError, match="turns that cannot be read"):
        make([START]).find_wait()
