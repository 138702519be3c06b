"""The file that is open: shown as it is on disk, and saved to without losing what is there."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from pydantic import AfterValidator, BaseModel, ConfigDict

from clerp.errors import UsageError
from clerp.frontend.page import INDEX, VERSION
from clerp.frontend.served import describe_graph, number_features, prepare_to_serve
from clerp.graph import (
    AttributionGraph,
    list_viewer_faults,
    name_stem,
    read_graph,
    write_document,
)
from clerp.graph.reading import JSON_SUFFIXES
from clerp.graph.viewer_settings import read_supernodes
from clerp.plugins import find_reader
from clerp.targets.given_labels import read_entries
from clerp.viewer_address import SERVER_LIMIT, write_address

# The rest of what the server takes is for headers.
_MAX_ADDRESS = SERVER_LIMIT - 4_096
_DIGEST_CHARS = 16
_COUNT = re.compile("[0-9]{1,6}")

_Supernode = Annotated[list[str], Meta(min_length=1)]


def _check_json(form: object, text: str | None) -> str | None:
    if text:
        msgspec.json.decode(text, type=form)
    return text


def _check_supernodes(text: str | None) -> str | None:
    return _check_json(list[_Supernode], text)


def _check_labels(text: str | None) -> str | None:
    return _check_json(list[tuple[str, str]], text)


class ViewerSettings(BaseModel):
    """What the page's Save posts: parameters of its address, null for one that it has not."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    pinnedIds: str | None = None  # noqa: N815 - the page's own word
    supernodes: Annotated[str | None, AfterValidator(_check_supernodes)] = None
    linkType: str | None = None  # noqa: N815
    clickedId: str | None = None  # noqa: N815
    sg_pos: str | None = None
    pruningThreshold: str | None = None  # noqa: N815
    clerps: Annotated[str | None, AfterValidator(_check_labels)] = None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was on disk when it was read."""

    state: tuple[int, int, int]
    graph: AttributionGraph


class OpenedGraph:
    """One graph file.

    Args:
        path: JSON, plain or compressed; what a plugin reads is shown but cannot be saved to.
        max_bytes: Cap on the bytes of JSON.

    Raises:
        GraphError: It cannot be read.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self.slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", name_stem(path)) or "graph"
        """The page writes it into addresses as it stands."""
        self._seen = self._look()

    @property
    def graph(self) -> AttributionGraph:
        """The graph as it is on disk now.

        Raises:
            GraphError: It cannot be read any more.
        """
        if self._seen.state != _find_state(self.path):
            self._seen = self._look()
        return self._seen.graph

    def write_address(self) -> str:
        """Write the address of the page, from its root, with the supernodes of the file.

        The page reads pins from the file itself where its address has none. Supernodes that do not
        fit into an address are left out, as `list_notes` says; a save does not lose them.

        Raises:
            GraphError: They cannot be read.
        """
        address = self._write_full_address()
        n_withheld = 0
        if len(address) > _MAX_ADDRESS:
            address = f"/{INDEX}?slug={self.slug}"
            n_withheld = len(read_supernodes(self.graph))
        return f"{address}&{VERSION}={_write_version(self.graph, n_withheld)}"

    def list_notes(self) -> tuple[str, ...]:
        """Return what the page does not show, and what to know of the graph.

        Raises:
            GraphError: Viewer settings cannot be read.
        """
        length = len(self._write_full_address())
        too_long = (f"the supernodes are not shown: they take an address of {length:,} characters",)
        return (
            *self.graph.notes,
            *list_viewer_faults(prepare_to_serve(self.graph, self.slug)),
            *(too_long if length > _MAX_ADDRESS else ()),
        )

    def encode(self) -> bytes:
        """Return what the page loads.

        Raises:
            GraphError: Viewer settings cannot be read.
        """
        return msgspec.json.encode(prepare_to_serve(self.graph, self.slug))

    def encode_index(self) -> bytes:
        """Return the list of graphs that the page may show: this one."""
        return msgspec.json.encode({"graphs": [describe_graph(self.graph, self.slug)]})

    def save(self, settings: ViewerSettings, version: str) -> str:
        """Write viewer settings into the file as the page's own Save writes them, atomically.

        Nothing else in the file changes. What the page does not know it does not overwrite: a
        setting that its address has not, supernodes that did not fit into it, and labels that a
        person gave in another browser.

        Args:
            settings: What the page has.
            version: What `VERSION` says in the page's address.

        Returns:
            The version of the file that the page has now.

        Raises:
            UsageError: The file is not JSON, or has other settings than the page started from.
            GraphError: It is no graph any more.
            OutputError: It could not be written; what was there is unchanged.
        """
        if self.path.suffix.lower() not in JSON_SUFFIXES and find_reader(self.path) is not None:
            raise UsageError(
                "is not JSON, so nothing can be saved to it",
                where=str(self.path),
                remedy="Write it as JSON with clerp label",
            )
        graph = self.graph
        n_withheld = self._count_withheld(graph, version)
        saved = settings.model_dump(exclude={"clerps", "supernodes"}, exclude_none=True)
        merged = {
            **_read_settings(graph),
            **saved,
            **_merge_supernodes(graph, settings.supernodes, n_withheld),
            **_merge_labels(graph, settings.clerps),
        }
        write_document({**graph.document, "qParams": merged}, self.path)
        return _write_version(self.graph, n_withheld)

    def _count_withheld(self, graph: AttributionGraph, version: str) -> int:
        """Return how many supernodes of the file a page has not; those stand first."""
        withheld = version.partition("-")[2]
        n_withheld = int(withheld) if _COUNT.fullmatch(withheld) else 0
        if version != _write_version(graph, n_withheld):
            raise UsageError(
                "pins, supernodes or other settings changed since the page was opened",
                where=str(self.path),
                remedy="Open the page's host without what follows it, then change them again",
            )
        return n_withheld

    def _write_full_address(self) -> str:
        supernodes = [(named.name, *named.node_ids) for named in read_supernodes(self.graph)]
        address = write_address(self.slug, (), supernodes, f"/{INDEX}")
        # An empty setting in the address would be saved as one.
        return address.replace("pinnedIds=&", "", 1)

    def _look(self) -> _Seen:
        state = _find_state(self.path)
        return _Seen(state, read_graph(self.path, max_bytes=self._max_bytes))


