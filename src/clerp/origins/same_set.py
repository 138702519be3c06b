"""Whether two names are of one transcoder set."""

from collections.abc import Iterator

from clerp.graph.transcoder import drop_folders
from clerp.origins.origin import normalise_set
from clerp.origins.transcoder_sets import TranscoderSet, read_table


def compare_sets(graph: str, given: str, *, model: str) -> bool | None:
    """Say whether a graph and a set of transcoders mean the same set.

    Names of HuggingFace's repositories are everybody's; those of folders are not, and a copy may
    have any. Neuronpedia's are known as far as the table of public sets goes.

    Args:
        graph: Name of the set as the graph has it, with or without revision.
        given: As the set itself has it; a path says no more than its last part.
        model: Of the graph, under whose name Neuronpedia has sets.

    Returns:
        None where nobody can say.
    """
    names = normalise_set(graph), drop_folders(normalise_set(given))
    if "" in names:
        return None
    if names[0] == names[1]:
        return None if _are_other_revisions(graph, given) else True
    if any(one.startswith(f"{other}/") for one, other in (names, names[::-1])):
        return None
    places = [_list_places(name, model) for name in names]
    return not places[0].isdisjoint(places[1]) if all(places) else None


def _are_other_revisions(first: str, second: str) -> bool:
    revisions = first.partition("@")[2], second.partition("@")[2]
    return "" not in revisions and revisions[0] != revisions[1]


def _list_places(name: str, model: str) -> set[str]:
    """List where a set is; nothing where its name means nothing to others."""
    is_listed = name, f"neuronpedia:{name}"
    for entry in read_table():
        if not {*entry.names, *entry.sources}.isdisjoint(is_listed):
            return set(_list_sources(entry))
    owner, _, rest = name.partition("/")
    return {f"huggingface:{name}"} if rest and owner != model else set()


def _list_sources(entry: TranscoderSet) -> Iterator[str]:
    for name in entry.names:
        yield from (source.format(name=name, revision="") for source in entry.sources)
