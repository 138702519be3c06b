"""Models by argument: the packaged one, folders, and repositories of the HuggingFace Hub."""

import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from clerp.errors import PluginError
from clerp_sentence_transformers import minilm
from clerp_sentence_transformers.digest import digest_folder
from clerp_sentence_transformers.hub import MODULES, fetch_model, fetch_modules

_REPOSITORY = re.compile(r"[\w-][\w.-]{0,95}/[\w-][\w.-]{0,95}", re.ASCII)
_MAX_MODULES_BYTES = 1 << 20
_OWN_MODULES = "sentence_transformers."
_PREFIX = 12


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """all-MiniLM-L6-v2."""

    name: str = minilm.NAME
    """What outputs call it; never a path of this machine."""
    revision: str = minilm.DIGESTS[minilm.WEIGHTS][:_PREFIX]
    """Start of the sha256 of its weights."""

    def bring(self) -> Path:
        """Return its folder.

        Raises:
            PluginError: A file in it is not as it was published.
        """
        return minilm.check_folder()


@dataclass(frozen=True, slots=True)
class SavedModel:
    """A model in a folder."""

    name: str
    """Name of the folder, without its path."""
    revision: str
    """Start of a sha256 of all its files."""
    folder: Path

    def bring(self) -> Path:
        """Return its folder."""
        return self.folder


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model of the HuggingFace Hub, at one commit."""

    name: str
    """`OWNER/NAME`."""
    commit: str

    @property
    def revision(self) -> str:
        """Start of the commit."""
        return self.commit[:_PREFIX]

    def bring(self) -> Path:
        """Fetch what is not here yet, and return the folder where it is kept.

        Raises:
            PluginError: It cannot be fetched.
        """
        return fetch_model(self.name, self.commit)


Model = PackagedModel | SavedModel | HubModel


class _Module(msgspec.Struct):
    type: str


def find_model(argument: str) -> Model:
    """Find the model that an argument names; its weights are not brought yet.

    Raises:
        PluginError: There is none, or it has code of its own.
    """
    if argument in ("", "minilm"):
        return PackagedModel()
    folder = Path(argument).expanduser()
    if _REPOSITORY.fullmatch(argument) and not folder.is_dir():
        return _find_on_hub(argument)
    return _find_folder(folder)


def _find_on_hub(repository: str) -> HubModel:
    modules = fetch_modules(repository)
    _check_modules(modules, repository)
    return HubModel(repository, modules.parent.name)


def _find_folder(folder: Path) -> SavedModel:
    try:
        _check_modules(folder / MODULES, str(folder))
        # However it is named: `.` has no name.
        folder = folder.resolve()
        return SavedModel(folder.name, digest_folder(folder)[:_PREFIX], folder)
    except (OSError, ValueError) as fault:
        raise _unusable(fault, str(folder)) from fault


def _check_modules(path: Path, where: str) -> None:
    """Refuse what is not sentence-transformers' own, which it would import from a folder."""
    with path.open("rb") as file:
        content = file.read(_MAX_MODULES_BYTES)
    try:
        modules = msgspec.json.decode(content, type=list[_Module])
    except msgspec.DecodeError as fault:
        raise _unusable(f"{MODULES}: {fault}", where) from fault
    foreign = sorted({m.type for m in modules if not m.type.startswith(_OWN_MODULES)})
    if foreign:
        raise PluginError(
            f"the model has code of its own, which is not run: {', '.join(foreign)[:200]}",
            where=where,
            remedy=f"Name a model whose {MODULES} lists modules of sentence-transformers only",
        )


def _unusable(why: object, where: str) -> PluginError:
    return PluginError(
        f"this is no sentence-transformers model: {str(why)[:200]}",
        where=where,
        remedy="Name a folder that SentenceTransformer.save wrote, OWNER/NAME or minilm",
    )
