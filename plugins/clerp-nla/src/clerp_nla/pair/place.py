"""Where a pair is: a folder with both halves, or two repositories of the HuggingFace Hub."""

import hashlib
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from clerp.errors import InputError, UsageError, VerbalizerError

ACTOR, CRITIC = "av", "ar"

_REFERENCE = re.compile(
    r"(?P<name>[\w.-]+/[\w.-]+)(@(?P<actor>[\w.-]+)(\+(?P<critic>[\w.-]+))?)?", re.ASCII
)
# No code and no pickles; of a critic the value head is a safetensors file too.
_FILES = ("*.json", "*.jinja", "*.model", "*.safetensors", "*.txt", "nla_meta.yaml")
_CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class Place:
    """Both halves on this machine."""

    name: str
    """For records: the name on the Hub or of the folder, never a path."""
    actor: Path
    critic: Path
    folder: Path | None
    """That holds both; None for a pair of the Hub."""
    commits: tuple[str, ...] = ()
    """Of the repositories; empty for a folder."""

    def find_revision(self) -> str:
        """Return the commits, or a sha256 in hex of all files that count; that reads them all."""
        return "+".join(self.commits) or hash_folders(self.actor, self.critic)


def find_place(place: str) -> Place:
    """Find a pair, and fetch it from the Hub where it is no folder.

    `owner/name` stands for the repositories `owner/name-av` and `owner/name-ar`, as the released
    pairs are called. After an `@` comes a branch, tag or commit of both, or the actor's and the
    critic's with a `+` between them, as records have the commits of a pair.

    Raises:
        UsageError: It is neither a folder nor a name on the Hub.
        InputError: The folder lacks a half.
        VerbalizerError: The Hub does not give it, or cannot be reached.
    """
    folder = Path(place).expanduser()
    if folder.is_dir():
        folder = folder.resolve()
        for half in (ACTOR, CRITIC):
            if not (folder / half).is_dir():
                raise InputError(
                    f"no {half}/: a pair is a folder with {ACTOR}/ and {CRITIC}/",
                    where=str(folder),
                )
        return Place(folder.name, folder / ACTOR, folder / CRITIC, folder)
    found = _REFERENCE.fullmatch(place)
    if not found:
        raise UsageError(
            "neither a folder nor OWNER/NAME or OWNER/NAME@REVISION",
            where=place,
            remedy=f"Name a folder with {ACTOR}/ and {CRITIC}/, or a pair on HuggingFace without "
            f"its ending -{ACTOR}: kitft/nla-qwen2.5-7b-L20",
        )
    name, revision = found["name"], found["actor"]
    actor = fetch_repository(f"{name}-{ACTOR}", revision)
    critic = fetch_repository(f"{name}-{CRITIC}", found["critic"] or revision)
    return Place(place, actor, critic, None, (actor.name, critic.name))


def fetch_repository(repository: str, revision: str | None = None) -> Path:
    """Fetch what is still missing of a model, or return what is here if nobody answers.

    Neither code nor pickles are fetched. The folder is called by its commit.

    Args:
        repository: Its name.
        revision: Branch, tag or commit; None takes the newest commit.

    Raises:
        VerbalizerError: There is nothing here, or a file cannot be fetched.
    """
    import httpx
    from huggingface_hub import snapshot_download

    fetch = partial(
        snapshot_download,
        repository,
        revision=revision,
        allow_patterns=list(_FILES),
        ignore_patterns=["*/*"],
    )
    with _explaining(repository):
        try:
            return Path(fetch())
        except httpx.TransportError:
            # Version 1 of the library looks at what is here after some of these only.
            return Path(fetch(local_files_only=True))


@contextmanager
def _explaining(repository: str) -> Generator[None]:
    import httpx
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        yield
    except LocalEntryNotFoundError as fault:
        raise VerbalizerError(
            f"{repository!r} is not on this machine, and the Hub cannot be reached",
            remedy="Name a folder, or try again with a connection",
        ) from fault
    # A lost connection is an OSError in the requests of version 0 and another error in version 1.
    except (OSError, httpx.HTTPError, HFValidationError) as fault:
        reason = " ".join(str(fault).split())[:300]
        raise VerbalizerError(
            f"the Hub does not give {repository!r}: {reason}",
            remedy="Check the name; for a private or gated repository set HF_TOKEN",
        ) from fault


def hash_folders(*folders: Path) -> str:
    """Return a sha256 in hex of all files of models that count; it reads them whole."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted({path for kind in _FILES for path in folder.glob(kind)}):
            size = path.stat().st_size
            digest.update(f"{folder.name}/{path.name}:{size}:".encode())
            with path.open("rb") as opened:
                while chunk := opened.read(_CHUNK):
                    digest.update(chunk)
    return digest.hexdigest()
