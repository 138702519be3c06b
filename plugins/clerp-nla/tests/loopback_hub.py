"""A loopback server with models in the shape of the HuggingFace Hub."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import huggingface_hub
import pytest
from tests.loopback import Asked, Loopback, Reply, answer_file, serve

# Version 1 of the library asks for the tree beside the revision.
_LIST = re.compile(
    r"/api/models/(?P<repository>[^/]+/[^/]+)/(?P<what>revision|tree)/(?P<revision>[\w.]+)(\?.*)?"
)
_RESOLVE = re.compile(r"/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")


@dataclass
class Hub:
    """Repositories, each with one commit."""

    server: Loopback = field(init=False)
    repositories: dict[str, tuple[str, Path]] = field(default_factory=dict)

    def publish(self, repository: str, folder: Path, commit: str) -> None:
        self.repositories[repository] = commit, folder

    @property
    def fetched(self) -> set[str]:
        """The files that were asked for."""
        found = (_RESOLVE.fullmatch(path) for path in self.server.paths)
        return {match["file"] for match in found if match}

    def answer(self, asked: Asked) -> Reply:
        listed, resolved = _LIST.fullmatch(asked.path), _RESOLVE.fullmatch(asked.path)
        match = listed or resolved
        if match is None or match["repository"] not in self.repositories:
            # What the Hub says of repositories that are private and of those that are not there.
            return Reply(status=401, headers={"X-Error-Message": "Invalid username or password."})
        commit, folder = self.repositories[match["repository"]]
        if listed:
            return Reply(json.dumps(_list_files(listed, commit, folder)).encode())
        path = folder / match["file"]
        if not path.is_file():
            return Reply(status=404, headers={"X-Error-Code": "EntryNotFound"})
        tag = f'"{commit}-{match["file"].replace("/", "-")}"'
        return answer_file(path, asked, **{"ETag": tag, "X-Repo-Commit": commit})


def _list_files(listed: re.Match[str], commit: str, folder: Path) -> object:
    paths = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    if listed["what"] == "tree":
        return [
            {"type": "file", "path": name, "size": path.stat().st_size, "oid": commit}
            for name, path in paths.items()
        ]
    siblings = [{"rfilename": name} for name in paths]
    return {"id": listed["repository"], "sha": commit, "siblings": siblings}


@contextmanager
def run_hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Let huggingface_hub ask a new hub, and keep what it fetches in a folder."""
    hub = Hub()
    forget_connections()
    with serve(hub.answer) as hub.server:
        address = hub.server.address
        # The library reads its environment once, when something imports it first.
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        # Version 0 keeps a copy of it elsewhere.
        for module in (huggingface_hub.constants, huggingface_hub.file_download):
            monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
        # Its first tries are enough: nothing changes while it waits.
        monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
        yield hub
        forget_connections()


def forget_connections() -> None:
    """Drop what was connected before, and what it was told of being offline."""
    from huggingface_hub.utils import _http

    # The names in versions 0 and 1.
    for name in ("reset_sessions", "close_session"):
        if hasattr(_http, name):
            getattr(_http, name)()
