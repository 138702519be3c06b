"""A server's own words of why it refuses a request."""

import pytest

from clerp.remote import Answer
from clerp_nla.backends.refusal import read_refusal

SECRET = "open-sesame-2026"


def read(page: bytes, status: int = 400) -> str:
    return str(read_refusal(Answer(status, {}, b"", page)))


@pytest.mark.parametrize(
    ("page", "told"),
    [
        (b'{"error": "bad positions"}', "400: bad positions"),
        (b'{"detail": "no such layer", "more": 1}', "400: no such layer"),
        (b'{"error": "", "detail": "no such layer"}', "400: no such layer"),
        (b'{"detail": [{"msg": "too long"}]}', '400: {"detail": [{"msg": "too long"}]}'),
        (b'{"code": 7}', '400: {"code": 7}'),
        (b'{"error": "cut', '400: {"error": "cut'),
        (b"plain words", "400: plain words"),
        (b"see http://10.0.0.7:5009/logs", "400: see \u2026"),
        (b"[" * 4000, "400: " + "[" * 199 + "…"),
        (b"\xff why", "400: \ufffd why"),
        (b"", "400"),
        (b" \n", "400"),
    ],
)
def test_the_words_are_found_wherever_they_stand(page: bytes, told: str):
    assert read(page) == told


def test_nothing_in_them_acts_on_a_terminal_or_breaks_the_line():
    assert read(b'{"error": "no\\u001b[2J\\n\\u202etext\\u0000"}', 422) == "422: no [2J text"


def test_they_are_cut():
    assert read(b"x" * 201) == "400: " + "x" * 199 + "…"
    assert read(b"x" * 200) == "400: " + "x" * 200


def test_a_key_that_is_said_again_is_not_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CLERP_NLA_KEY", f"{SECRET}\n")
    assert read(f"key {SECRET} is old".encode()) == "400: key [key] is old"
