"""Make the ordinary text that clerp ships: fetch the texts, count them, average their contexts."""

from __future__ import annotations

import argparse
import json
import logging
import os
from dataclasses import asdict
from hashlib import sha256
from importlib.resources import files as files_of
from itertools import chain
from pathlib import Path

from packages import BuildError
from sources import SOURCES, read_source
from tokenizers import Tokenizer

from clerp.correlation import LARGEST, draw_scores
from clerp.errors import ClerpError
from clerp.ordinary import build_ordinary, load_ordinary, read_documents, write_ordinary
from clerp.ordinary.passages import (
    PASSAGES_FILE,
    Passages,
    cut_passages,
    load_passages,
    pack_passages,
)
from clerp.ordinary.window_draws import DRAWS_FILE, WindowDraws, pack_draws
from clerp.plugins import Embedder, find
from clerp.windows import DEFAULT_WINDOWS

logger = logging.getLogger("build")

NAME = "ordinary"
NOT_QUOTED = ("fortunes", "python-code")
"""Sayings are quoted from many; code is hardly text."""
DATA = Path(__file__).parents[2] / "src" / "clerp" / "ordinary" / "data"


def write_corpus(downloads: Path, path: Path) -> None:
    """Write the documents of all sources as JSON Lines, whole or not at all.

    Raises:
        BuildError: A package cannot be fetched or read.
    """
    partial = path.with_name(f"{path.name}.partial")
    documents = chain.from_iterable(read_source(source, downloads) for source in SOURCES)
    with partial.open("w", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(asdict(document))}\n" for document in documents)
    partial.replace(path)


def build(work: Path, embedder: str, out: Path) -> None:
    """Run every step that is not done yet.

    Raises:
        BuildError: A package cannot be fetched or read.
        ClerpError: The files cannot be made or written.
    """
    corpus = work / "corpus.jsonl"
    work.mkdir(parents=True, exist_ok=True)
    if not corpus.exists():
        write_corpus(work / "downloads", corpus)
    files = build_ordinary(
        read_documents(corpus),
        name=NAME,
        embedder=find("embedders", embedder),
        licences={source.name: source.licence for source in SOURCES},
    )
    files[PASSAGES_FILE] = make_passages(corpus)
    written = write_ordinary(files, out)
    drawn = draw_windows(find("embedders", embedder), load_passages(out / PASSAGES_FILE))
    for path in [*written, *write_ordinary({DRAWS_FILE: drawn}, out)]:
        content = path.read_bytes()
        logger.info("%s: %d bytes, sha256 %s", path, len(content), sha256(content).hexdigest())
    for source in load_ordinary(out).counts.sources:
        logger.info("%s", source)


def draw_windows(embedder: Embedder, passages: Passages) -> bytes:
    """Draw what the default windows score by chance, from passages of ordinary text."""
    scores = {
        (window.start, window.stop): draw_scores(window, embedder, LARGEST, passages)
        for window in DEFAULT_WINDOWS
    }
    return pack_draws(WindowDraws(embedder.name, passages.name, scores))


def make_passages(corpus: Path) -> bytes:
    """Cut passages where wordllama's tokenizer does, from the sources that may be quoted freely."""
    quoted = {s.name: s.licence for s in SOURCES if s.name not in NOT_QUOTED}
    documents = (d for d in read_documents(corpus) if d.source in quoted)
    place = str(files_of("wordllama") / "tokenizers" / "l2_supercat_tokenizer_config.json")
    tokenizer = Tokenizer.from_file(place)

    def find_starts(text: str) -> list[int]:
        return [start for start, stop in tokenizer.encode(text).offsets if stop > start]

    return pack_passages(cut_passages(documents, find_starts), quoted)


def _default_work() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "clerp" / "ordinary-text"


def main() -> None:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=_default_work(), help="downloads and corpus")
    parser.add_argument("--embedder", default="wordllama", help="NAME or NAME:ARGUMENT")
    parser.add_argument("--out", type=Path, default=DATA, help="folder of the files")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    try:
        build(arguments.work, arguments.embedder, arguments.out)
    except (BuildError, ClerpError) as error:
        parser.exit(1, f"build failed: {error}\n")


if __name__ == "__main__":
    main()
