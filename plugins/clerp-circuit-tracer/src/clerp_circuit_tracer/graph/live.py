"""Graphs as circuit-tracer holds them in memory."""

from collections.abc import Mapping

from circuit_tracer.graph import Graph

from clerp.errors import GraphError, UsageError
from clerp_circuit_tracer.graph.contents import read_contents
from clerp_circuit_tracer.graph.conversion import convert

_WHERE = "the given graph"
_SLUG = "graph"


class LiveGraphReader:
    """Reads a `circuit_tracer.Graph`, which stays as it is, on the device where it is.

    Args:
        argument: Must be empty; the reader has no settings.

    Raises:
        UsageError: An argument was given.
    """

    name = "circuit_tracer.Graph"

    def __init__(self, argument: str = "") -> None:
        if argument:
            raise UsageError(f"the reader of graphs takes no argument, got {argument!r}")

    def read(self, source: object) -> Mapping[str, object]:
        """Return what `create_graph_files` would write of the graph, with `graph` as slug.

        Args:
            source: A `circuit_tracer.Graph`.

        Raises:
            GraphError: It is none, or holds what JSON cannot.
        """
        if not isinstance(source, Graph):
            raise GraphError(
                f"expected a circuit_tracer.Graph, got {type(source).__name__}",
                remedy="Pass what circuit_tracer.attribute returned",
            )
        return convert(read_contents(vars(source), vars(source.cfg), _WHERE), _SLUG, _WHERE)
