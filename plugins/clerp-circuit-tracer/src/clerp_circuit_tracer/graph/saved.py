"""Graphs that `circuit_tracer.Graph.to_pt` saved, read without running what the file says."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from clerp.errors import GraphError, UsageError
from clerp_circuit_tracer.graph.archive import CONFIG_NAME, TARGET_NAME, check_archive
from clerp_circuit_tracer.graph.contents import GraphContents, LogitTarget, read_contents

_SAFE_SINCE = "2.10"
# Torch's reader reports a damaged file with whatever it trips over.
_LOAD_ERRORS = (
    pickle.UnpicklingError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


class SavedGraphReader:
    """Reads the `.pt` files of circuit-tracer 0.3 to 0.5.

    Args:
        argument: Must be empty; the reader has no settings.

    Raises:
        UsageError: An argument was given.
    """

    name = "circuit-tracer's .pt"

    def __init__(self, argument: str = "") -> None:
        if argument:
            raise UsageError(f"the reader '.pt' takes no argument, got {argument!r}")

    def read(self, source: object) -> Mapping[str, object]:
        """Return what `create_graph_files` would write of the graph, with the file's stem as slug.

        Args:
            source: Path of the file.

        Raises:
            GraphError: It cannot be read, is not safe to load, or is no graph.
        """
        if not isinstance(source, str | Path):
            raise GraphError(
                f"expected the path of a file, got {type(source).__name__}",
                remedy="Name the .pt file",
            )
        path = Path(source)
        contents = load_contents(path)
        # Only now: nothing that a file may name is imported before it is judged.
        from clerp_circuit_tracer.graph.conversion import convert

        return convert(contents, path.stem, str(path))


class _Config:
    """Stands in for circuit-tracer's UnifiedConfig, which need not be imported then."""


def load_contents(path: Path) -> GraphContents:
    """Load a saved graph and check all that is read of it.

    Raises:
        GraphError: It cannot be read, is not safe to load, or is no graph.
    """
    where = str(path)
    if torch.__version__ < _SAFE_SINCE:
        raise GraphError(
            f"torch {torch.__version__} does not load files safely",
            where=where,
            remedy="Run: pip install 'torch>=2.10'",
        )
    check_archive(path)
    graph = _load(path)
    if not isinstance(graph, dict) or not isinstance(config := graph.get("cfg"), _Config):
        raise GraphError(
            "no attribution graph: expected a dict with a `cfg`",
            where=where,
            remedy="Name a file that Graph.to_pt wrote",
        )
    return read_contents(graph, vars(config), where)


def _load(path: Path) -> Any:  # noqa: ANN401 - a pickle holds anything
    known: list[Any] = [(_Config, CONFIG_NAME), (LogitTarget, TARGET_NAME)]
    try:
        with torch.serialization.safe_globals(known):
            return torch.load(path, weights_only=True, map_location="cpu", mmap=True)
    except _LOAD_ERRORS as error:
        # Not torch's own text, which advises to load such files without its protection.
        raise GraphError(
            f"damaged: torch cannot load it ({type(error).__name__})",
            where=str(path),
            remedy="Save the graph again, under a plain name",
        ) from error
