"""JSON as writers of feature files emit it."""

import json
import re
from typing import cast

import msgspec

from clerp.errors import EvidenceError

_PLACE = re.compile(r"(?P<what>.*) - at `\$\.?(?P<where>.*)`", re.DOTALL)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_BYTE = re.compile(r"\(byte (\d+)\)$")


def decode_document(raw: bytes) -> object:
    """Decode JSON as writers emit it, with NaN and Infinity; lone surrogates become U+FFFD.

    Raises:
        EvidenceError: It is cut short, no JSON, no UTF-8 or nested too deeply.
    """
    try:
        return cast(object, msgspec.json.decode(raw))
    except RecursionError as error:
        raise EvidenceError("nested too deeply") from error
    except ValueError as strict:
        try:
            return _decode_leniently(raw)
        except (ValueError, RecursionError) as lenient:
            raise EvidenceError(_describe_broken(raw, strict, lenient)) from lenient


def _decode_leniently(raw: bytes) -> object:
    document = json.loads(raw)
    text = json.dumps(document, ensure_ascii=False)
    if _SURROGATE.search(text) is None:
        return document
    # msgspec raises no error of its own at a lone surrogate where it expects anything but text.
    return json.loads(_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text))


def _describe_broken(raw: bytes, strict: ValueError, lenient: Exception) -> str:
    if not raw.strip():
        return "record is empty"
    if isinstance(lenient, UnicodeDecodeError):
        cut = lenient.reason == "unexpected end of data"
        return "record cut short" if cut else f"not UTF-8 at byte {lenient.start}"
    message = str(strict)
    if "trailing characters" in message:
        return "text after the end of the record"
    place = _BYTE.search(message)
    if message == "Input data was truncated" or (place and int(place[1]) >= len(raw)):
        return "record cut short"
    return f"not JSON at byte {place[1]}" if place else "not JSON"


def locate_fault(error: msgspec.ValidationError) -> EvidenceError:
    """Put msgspec's message the way clerp's errors read: place first."""
    place = _PLACE.fullmatch(str(error))
    what, where = (place["what"], place["where"]) if place else (str(error), "")
    return EvidenceError(what[:1].lower() + what[1:], where=where)
