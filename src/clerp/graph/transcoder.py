"""Which transcoder set the features of a graph belong to."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath

import msgspec

from clerp.graph.shape import MetadataShape

_LOCAL = re.compile(r"[/\\~.]|[A-Za-z]:[/\\]")


@dataclass(frozen=True, slots=True)
class TranscoderIdentity:
    """The set that gives (layer, index) a meaning; with those two, the identity of a feature."""

    name: str
    """`owner/repo`, a Neuronpedia set, or the last part of a local path; may be empty."""
    revision: str | None
    """What stands after `@`."""
    is_local: bool
    """The name is not unique outside this machine: evidence must be part of the identity."""


def identify_transcoders(metadata: MetadataShape) -> TranscoderIdentity:
    """Take the most specific name that the metadata holds.

    Neuronpedia writes the model into `scan` and the set into `info` or `feature_details`;
    circuit-tracer writes the set into `scan`, or `custom-` and Python's `hash()`, which differs in
    every process, when the set is a list.
    """
    name = _name_set(metadata)
    if is_path(name):
        return TranscoderIdentity(_drop_folders(name), None, is_local=True)
    base, _, revision = name.partition("@")
    is_local = not base or base.startswith("custom-")
    # A folder of a repository is spelled in one way.
    return TranscoderIdentity(base.replace("//", "/"), revision or None, is_local)


def is_path(name: str) -> bool:
    """Say whether the name of a set is a place on one machine."""
    return _LOCAL.match(name) is not None


def _name_set(metadata: MetadataShape) -> str:
    scan = metadata.scan or ""
    details, info = metadata.feature_details, metadata.info
    if details is not None and details.neuronpedia_source_set:
        return _in_model(details.neuronpedia_source_set, scan)
    if info is not None and info.transcoder_set:
        return info.transcoder_set
    if info is not None and info.neuronpedia_source_set:
        return _in_model(info.neuronpedia_source_set, scan)
    if scan and not scan.startswith("custom-"):
        return scan
    return _name_list(metadata.transcoder_list or ()) or scan


def _in_model(source_set: str, model: str) -> str:
    return source_set if "/" in source_set or not model else f"{model}/{source_set}"


def _name_list(transcoders: tuple[str, ...]) -> str:
    if not transcoders:
        return ""
    return f"custom-{hashlib.sha256(msgspec.json.encode(transcoders)).hexdigest()[:16]}"


def _drop_folders(name: str) -> str:
    """Keep a machine's folders out of outputs."""
    return PureWindowsPath(PurePosixPath(name).name).name
