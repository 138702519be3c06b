"""A corpus to the files of ordinary text."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from clerp.errors import OutputError
from clerp.graph import check_destination
from clerp.graph.writing import write_atomically
from clerp.ordinary.averaging import average_contexts
from clerp.ordinary.corpus import Document, encode_corpus
from clerp.ordinary.counting import count_corpus
from clerp.ordinary.counts import COUNTS_FILE, pack_counts
from clerp.ordinary.means import name_means, pack_means
from clerp.ordinary.text import index_counts
from clerp.plugins import Embedder

_NO_LICENCES: Mapping[str, str] = MappingProxyType({})


def build_ordinary(
    documents: Iterable[Document],
    *,
    name: str,
    embedder: Embedder,
    licences: Mapping[str, str] = _NO_LICENCES,
) -> dict[str, bytes]:
    """Count documents, and average the contexts of their words.

    Documents in any order give the same bytes. They are read once, one at a time.

    Args:
        documents: A million words or more.
        name: What an output calls them.
        embedder: Of the words.
        licences: By source.

    Returns:
        The files by name: the counts, which no embedder enters, and this embedder's contexts.

    Raises:
        InputError: There is too little text.
    """
    corpus = encode_corpus(documents)
    counts = count_corpus(corpus, name, licences)
    packed = pack_counts(counts)
    text = index_counts(counts, hashlib.sha256(packed).hexdigest())
    means = average_contexts(corpus, text, embedder)
    return {COUNTS_FILE: packed, name_means(embedder.name): pack_means(means)}


def prepare_folder(folder: Path) -> None:
    """Make a folder, unless it is there, and see that files can be written to it.

    Raises:
        OutputError: It cannot be made, or they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise OutputError(
            f"cannot be made: {fault.strerror}", where=str(folder), remedy="Choose another --out"
        ) from fault
    check_destination(folder / COUNTS_FILE)


def write_ordinary(files: Mapping[str, bytes], folder: Path) -> list[Path]:
    """Write files to a folder, each of them whole or not at all, and return their paths.

    Raises:
        OutputError: One could not be written.
    """
    prepare_folder(folder)
    paths = [folder / name for name in files]
    for path in paths:
        write_atomically(files[path.name], path)
    return paths
