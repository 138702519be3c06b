"""What Neuronpedia refuses to take in.

Written from its published checks (`graph-schema.json`, `api/graph/signed-put` and
`api/graph/save-to-db` of Neuronpedia's web application). Whether a model or a source set exists is
known to its database alone.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

MIN_BYTES = 1_024
MAX_BYTES = 100 * 2**20
"""Of an upload; Neuronpedia's Python client packs files before it sends them."""

_NAME = re.compile(r"[a-zA-Z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class _Kind:
    words: str
    fits: Callable[[object], bool]


def is_name(value: object) -> bool:
    """Say whether a value may be a slug or the id of a model."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def list_upload_faults(document: Mapping[str, Any], n_bytes: int) -> Iterator[str]:
    """Yield every rule that a graph breaks, with the place.

    Args:
        document: Parsed JSON of any shape.
        n_bytes: What would be sent.
    """
    if not MIN_BYTES <= n_bytes <= MAX_BYTES:
        yield f"the file: {n_bytes:,} bytes, where {MIN_BYTES:,} to {MAX_BYTES:,} are taken"
    yield from _check(document, _TOP, "")
    yield from _check(document.get("metadata"), _METADATA, "metadata", _METADATA_MORE)
    yield from _check(_find(document, "metadata", "info"), {}, "metadata.info", _INFO)
    yield from _check(document.get("qParams"), {}, "qParams", _SETTINGS)
    for key, rules in (("nodes", _NODE), ("links", _LINK)):
        for i, record in enumerate(_as_list(document.get(key))):
            yield from _check_object(record, rules, f"{key}[{i}]")


def _check_object(record: object, rules: dict[str, _Kind], where: str) -> Iterator[str]:
    if _OBJECT.fits(record):
        yield from _check(record, rules, where)
    else:
        yield f"{where}: expected {_OBJECT.words}, got {_describe(record)}"


def _check(
    record: object,
    required: dict[str, _Kind],
    where: str,
    optional: dict[str, _Kind] | None = None,
) -> Iterator[str]:
    """Yield faults in the keys of an object; that it is one is for its parent to say."""
    if not isinstance(record, Mapping):
        return
    values = cast("Mapping[str, object]", record)
    for key, kind in (required | (optional or {})).items():
        place = f"{where}.{key}".lstrip(".")
        if key not in values:
            if key in required:
                yield f"{place}: missing"
        elif not kind.fits(values[key]):
            yield f"{place}: expected {kind.words}, got {_describe(values[key])}"


def _find(document: Mapping[str, Any], *keys: str) -> object:
    found: object = document
    for key in keys:
        found = cast("Mapping[str, object]", found).get(key) if isinstance(found, Mapping) else None
    return found


def _as_list(value: object) -> Sequence[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _describe(value: object) -> str:
    match value:
        case None:
            return "null"
        case str():
            return repr(value if len(value) <= 40 else f"{value[:39]}…")
        case bool() | int() | float():
            return str(value).lower()
        case list():
            return "an array with something else" if value else "an empty array"
        case _:
            return "an object"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return _is_number(value) and float(cast(float, value)).is_integer()


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, cast("list[object]", value)))


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_texts, cast("list[object]", value)))


_TEXT = _Kind("text", _is_text)
_TEXTS = _Kind("an array of texts", _is_texts)
_NUMBER = _Kind("a number", _is_number)
_WHOLE = _Kind("a whole number", _is_whole)
_OBJECT = _Kind("an object", lambda value: isinstance(value, Mapping))
_ARRAY = _Kind("an array", lambda value: isinstance(value, list))
_ARRAYS = _Kind("an array of arrays of texts", _are_texts)
_LETTERS = _Kind("letters, digits and _ . -", is_name)

_TOP = {"metadata": _OBJECT, "qParams": _OBJECT, "nodes": _ARRAY, "links": _ARRAY}
_METADATA = {"slug": _LETTERS, "scan": _LETTERS, "prompt_tokens": _TEXTS, "prompt": _TEXT}
_METADATA_MORE = {"node_threshold": _NUMBER, "info": _OBJECT}
_INFO = {
    "creator_name": _TEXT,
    "creator_url": _TEXT,
    "source_urls": _TEXTS,
    "transcoder_set": _TEXT,
    "neuronpedia_source_set": _TEXT,
    "neuronpedia_link": _TEXT,
    "generator": _OBJECT,
    "create_time_ms": _NUMBER,
}
_SETTINGS = {"pinnedIds": _TEXTS, "supernodes": _ARRAYS, "clerps": _ARRAYS}
_NODE = {
    "node_id": _TEXT,
    "feature": _Kind("a whole number or null", lambda value: value is None or _is_whole(value)),
    "layer": _Kind("text or a whole number", lambda value: _is_text(value) or _is_whole(value)),
    "ctx_idx": _WHOLE,
    "feature_type": _TEXT,
    "jsNodeId": _TEXT,
    "clerp": _TEXT,
}
_LINK = {"source": _TEXT, "target": _TEXT, "weight": _NUMBER}
