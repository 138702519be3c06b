"""Where an export's files are: one folder for each source, as they are in Neuronpedia's bucket.

The bucket `neuronpedia-datasets` has `v1/MODEL/LAYER-SET/` with `features/`, `activations/` and
`explanations/`, each of `batch-N.jsonl.gz`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from glob import has_magic
from itertools import islice
from pathlib import Path

from clerp.errors import EvidenceError
from clerp.evidence.storage import describe
from clerp_neuronpedia.explanations import MAX_NAME_CHARS, clean_line
from clerp_neuronpedia.export_lines import read_lines
from clerp_neuronpedia.feature_row import Identity
from clerp_neuronpedia.spill import Part

_SOURCE = re.compile(r"(?P<layer>[0-9]{1,18})-(?P<set>.+)", re.DOTALL)
# From the bucket's root: v1, model, source.
_DEPTH = 3
# A file that is no export shows within so many lines.
_TRIED_LINES = 100
_EXPECTED = (
    "Expected a folder with activations/batch-N.jsonl.gz, features/ and explanations/, or a folder "
    "above such folders"
)


@dataclass(frozen=True, slots=True)
class SourceFolder:
    """The files of one layer."""

    path: Path
    identity: Identity
    """Of its first row that has the folder's name, where that is one of a source, as its own."""
    layer: int
    source_set: str
    """`MODEL/SET`."""

    @property
    def name(self) -> str:
        """What a reason calls the source."""
        return clean_line(self.identity.layer, MAX_NAME_CHARS)

    def owns(self, row: Identity) -> bool:
        """Say whether a row is of this source."""
        return (row.model_id, row.layer) == (self.identity.model_id, self.identity.layer)


def list_files(folder: Path, part: Part) -> list[Path]:
    """List the files of one part by name; one that is there packed and unpacked counts once."""
    packed = sorted((folder / part).glob("*.jsonl.gz"))
    plain = sorted((folder / part).glob("*.jsonl"))
    return packed + [path for path in plain if path.with_name(f"{path.name}.gz") not in packed]


def find_sources(argument: str) -> dict[int, SourceFolder]:
    """Find the folder of each layer.

    Args:
        argument: A source's folder, or a folder above such folders; its last part may be a
            pattern, `*-clt-hp`.

    Raises:
        EvidenceError: There is none, its rows are not Neuronpedia's, they are of several source
            sets, or of one layer twice.
    """
    folders = [folder for given in _expand(argument) for folder in _find_folders(given, _DEPTH)]
    sources = [source for folder in folders if (source := _open_source(folder)) is not None]
    if not sources:
        raise EvidenceError("no export of Neuronpedia", where=argument, remedy=_EXPECTED)
    _check_one_set(sources)
    by_layer = {source.layer: source for source in sources}
    if len(by_layer) < len(sources):
        raise EvidenceError(
            "two folders are of the same layer",
            where=", ".join(str(source.path) for source in sources),
            remedy="Name one of them",
        )
    return by_layer


def _expand(argument: str) -> list[Path]:
    path = Path(argument).expanduser()
    if not has_magic(path.name) or path.exists():
        return [path]
    return sorted(path.parent.glob(path.name))


def _find_folders(folder: Path, depth: int) -> list[Path]:
    try:
        if (folder / "activations").is_dir():
            return [folder]
        inside = sorted(path for path in folder.iterdir() if path.is_dir()) if depth else []
    except (OSError, ValueError) as error:
        raise EvidenceError(describe(error), where=str(folder), remedy=_EXPECTED) from error
    return [found for path in inside for found in _find_folders(path, depth - 1)]


def _open_source(folder: Path) -> SourceFolder | None:
    """Read from the activations whose they are; None where there are none."""
    n_lines, stranger = 0, None
    for path in list_files(folder, "activations"):
        for line in islice(read_lines(path), _TRIED_LINES):
            n_lines += 1
            source = _name_source(folder, line.identity)
            if source is not None and _is_named_after(folder, source):
                return source
            stranger = stranger or source
    if stranger is not None:
        raise EvidenceError(
            f"holds rows of {stranger.name}",
            where=str(folder),
            remedy="Give the folder the name of the source that it holds",
        )
    if n_lines:
        raise EvidenceError(
            "no line with modelId, layer and index", where=str(folder), remedy=_EXPECTED
        )
    return None


def _is_named_after(folder: Path, source: SourceFolder) -> bool:
    return _SOURCE.fullmatch(folder.name) is None or folder.name == source.identity.layer


def _name_source(folder: Path, identity: Identity | None) -> SourceFolder | None:
    match = _SOURCE.fullmatch(identity.layer) if identity is not None else None
    if identity is None or match is None:
        return None
    # Shown as part of the source's name.
    model, name = (clean_line(text, MAX_NAME_CHARS) for text in (identity.model_id, match["set"]))
    return SourceFolder(folder, identity, int(match["layer"]), f"{model}/{name}")


def _check_one_set(sources: Sequence[SourceFolder]) -> None:
    names = sorted({source.source_set for source in sources})
    if len(names) > 1:
        raise EvidenceError(
            f"exports of {len(names)} source sets: {', '.join(names[:5])}",
            where=str(sources[0].path.parent),
            remedy="Name one of them by a pattern: neuronpedia-export:FOLDER/*-SET",
        )
