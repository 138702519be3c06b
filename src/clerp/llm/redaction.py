"""Other people's text without keys."""

import logging
import os
import re

MAX_FAULT_CHARS = 200

_KEY = re.compile(r"\b(?:sk|pk|rk|gsk|xai|hf|AIza)[-_]?[A-Za-z0-9_*.-]{8,}|Bearer\s+\S+")
_SECRET_NAME = re.compile(
    r"(?:APIKEY|_KEY|_KEY_ID|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS|JWT)$", re.IGNORECASE
)
# What is shorter is a stand-in, such as the `ollama` that its clients want to be given.
_MIN_SECRET_CHARS = 8


def redact(text: str) -> str:
    """Make one short line of a provider's text, without anything that looks like a key.

    Takes out the secrets of the environment, and tokens of the forms that providers give keys.
    """
    return write_line(_KEY.sub("[key]", hide_keys(text)), MAX_FAULT_CHARS)


def hide_keys(text: str) -> str:
    """Take the secrets of the environment out of a text, and leave the rest of it as it is.

    They are the values of variables whose names end as in `OPENAI_API_KEY` or `HF_TOKEN`.
    """
    for secret in _list_secrets():
        text = text.replace(secret, "[key]")
    return text


def redact_record(record: logging.LogRecord) -> bool:
    """Take secrets out of what another library logs: a filter that lets every record pass."""
    record.msg, record.args = hide_keys(record.getMessage()), None
    return True


def write_line(text: str, max_chars: int) -> str:
    """Make one line of a text, of printable characters and at most so many."""
    line = fold_line(text)
    return line if len(line) <= max_chars else line[: max_chars - 1] + "…"


def fold_line(text: str) -> str:
    """Make one line of a text, of printable characters, with single spaces."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _list_secrets() -> list[str]:
    # One that was read from a file ends in a line break, and is sent without.
    named = {os.environ[name].strip() for name in os.environ if _SECRET_NAME.search(name)}
    # A secret may be part of another one.
    return sorted((v for v in named if len(v) >= _MIN_SECRET_CHARS), key=len, reverse=True)
