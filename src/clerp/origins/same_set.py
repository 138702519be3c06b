"""Whether a graph and a set of transcoders mean the same set, as far as names tell."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from clerp.graph import MetadataShape
from clerp.graph.transcoder import identify_transcoders, is_path
from clerp.origins.origin import list_origins
from clerp.origins.transcoder_sets import list_sources

_HUB = "huggingface:"


@dataclass(frozen=True, slots=True)
class SetName:
    """What a set is called. Empty, it says nothing."""

    text: str = ""
    """As outputs show it."""
    given: str = ""
    """A name that somebody gave it; empty for a path and for a model, which name no set."""
    repositories: frozenset[str] = frozenset()
    """Of HuggingFace, that hold it, in lower case and without revision."""
    revision: str = ""


def name_graph_set(metadata: MetadataShape, model: str) -> SetName:
    """Return what a graph calls its transcoders.

    What names them most exactly counts: Neuronpedia's names as far as the table of public sets
    knows them, and else those of repositories.

    Args:
        metadata: That of the graph.
        model: Of the graph, which some have as scan.
    """
    identity = identify_transcoders(metadata)
    repositories = _find_repositories(metadata)
    is_model = identity.name == model and "/" not in model
    if is_model and not repositories:
        return SetName()
    revision = identity.revision or ""
    return SetName(
        text=f"{identity.name}@{revision}" if revision else identity.name,
        given="" if is_model or is_path(metadata.scan or "") else identity.name,
        repositories=repositories,
        revision=revision,
    )


def name_set(name: str) -> SetName:
    """Return what a set is called that calls itself so.

    Args:
        name: `OWNER/REPO[//SUB][@REVISION]` or a name of its owner's; a path says nothing.
    """
    if is_path(name):
        return SetName()
    # Words that were sets in graphs without a schema version are models since.
    return name_graph_set(MetadataShape(scan=name, schema_version=1), "")


def compare_sets(graph: SetName, given: SetName) -> bool | None:
    """Say whether two names are of the same set; None where nobody can say.

    Repositories mean the same to everybody. Whoever copies a set may call it anything, so that
    other names say something only where they are equal.
    """
    is_same = _compare_names(graph, given)
    return None if is_same and graph.revision != given.revision else is_same


def _compare_names(graph: SetName, given: SetName) -> bool | None:
    if graph.given and graph.given.casefold() == given.given.casefold():
        return True
    pairs = [(one, other) for one in graph.repositories for other in given.repositories]
    if any(one == other for one, other in pairs):
        return True
    # A folder of a repository, and the whole of it.
    if any(f"{one}/".startswith(f"{o}/") or f"{o}/".startswith(f"{one}/") for one, o in pairs):
        return None
    return False if pairs else None


def _find_repositories(metadata: MetadataShape) -> frozenset[str]:
    origins = groupby(list_origins(metadata, {}), key=lambda origin: origin.because)
    found = (frozenset(_list_repositories(o.source for o in group)) for _, group in origins)
    return next(filter(None, found), frozenset[str]())


def _list_repositories(sources: Iterable[str]) -> Iterator[str]:
    for source in sources:
        for place in (source, *list_sources(source)):
            if place.startswith(_HUB):
                yield place.removeprefix(_HUB).partition("@")[0].casefold()
