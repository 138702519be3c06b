"""From a graph's metadata to the places that may hold its activation examples."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from clerp.graph import MetadataShape, shorten
from clerp.origins.transcoder_sets import look_up, look_up_old_scan

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
# A repository may have folders and a revision.
_REPOSITORY = re.compile(rf"{_PART}/{_PART}(?:/{_PART})*(?:@{_PART}(?:/{_PART})*)?")
_ONE_PART = re.compile(_PART)
_IN_MODEL = re.compile(rf"{_PART}/{_PART}")
_MAX_LAYERS = 1_000
_NEURONPEDIA = re.compile(rf"https?://(?:www\.)?neuronpedia\.org/({_PART}/{_PART})/?")


@dataclass(frozen=True, slots=True)
class Origin:
    """A place to ask, and what in the graph led there."""

    source: str
    """`NAME:ARGUMENT` of a source."""
    because: str
    """One clause: `metadata.scan is mntss/clt-gemma-2-2b-2.5M`."""
    is_certain: bool = False
    """No other place is looked at: it was asked for, or lies beside the graph."""

    def resolve(self) -> str:
        """Return the source so that several paths to one folder are one."""
        name, _, argument = self.source.partition(":")
        return f"{name}:{Path(argument).resolve()}" if name == "folder" else self.source


def list_origins(
    metadata: MetadataShape, own_sets: Mapping[str, Sequence[str]]
) -> tuple[Origin, ...]:
    """List the places to ask, the most specific first, each once.

    `feature_details` and `info`, which Neuronpedia writes, name a set most exactly; a scan is a
    repository or a short name, else a model, which names no set; `transcoder_list` names one
    repository for each layer.

    Args:
        metadata: That of the graph.
        own_sets: Sources of transcoder sets by name, folders with single slashes and without
            revision; they come before those that are public.
    """
    found: dict[str, Origin] = {}
    for origin in _find(metadata, lambda name: _name_sources(name, own_sets)):
        found.setdefault(origin.source, origin)
    return tuple(found.values())


def _find(metadata: MetadataShape, name_sources: Callable[[str], list[str]]) -> Iterator[Origin]:
    details, info = metadata.feature_details, metadata.info
    if details is not None:
        named = _in_neuronpedia(
            metadata.scan, details.neuronpedia_source_set, details.neuronpedia_lorsa_source_set
        )
        yield from _explain(named, "feature_details.neuronpedia_source_set")
    if info is not None:
        named = _in_neuronpedia(metadata.scan, info.neuronpedia_source_set, None)
        yield from _explain(named, "info.neuronpedia_source_set")
        if info.transcoder_set:
            sources = name_sources(info.transcoder_set)
            yield from _explain(sources, "info.transcoder_set", info.transcoder_set)
        yield from _explain(_read_addresses(info.source_urls), "info.source_urls")
    if metadata.scan:
        old = [] if metadata.schema_version else look_up_old_scan(metadata.scan)
        yield from _explain(name_sources(metadata.scan) or old, "scan", metadata.scan)
    yield from _explain(_join_layers(metadata.transcoder_list), "transcoder_list")


def _explain(sources: Iterable[str], key: str, value: str = "") -> Iterator[Origin]:
    for source in sources:
        shown = shorten(value or source.partition(":")[2])
        yield Origin(source, f"metadata.{key} is {shown}")


def _in_neuronpedia(scan: str | None, source_set: str | None, lorsa: str | None) -> list[str]:
    if not source_set:
        return []
    # Neuronpedia's own graphs have the model as scan; a repository is none.
    named = source_set if "/" in source_set else f"{scan or ''}/{source_set}"
    if _IN_MODEL.fullmatch(named) is None:
        return []
    lorsa = (lorsa or "").rpartition("/")[2]
    return [f"neuronpedia:{named}{f'+{lorsa}' if _ONE_PART.fullmatch(lorsa) else ''}"]


def _read_addresses(addresses: object) -> list[str]:
    listed = cast(list[object], addresses) if isinstance(addresses, list) else []
    matches = (_NEURONPEDIA.fullmatch(a) for a in listed if isinstance(a, str))
    return [f"neuronpedia:{match[1]}" for match in matches if match]


def normalise_set(name: str) -> str:
    """Return the name of a transcoder set with single slashes and without its revision."""
    return name.partition("@")[0].replace("//", "/")


def _name_sources(name: str, own_sets: Mapping[str, Sequence[str]]) -> list[str]:
    known, revision = normalise_set(name), name.partition("@")[2]
    written = f"{known}@{revision}" if revision else known
    if known in own_sets:
        return list(own_sets[known])
    if revision and _REPOSITORY.fullmatch(f"a/b@{revision}") is None:
        return []
    if listed := look_up(known, written.removeprefix(known)):
        return listed
    return [f"huggingface:{written}"] if _REPOSITORY.fullmatch(written) else []


def _join_layers(transcoders: Sequence[str] | None) -> list[str]:
    """Name the repository of each layer, in order; one that is none makes all of them useless."""
    names = [name.replace("//", "/") for name in transcoders or ()]
    if not 0 < len(names) <= _MAX_LAYERS or not all(map(_REPOSITORY.fullmatch, names)):
        return []
    return [f"huggingface:{','.join(names)}"]
