"""Where the command line writes each graph."""

from collections.abc import Sequence
from pathlib import Path

from clerp.errors import OutputError, UsageError
from clerp.graph import check_destination, name_stem
from clerp.targets import find_target


def choose_destinations(
    graphs: Sequence[Path],
    out: Path | None,
    *,
    into_folder: bool = False,
    target: str | None = None,
    ending: str = "labeled",
) -> list[Path]:
    """Name a file for every graph.

    Args:
        graphs: Files that are read.
        out: A file or a folder; None writes beside each graph.
        into_folder: `out` is meant as a folder, also where there is none yet.
        target: What is to open them, which says the suffix.
        ending: What names end with before the suffix.

    Raises:
        UsageError: Two graphs would be written to one file, or several to what is no folder; or
            there is no such target.
    """
    suffix = find_target(target).suffix if target else ".json"
    if out is not None and len(graphs) == 1 and not into_folder and not _is_folder(out):
        return [out]
    if out is not None and out.is_file():
        raise UsageError(
            "this is a file, where a folder is needed", where=str(out), remedy="Name a folder"
        )
    destinations = [
        (out or graph.parent) / f"{_name_plainly(graph, ending)}.{ending}{suffix}"
        for graph in graphs
    ]
    for i, destination in enumerate(destinations):
        if destination in destinations[:i]:
            raise UsageError(
                "two graphs would be written here",
                where=str(destination),
                remedy="Label them apart, or rename one",
            )
    return destinations


def check_destinations(destinations: Sequence[Path], out: Path | None, target: str | None) -> None:
    """Find what is wrong with the outputs before anything is paid for.

    Raises:
        OutputError: One of them could not be written.
        UsageError: The target would not open one of them, or there is none.
        PluginError: What writes for the target is not installed.
    """
    wanted = None if target is None else find_target(target)
    if wanted is not None:
        for place in destinations:
            wanted.check_name(place)
    # A folder that is still to be made is tried as a file; one that a graph's own path names
    # wrongly is for the reader of the graph to say.
    made = out is not None and not _is_folder(out)
    for place in [out] if made and out is not None else destinations:
        if made or place.parent.is_dir():
            check_destination(place)
    if wanted is not None:
        for folder in sorted({place.parent for place in destinations}):
            wanted.check_folder(folder)


def make_folder(folder: Path) -> None:
    """Make the folder of several outputs, unless it is there.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        folder.mkdir(exist_ok=True)
    except OSError as fault:
        raise OutputError(f"cannot be made: {fault.strerror}", where=str(folder)) from fault


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False  # a name that is too long; `check_destination` says so


def _name_plainly(graph: Path, ending: str) -> str:
    return name_stem(graph).removesuffix(".labeled").removesuffix(f".{ending}")
