"""Feature records at the addresses where circuit-tracer's page looks for them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

HOSTS = ("https://huggingface.co/", "https://d1fk9w8oratjix.cloudfront.net/")
"""HuggingFace, and where the page looks when a repository has no index."""

_SPAN = re.compile(r"bytes=(\d+)-(\d+)")


@dataclass(frozen=True)
class Answer:
    status: int
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Hub:
    """Answers as HuggingFace does for one published `features/`, and 404 elsewhere.

    Args:
        published: Folders of `index.json.gz` and bins, by address up to `features/`.
    """

    published: Mapping[str, Path]
    parts: list[tuple[str, str]] = field(default_factory=list)
    """File and `Range` of every request for a part."""

    def answer(self, method: str, url: str, span: str | None) -> Answer:
        base, _, name = url.rpartition("/")
        folder = self.published.get(f"{base}/")
        if folder is None or not (folder / name).is_file():
            return _allow(Answer(HTTPStatus.NOT_FOUND))
        content = (folder / name).read_bytes()
        if method == "HEAD":
            return _allow(Answer(HTTPStatus.OK))
        if span is None:
            return _allow(Answer(HTTPStatus.OK, content))
        self.parts.append((name, span))
        return _allow(_cut(content, span))


def _cut(content: bytes, span: str) -> Answer:
    """Return the asked part as RFC 9110 has it: both ends included, the last one clipped."""
    asked = _SPAN.fullmatch(span)
    if asked is None:
        return Answer(HTTPStatus.BAD_REQUEST)
    start, end = int(asked[1]), min(int(asked[2]), len(content) - 1)
    if start > end:
        return Answer(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            headers={"content-range": f"bytes */{len(content)}"},
        )
    place = f"bytes {start}-{end}/{len(content)}"
    return Answer(HTTPStatus.PARTIAL_CONTENT, content[start : end + 1], {"content-range": place})


def _allow(answer: Answer) -> Answer:
    """Let a page of another host read the answer."""
    headers = {**answer.headers, "access-control-allow-origin": "*"}
    return Answer(answer.status, answer.content, headers)
