"""What a place that opens labelled graphs asks of them beyond labels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from clerp.graph import AttributionGraph


@runtime_checkable
class Target(Protocol):
    """Writes a labelled graph for one place that opens it."""

    name: str
    """As it is asked for."""
    suffix: str
    """Of an output that nobody named: `.json`."""

    def check_name(self, path: Path) -> None:
        """Check that a file of this name would be opened.

        Raises:
            UsageError: It would not.
            PluginError: What writes such files is not installed.
        """
        ...

    def check_folder(self, folder: Path) -> None:
        """Check what else is in the folder, before anything is paid for.

        Raises:
            OutputError: Something there would not let a graph be added.
        """
        ...

    def check_graph(self, graph: AttributionGraph) -> None:
        """Check that a graph says what the target has to know, before anything is paid for.

        Raises:
            UsageError: It does not.
        """
        ...

    def write(self, graph: AttributionGraph, document: Mapping[str, Any], path: Path) -> None:
        """Write a document, atomically.

        Args:
            graph: The graph as it was read.
            document: The graph with labels, which is not changed.
            path: The file.

        Raises:
            UsageError: The graph does not say something that the target has to know.
            OutputError: It could not be written; what was there before is unchanged.
        """
        ...

    def list_notes(
        self, graph: AttributionGraph, document: Mapping[str, Any], path: Path
    ) -> tuple[str, ...]:
        """Return what whoever opens the output should know, one sentence each."""
        ...
