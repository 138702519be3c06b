"""Feature records at the addresses where circuit-tracer's page looks for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.loopback import Asked, Reply, answer_file, not_found

HOSTS = ("https://huggingface.co/", "https://d1fk9w8oratjix.cloudfront.net/")
"""HuggingFace, and where the page looks when a repository has no index."""


@dataclass(frozen=True)
class Answer:
    status: int
    content: bytes
    headers: Mapping[str, str]


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
        reply = self._reply(Asked(method, url, {"range": span or ""}))
        # The page complains of an error with a text that is no JSON.
        content = reply.body if reply.status < 400 and method != "HEAD" else b""
        # A page of another host may read it.
        return Answer(reply.status, content, {**reply.headers, "Access-Control-Allow-Origin": "*"})

    def _reply(self, asked: Asked) -> Reply:
        base, _, name = asked.path.rpartition("/")
        folder = self.published.get(f"{base}/")
        if folder is None:
            return not_found(asked)
        if asked.headers["range"] and (folder / name).is_file():
            self.parts.append((name, asked.headers["range"]))
        return answer_file(folder / name, asked)