def _read_settings(graph: AttributionGraph) -> Mapping[str, Any]:
    return graph.document.get("qParams") or {}


def _write_version(graph: AttributionGraph, n_withheld: int) -> str:
    settings = json.dumps(_read_settings(graph), sort_keys=True)
    return f"{hashlib.sha256(settings.encode()).hexdigest()[:_DIGEST_CHARS]}-{n_withheld}"


def _merge_supernodes(
    graph: AttributionGraph, posted: str | None, n_withheld: int
) -> dict[str, str]:
    """Return `supernodes` as it is to be saved, or nothing where the page has none of its own."""
    if posted is None or not n_withheld:
        return {} if posted is None else {"supernodes": posted}
    withheld = [[named.name, *named.node_ids] for named in read_supernodes(graph)[:n_withheld]]
    return {"supernodes": json.dumps(withheld + json.loads(posted or "[]"), ensure_ascii=False)}


def _merge_labels(graph: AttributionGraph, posted: str | None) -> dict[str, str]:
    """Return `clerps` as it is to be saved, or nothing where the page adds nothing."""
    given: list[tuple[str, str]] = json.loads(posted or "[]")
    if not given:
        return {}
    numbers = number_features(graph).of_file
    merged = dict(read_entries(graph.document, graph.name))
    merged |= {numbers.get(key, key): label for key, label in given}
    return {"clerps": json.dumps([list(entry) for entry in merged.items()], ensure_ascii=False)}


def _find_state(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:
        # Whoever reads it says what is wrong.
        return (0, 0, 0)
    return (status.st_ino, status.st_size, status.st_mtime_ns)
