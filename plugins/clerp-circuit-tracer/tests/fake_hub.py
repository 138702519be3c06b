"""A loopback server with repositories in the shape of the HuggingFace Hub."""

import gzip
import json
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.loopback import Asked, Loopback, Reply, answer_file, serve

REPOSITORY = "owner/transcoders"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
LATER = "f" * 40
INDEX = "features/index.json.gz"

_RESOLVE = re.compile(r"/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")


@dataclass
class FakeHub:
    """Repositories, each with its branches and the folders of its commits."""

    server: Loopback = field(init=False)
    branches: dict[tuple[str, str], str] = field(default_factory=dict)
    commits: dict[tuple[str, str], Path] = field(default_factory=dict)

    def publish(
        self, folder: Path, *, repository: str = REPOSITORY, commit: str = COMMIT, sub: str = ""
    ) -> None:
        """Let `main` be a commit whose `features/`, below `sub`, is a folder."""
        self.branches[repository, "main"] = commit
        self.commits[repository, f"{commit}/{sub}"] = folder

    def answer(self, asked: Asked) -> Reply:
        match = _RESOLVE.fullmatch(asked.path)
        if match is None:
            return Reply(status=404)
        repository, revision = match["repository"], match["revision"]
        if repository not in {known for known, _ in self.branches}:
            return Reply(status=401, headers={"X-Error-Message": "Invalid username or password."})
        commit = self.branches.get((repository, revision), revision)
        sub, _, name = match["file"].rpartition("features/")
        folder = self.commits.get((repository, f"{commit}/{sub.rstrip('/')}"))
        if folder is None or not (folder / name).exists():
            return Reply(status=404, headers={"X-Error-Code": "EntryNotFound"})
        reply = answer_file(folder / name, asked)
        return Reply(reply.body, reply.status, {"X-Repo-Commit": commit, **reply.headers})

    @property
    def records(self) -> list[Asked]:
        """The requests for records."""
        return [asked for asked in self.server.requests if asked.range is not None]

    @property
    def n_record_bytes(self) -> int:
        return sum(last - first + 1 for first, last in filter(None, self.server.ranges))


@contextmanager
def run_hub() -> Iterator[FakeHub]:
    hub = FakeHub()
    with serve(hub.answer) as hub.server:
        yield hub


def make_record(index: int, *, word: int | None = None) -> bytes:
    """Pack a record whose only example peaks at a word of its own."""
    tokens = [f" word{index if word is None else word}", " b"]
    example = {"tokens": tokens, "tokens_acts_list": [2.0, 0.0]}
    quantiles = [{"quantile_name": "Top", "examples": [example]}]
    return pack(json.dumps({"index": index, "examples_quantiles": quantiles}).encode())


def pack(content: bytes) -> bytes:
    # Without the time: the same record has the same bytes.
    packed = gzip.compress(content, mtime=0)
    return struct.pack("<I", len(packed)) + packed


def write_bin(folder: Path, records: list[bytes], layer: int = 0) -> Path:
    """Write a folder of one layer."""
    folder.mkdir(parents=True, exist_ok=True)
    offsets = [0]
    for record in records:
        offsets.append(offsets[-1] + len(record))
    name = f"layer_{layer}.bin"
    (folder / name).write_bytes(b"".join(records))
    write_index(folder, {str(layer): {"filename": name, "offsets": offsets}})
    return folder


def write_index(folder: Path, index: object) -> None:
    raw = index if isinstance(index, bytes) else json.dumps(index).encode()
    (folder / "index.json.gz").write_bytes(gzip.compress(raw))
