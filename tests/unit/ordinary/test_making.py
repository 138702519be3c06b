"""Files of ordinary text: made, written, and read again."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from tests.unit.ordinary.small_text import SpelledEmbedder, write_story

from clerp.errors import OutputError
from clerp.ordinary import (
    Document,
    OrdinaryText,
    build_ordinary,
    load_contexts,
    load_ordinary,
    write_ordinary,
)
from clerp.ordinary.averaging import average_contexts
from clerp.ordinary.corpus import encode_corpus
from clerp.ordinary.counting import count_corpus
from clerp.ordinary.means import read_means
from clerp.ordinary.text import index_counts

_COUNTS = "counts.safetensors.zst"
_CONTEXTS = "contexts-spelled-tiny.safetensors.zst"


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return build_ordinary(
        write_story(), name="story", embedder=SpelledEmbedder(), licences={"book 0": "CC0-1.0"}
    )


def test_documents_in_any_order_give_the_same_bytes(files: dict[str, bytes]):
    backwards = write_story()[::-1]

    again = build_ordinary(
        backwards, name="story", embedder=SpelledEmbedder(), licences={"book 0": "CC0-1.0"}
    )

    assert again == files


def test_another_document_gives_other_bytes(files: dict[str, bytes]):
    longer = [*write_story(), Document("The whale is white.")]

    again = build_ordinary(longer, name="story", embedder=SpelledEmbedder())

    assert all(again[name] != files[name] for name in files)


def test_the_embedder_changes_only_its_own_file(files: dict[str, bytes]):
    other = SpelledEmbedder("other:Model/big@7", salt="other")

    again = build_ordinary(
        write_story(), name="story", embedder=other, licences={"book 0": "CC0-1.0"}
    )

    assert again[_COUNTS] == files[_COUNTS]
    assert set(files) == {_COUNTS, _CONTEXTS}
    assert set(again) == {_COUNTS, "contexts-other-Model-big.safetensors.zst"}


def test_counts_come_back_from_their_file(files: dict[str, bytes], tmp_path: Path):
    write_ordinary(files, tmp_path)

    read = load_ordinary(tmp_path)

    made = count_corpus(encode_corpus(write_story()), "story", {"book 0": "CC0-1.0"})
    assert read.digest == hashlib.sha256(files[_COUNTS]).hexdigest()
    assert (read.name, read.n_words) == ("story", made.n_words)
    assert read.counts.sources == made.sources
    assert read.counts.licences == {"book 0": "CC0-1.0", "book 1": ""}
    _assert_rates_equal(read, index_counts(made, "no file"))


def test_means_come_back_from_their_file(files: dict[str, bytes], tmp_path: Path):
    write_ordinary(files, tmp_path)
    text = load_ordinary(tmp_path)

    read = read_means(tmp_path / _CONTEXTS)

    made = average_contexts(encode_corpus(write_story()), text, SpelledEmbedder())
    assert read.digest == hashlib.sha256(files[_CONTEXTS]).hexdigest()
    assert (read.means.embedder, read.means.words) == (made.embedder, made.words)
    for name in ("center", "general", "spread", "matched", "probe_vectors"):
        np.testing.assert_array_equal(getattr(read.means, name), getattr(made, name))


def test_a_place_is_read_once(files: dict[str, bytes], tmp_path: Path):
    write_ordinary(files, tmp_path)
    first = load_ordinary(tmp_path)
    load_contexts(SpelledEmbedder(), tmp_path)

    for name in files:
        (tmp_path / name).write_bytes(b"changed since")

    assert load_ordinary(tmp_path) is first
    assert load_contexts(SpelledEmbedder(), tmp_path).pair_spread("both") > 0


def test_a_folder_is_made_with_those_above_it(files: dict[str, bytes], tmp_path: Path):
    folder = tmp_path / "a" / "b"

    paths = write_ordinary(files, folder)

    assert paths == [folder / _COUNTS, folder / _CONTEXTS]
    assert [path.read_bytes() for path in paths] == list(files.values())


def test_a_folder_that_cannot_be_made_is_told(files: dict[str, bytes], tmp_path: Path):
    (tmp_path / "file").touch()

    with pytest.raises(OutputError, match="cannot be made"):
        write_ordinary(files, tmp_path / "file" / "folder")


def _assert_rates_equal(first: OrdinaryText, second: OrdinaryText) -> None:
    assert first.indices == second.indices
    assert first.pairs == second.pairs
    assert first.counts.spellings == second.counts.spellings
    for name in ("counts", "pairs", "pair_counts", "class_counts", "class_follows"):
        ours, theirs = getattr(first.counts, name), getattr(second.counts, name)
        np.testing.assert_array_equal(ours, theirs)
