"""The table of public transcoder sets, `transcoder_sets.toml`."""

import tomllib
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, Field


class TranscoderSet(BaseModel):
    """One entry of the table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: tuple[str, ...] = Field(min_length=1)
    scans_0: tuple[str, ...] = ()
    sources: tuple[str, ...] = Field(min_length=1)


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    sets: tuple[TranscoderSet, ...] = Field(alias="set")


def look_up(name: str, revision: str = "") -> list[str]:
    """Return the sources of a set, in the order in which to try them; none for an unknown one.

    Args:
        name: As graphs have it, folders with single slashes, without revision.
        revision: `@REVISION`, or nothing.
    """
    for entry in read_table():
        if name in entry.names:
            return [source.format(name=name, revision=revision) for source in entry.sources]
    return []


def look_up_old_scan(scan: str) -> list[str]:
    """Return the sources of the set that a graph without a schema version calls so."""
    for entry in read_table():
        if scan in entry.scans_0:
            return look_up(entry.names[0])
    return []


def list_sources(source: str) -> list[str]:
    """Return all sources of the public set that has this one; none for an unknown one.

    Args:
        source: `NAME:ARGUMENT`, without revision.
    """
    return [
        kept.format(name=name, revision="")
        for entry in read_table()
        if source in entry.sources
        for name in entry.names
        for kept in entry.sources
    ]


@cache
def read_table() -> tuple[TranscoderSet, ...]:
    """Read the table."""
    text = files("clerp.origins").joinpath("transcoder_sets.toml").read_text(encoding="utf-8")
    return _Table.model_validate(tomllib.loads(text)).sets
