"""Where in the HuggingFace Hub a transcoder set keeps its features."""

import re
from dataclasses import dataclass, replace
from urllib.parse import quote

from clerp.errors import UsageError

_PART = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_WRITTEN = re.compile(
    rf"(?P<repository>{_PART}/{_PART})(?://?(?P<folder>{_PART}(?:/{_PART})*))?"
    r"(?:@(?P<revision>[A-Za-z0-9][A-Za-z0-9._/-]*))?"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MOVED_TO = re.compile(rf"(?:https://[^/]+)?/(?P<repository>{_PART}/{_PART})/resolve/.*")


def is_commit(revision: str) -> bool:
    """Say whether a revision is a commit, so that what stands there never changes."""
    return _COMMIT.fullmatch(revision) is not None


def find_new_name(location: str) -> str | None:
    """Return the repository that a redirect of the Hub leads to, if it leads to one."""
    match = _MOVED_TO.fullmatch(location)
    return match["repository"] if match else None


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of a repository, at a revision: `OWNER/REPO[//SUB]@REV`."""

    repository: str
    folder: str
    """Within the repository; empty for all of it."""
    revision: str

    @classmethod
    def parse(cls, written: str) -> "Place":
        """Read `OWNER/REPO[//SUB][@REV]`, the grammar of a graph's `metadata.scan`.

        Raises:
            UsageError: It is none.
        """
        match = _WRITTEN.fullmatch(written.strip())
        if match is None or ".." in written:
            raise UsageError(
                f"{written!r} is no place in the HuggingFace Hub",
                remedy="Write huggingface:OWNER/REPO, with //SUB for a folder and @REV for a "
                "revision; for one repository a layer, all of them with commas between",
            )
        return cls(match["repository"], match["folder"] or "", match["revision"] or "main")

    def pin(self, commit: str) -> "Place":
        """Return the same place at a commit."""
        return replace(self, revision=commit)

    def locate(self, filename: str) -> str:
        """Return the address of a file of `features/`, below the Hub's own."""
        folder = f"{self.folder}/" if self.folder else ""
        revision = quote(self.revision, safe="")
        return f"/{self.repository}/resolve/{revision}/{quote(f'{folder}features/{filename}')}"

    def __str__(self) -> str:
        folder = f"//{self.folder}" if self.folder else ""
        return f"{self.repository}{folder}@{self.revision}"
