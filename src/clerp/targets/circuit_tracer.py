"""`circuit-tracer`: what its local frontend asks of a graph beyond the format."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from clerp.errors import UsageError
from clerp.graph import AttributionGraph, list_viewer_faults, write_document
from clerp.graph.viewer_settings import read_pins, read_supernodes
from clerp.targets.given_labels import name_node, pair_nodes, read_given_labels
from clerp.targets.graph_index import INDEX_NAME, check_graph_index, update_graph_index
from clerp.targets.upload_rules import is_name
from clerp.viewer_address import write_address

_VIEWER_SETTINGS: Mapping[str, object] = {
    "pinnedIds": [],
    "supernodes": [],
    "linkType": "both",
    "clickedId": "",
    "sg_pos": "",
}


class CircuitTracer:
    """Names the graph after its file and enters it in `graph-metadata.json` beside it.

    Labels stand on the nodes. The frontend lists only graphs of that index, asks for
    `<slug>.json`, and reads pins but not supernodes from the file: `write_opening_address`.
    """

    name = "circuit-tracer"
    suffix = ".json"

    def check_name(self, path: Path) -> None:
        """Check that the frontend, which asks for `<slug>.json`, finds a file.

        Its server takes addresses as they are sent, so that a file is not found whose name a
        browser encodes.

        Raises:
            UsageError: It would not.
        """
        # Also where a file system does not tell case.
        if path.name.casefold() == INDEX_NAME:
            raise UsageError(
                "is the name of the list of graphs that circuit-tracer's frontend reads",
                where=str(path),
                remedy="Name the output otherwise",
            )
        if path.suffix != ".json":
            raise UsageError(
                "circuit-tracer's frontend opens only plain files whose names end in .json",
                where=str(path),
                remedy="Name the output NAME.json",
            )
        if not is_name(_name_slug(path)):
            raise UsageError(
                "circuit-tracer's server finds only files named with A-Z, a-z, 0-9 and _ . -",
                where=str(path),
                remedy="Name the output so with --out, or look at any file with clerp open",
            )

    def check_folder(self, folder: Path) -> None:
        """Check the index of a folder.

        Raises:
            OutputError: It is not one.
        """
        check_graph_index(folder)

    def check_graph(self, graph: AttributionGraph) -> None:
        """Accept any graph; notes say what the frontend does not show."""

    def write(self, graph: AttributionGraph, document: Mapping[str, Any], path: Path) -> None:
        """Write the graph, then enter it in the index.

        Raises:
            UsageError: The frontend would not find a file of that name.
            GraphError: `qParams.clerps` cannot be read.
            OutputError: Either could not be written.
        """
        self.check_name(path)
        prepared = prepare_for_circuit_tracer(graph, document, path)
        self.check_folder(path.parent)
        write_document(prepared, path)
        update_graph_index(path.parent, prepared["metadata"])

    def list_notes(
        self, graph: AttributionGraph, document: Mapping[str, Any], path: Path
    ) -> tuple[str, ...]:
        """Say what the frontend would not show, and the address that has pins and supernodes."""
        address = write_opening_address(graph, document, _name_slug(path))
        return (*list_viewer_faults(dict(document)), f"In circuit-tracer's frontend: {address}")


def write_opening_address(graph: AttributionGraph, document: Mapping[str, Any], slug: str) -> str:
    """Write the address under which the frontend shows pins and supernodes of a document.

    Raises:
        GraphError: They cannot be read.
    """
    shown = replace(graph, document=dict(document))
    supernodes = [(named.name, *named.node_ids) for named in read_supernodes(shown)]
    return write_address(slug, read_pins(shown), supernodes)


def prepare_for_circuit_tracer(
    graph: AttributionGraph, document: Mapping[str, Any], path: Path
) -> dict[str, Any]:
    """Return the document as the frontend loads it from `path`.

    The slug becomes the file's stem. Labels that people gave in this frontend stay, since it shows
    them first; those of single occurrences, which only Neuronpedia knows, would stop it and go.
    Viewer settings that are missing get circuit-tracer's defaults; pins are node ids.

    Raises:
        GraphError: `qParams.clerps` or the pins cannot be read.
    """
    settings: dict[str, object] = {**(document.get("qParams") or {})}
    settings.pop("clerps", None)
    pins = read_pins(replace(graph, document=dict(document)))
    if isinstance(settings.get("pinnedIds"), list):
        # Anthropic's files name nodes otherwise than this frontend does.
        settings["pinnedIds"] = list(pins)
    if given := _list_given(graph, document):
        settings["clerps"] = json.dumps(given, ensure_ascii=False)
    missing = {key: value for key, value in _VIEWER_SETTINGS.items() if key not in settings}
    return {
        **document,
        "metadata": {**document["metadata"], "slug": _name_slug(path)},
        "qParams": settings | missing,
    }


def _list_given(graph: AttributionGraph, document: Mapping[str, Any]) -> list[list[str]]:
    occurrences = {name_node(raw).occurrence for _, raw in pair_nodes(graph, document)}
    given = read_given_labels(graph, document)
    return [[key, label] for key, label in given.items() if key not in occurrences]


def _name_slug(path: Path) -> str:
    return path.name.removesuffix(".json")
