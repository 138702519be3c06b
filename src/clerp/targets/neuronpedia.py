"""`neuronpedia`: what its upload and its graph page ask of a graph beyond the format."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from clerp.errors import OutputError, UsageError
from clerp.graph import AttributionGraph, Flavour
from clerp.graph.viewer_faults import lacks_probability
from clerp.graph.viewer_settings import read_pins, read_supernodes
from clerp.graph.writing import encode, write_atomically
from clerp.labels import is_placeholder
from clerp.origins import list_origins
from clerp.targets.given_labels import name_node, pair_nodes, read_given_labels
from clerp.targets.upload_rules import is_name, list_upload_faults

_SOURCE = "neuronpedia:"
_NAME_MODEL = "Give Neuronpedia's id of the model, for example --target neuronpedia:gemma-2-2b"
_SHOWN_FAULTS = 5
# Characters in an address, beyond which common servers do not answer when a page is loaded again.
_MAX_ADDRESS = 8_192


class Neuronpedia:
    """Writes what Neuronpedia takes in, with the labels where its page shows them.

    Where Neuronpedia has the features, its page never shows a node's own `clerp` but an explanation
    of its own, so every label also goes into `qParams.clerps`, for each occurrence. Labels of
    pinned nodes alone would make a shorter address, into which the page copies these entries; but
    all other nodes would then bear names that clerp did not give, and nobody could tell which.

    Beside the labels, the scan becomes the id of the model (`metadata.info.transcoder_set` keeps
    it, by which clerp knows the features again), the slug loses what no slug may have, a
    `node_threshold` of null goes, and supernodes and pins become arrays of node ids.

    Args:
        model: Neuronpedia's id of the model. Empty: what the graph or the table of public
            transcoder sets says.

    Raises:
        UsageError: This cannot be an id of Neuronpedia's.
    """

    name = "neuronpedia"
    suffix = ".json"

    def __init__(self, model: str = "") -> None:
        if model and not is_name(model):
            raise UsageError(f"{model!r} is no id of a model", remedy=_NAME_MODEL)
        self._model = model

    def check_name(self, path: Path) -> None:
        """Check that the upload takes a file of this name.

        Raises:
            UsageError: It would not.
        """
        if path.suffix != ".json":
            raise UsageError(
                "Neuronpedia takes only plain files whose names end in .json",
                where=str(path),
                remedy="Name the output NAME.json",
            )

    def check_folder(self, folder: Path) -> None:
        """Accept any folder."""

    def check_graph(self, graph: AttributionGraph) -> None:
        """Check that somebody says which model of Neuronpedia's a graph is of.

        Raises:
            UsageError: Nobody does.
        """
        self._find_model(graph)

    def write(self, graph: AttributionGraph, document: Mapping[str, Any], path: Path) -> None:
        """Write the graph, unless Neuronpedia would refuse it.

        Raises:
            UsageError: Nobody says which model of Neuronpedia's the graph is of.
            GraphError: Its viewer settings cannot be read.
            OutputError: It breaks rules of the upload, or could not be written.
        """
        self.check_name(path)
        prepared = prepare_for_neuronpedia(graph, document, self._find_model(graph))
        content = encode(prepared, path)
        _check_upload(prepared, len(content), path)
        write_atomically(content, path)

    def list_notes(
        self, graph: AttributionGraph, document: Mapping[str, Any], path: Path
    ) -> tuple[str, ...]:
        """Say what its page cannot show or open, and when its address gets too long."""
        labels = list(_list_labels(graph, document))
        n_shared = len(labels) - len(_keep_distinct(labels))
        n_chars = sum(len(key) + len(label) + 7 for key, label in labels)
        notes = {
            f"{n_shared} labels are left to the nodes: Neuronpedia's page gives features of "
            "attention and transcoder that share a number one label": n_shared > 0,
            f"Neuronpedia's page copies {n_chars:,} characters of labels into its address: share "
            "the address without what follows the slug": n_chars > _MAX_ADDRESS,
            "Neuronpedia's page does not open graphs with a logit text without `(p=`": any(
                map(lacks_probability, document["nodes"])
            ),
        }
        return tuple(note for note, is_due in notes.items() if is_due)

    def _find_model(self, graph: AttributionGraph) -> str:
        return self._model or name_model(graph)


def name_model(graph: AttributionGraph) -> str:
    """Return Neuronpedia's id of a graph's model.

    Its own graphs have it as scan; else the set of transcoders tells, where the table knows it.

    Raises:
        UsageError: Nothing tells.
    """
    if graph.flavour in (Flavour.NEURONPEDIA, Flavour.CRM) and is_name(graph.scan):
        return graph.scan
    for origin in list_origins(graph.metadata, {}):
        if origin.source.startswith(_SOURCE):
            return origin.source.removeprefix(_SOURCE).partition("/")[0]
    raise UsageError(
        f"the transcoders {graph.scan!r} are of no model that Neuronpedia is known to have",
        where=graph.name,
        remedy=_NAME_MODEL,
    )


def prepare_for_neuronpedia(
    graph: AttributionGraph, document: Mapping[str, Any], model: str
) -> dict[str, Any]:
    """Return the document as Neuronpedia takes it in and shows it.

    Raises:
        GraphError: Viewer settings cannot be read.
    """
    prepared = {
        **document,
        "metadata": _rewrite_metadata(document["metadata"], model),
        "qParams": _rewrite_settings(graph, document),
        "nodes": [_rewrite_node(node) for node in document["nodes"]],
    }
    if document.get("qk_only_nodes"):
        more = document["qk_only_nodes"]
        prepared["qk_only_nodes"] = {key: _rewrite_node(node) for key, node in more.items()}
    return prepared


def _rewrite_metadata(metadata: Mapping[str, Any], model: str) -> dict[str, Any]:
    scan = metadata.get("scan")
    rewritten = {**metadata, "scan": model, "slug": _rewrite_slug(metadata.get("slug"))}
    if rewritten.get("node_threshold", 0) is None:
        del rewritten["node_threshold"]
    if scan and scan != model:
        info: Mapping[str, Any] = metadata.get("info") or {}
        rewritten["info"] = {**info, "transcoder_set": info.get("transcoder_set") or scan}
    return rewritten


def _rewrite_slug(slug: object) -> object:
    return re.sub(r"[^a-zA-Z0-9_.-]+", "-", slug) if isinstance(slug, str) else slug


def _rewrite_node(node: dict[str, Any]) -> dict[str, Any]:
    return {**node, "clerp": ""} if node.get("clerp", "") is None else node


def _rewrite_settings(graph: AttributionGraph, document: Mapping[str, Any]) -> dict[str, Any]:
    settings: Mapping[str, Any] = document.get("qParams") or {}
    shown = replace(graph, document=dict(document))
    supernodes = [[named.name, *named.node_ids] for named in read_supernodes(shown)]
    clerps = _keep_distinct(list(_list_labels(graph, document)))
    return {
        # What circuit-tracer's Save has no value for, it writes as null.
        **{key: value for key, value in settings.items() if value is not None},
        "pinnedIds": list(read_pins(shown)),
        "supernodes": supernodes,
        "clerps": [list(entry) for entry in clerps],
    }


def _list_labels(graph: AttributionGraph, document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what the page should call each node: what a person wrote there, else its label."""
    given = dict(read_given_labels(graph, document))
    by_feature: set[str] = set()
    for _, raw in pair_nodes(graph, document):
        keys = name_node(raw)
        by_feature.add(keys.feature)
        label = given.pop(keys.occurrence, "") or given.get(keys.feature, "") or raw.get("clerp")
        if label and not is_placeholder(label):
            yield keys.occurrence, label
    yield from ((key, label) for key, label in given.items() if key not in by_feature)


def _keep_distinct(labels: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Leave out nodes that share a key and have different labels: one would bear the other's."""
    n_labels = Counter(key for key, _ in dict.fromkeys(labels))
    return [entry for entry in dict.fromkeys(labels) if n_labels[entry[0]] == 1]


def _check_upload(prepared: Mapping[str, Any], n_bytes: int, path: Path) -> None:
    faults = list(islice(list_upload_faults(prepared, n_bytes), _SHOWN_FAULTS + 1))
    if faults:
        more = " and more" if len(faults) > _SHOWN_FAULTS else ""
        raise OutputError(
            f"Neuronpedia would refuse it: {'; '.join(faults[:_SHOWN_FAULTS])}{more}",
            where=str(path),
            remedy="Correct these in the graph, or write it without the target",
        )
