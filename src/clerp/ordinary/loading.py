"""Ordinary text by its place, read once."""

from functools import cache
from pathlib import Path

from clerp.errors import MissingEvidenceError
from clerp.ordinary.contexts import OrdinaryContexts
from clerp.ordinary.counts import COUNTS_FILE, read_counts
from clerp.ordinary.means import MeansFile, name_means, read_means
from clerp.ordinary.text import OrdinaryText, index_counts
from clerp.plugins import Embedder

SHIPPED = "ordinary"
"""The text that comes with clerp."""

_DATA = Path(__file__).with_name("data")


def load_ordinary(place: str | Path = SHIPPED) -> OrdinaryText:
    """Load ordinary text; the same object for the same place as long as the process lives.

    Args:
        place: The name `ordinary`, or a folder that `clerp calibrate` wrote.

    Raises:
        MissingEvidenceError: There is none.
        EvidenceError: It is damaged, or made for another version of clerp.
    """
    return _load_text(_find_folder(place))


def load_contexts(embedder: Embedder, place: str | Path = SHIPPED) -> OrdinaryContexts:
    """Load what ordinary words stand in, as an embedder has it.

    Args:
        embedder: Of the words. The revision of its name need not be that of the file, as long as
            its vectors are.
        place: As for `load_ordinary`.

    Raises:
        MissingEvidenceError: There is nothing for this embedder.
        EvidenceError: It is damaged, or belongs to another text or other vectors.
    """
    folder = _find_folder(place)
    text = _load_text(folder)
    path = folder / name_means(embedder.name)
    if not path.is_file():
        raise MissingEvidenceError(
            f"ordinary text {text.name!r} has no contexts for the embedder {embedder.name!r}",
            remedy="Run: clerp calibrate --corpus FILE --embedder NAME --out FOLDER",
        )
    return OrdinaryContexts(text, embedder, _load_means(path))


def _find_folder(place: str | Path) -> Path:
    folder = _DATA if place == SHIPPED else Path(place).expanduser().resolve()
    if not (folder / COUNTS_FILE).is_file():
        raise MissingEvidenceError(
            f"no ordinary text in this folder, which would hold {COUNTS_FILE}",
            where=str(place),
            remedy=f"Name {SHIPPED!r}, or a folder that clerp calibrate wrote",
        )
    return folder


@cache
def _load_text(folder: Path) -> OrdinaryText:
    file = read_counts(folder)
    return index_counts(file.counts, file.digest)


@cache
def _load_means(path: Path) -> MeansFile:
    return read_means(path)
