"""Files of a pair against files of a model, each fault with its own message."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clerp.errors import NotAvailableError
from clerp.verbalizers import ModelClaim, PairIdentity
from clerp_nla.matching.checks import check_model, check_norm, check_shape, check_tokenizers
from clerp_nla.pair.pair import open_pair
from clerp_nla.subject.loading import load_anatomy

from .random_pairs import D_MODEL, N_LAYERS, K, write_pair

IDENTITY = PairIdentity("kitft/nla-gemma3-12b-L32", "abc", "google/gemma-3-12b-it", 32, 3840)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pair and, as `subject/`, the model that it is about."""
    folder = tmp_path_factory.mktemp("pairs") / "pair"
    made = write_pair(folder)
    made.subject.save_pretrained(folder / "subject")
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        if (folder / "av" / name).is_file():
            shutil.copy(folder / "av" / name, folder / "subject" / name)
    return folder


@pytest.fixture
def pair(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / "pair")


def change_config(folder: Path, **fields: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def check_files(folder: Path) -> None:
    opened = open_pair(str(folder))
    subject = folder / "subject"
    check_shape(opened, load_anatomy(subject), subject)
    check_tokenizers(opened, subject, ["one more text"])


@pytest.mark.parametrize("model", ["gemma-3-12b-it", "google/gemma-3-12b-it"])
def test_the_model_of_the_graph_may_be_spelled_otherwise(model: str) -> None:
    check_model(IDENTITY, ModelClaim(model, "scan"))


@pytest.mark.parametrize("model", ["gemma-3-12b-pt", "gemma-3-27b-it", "gemma-2-2b"])
def test_a_graph_of_another_model_is_told_what_it_needs(model: str) -> None:
    with pytest.raises(NotAvailableError) as told:
        check_model(IDENTITY, ModelClaim(model, "scan"))
    assert str(told.value) == (
        "the pair kitft/nla-gemma3-12b-L32 was trained on google/gemma-3-12b-it, and the graph is "
        f"of {model}. A pair that was trained on {model} is needed"
    )


def test_a_graph_that_names_no_model_has_no_pair() -> None:
    with pytest.raises(NotAvailableError, match="does not say of which model"):
        check_model(IDENTITY, ModelClaim("", "scan"))


def test_a_pair_and_its_model_pass(pair: Path) -> None:
    check_files(pair)


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("hidden_size", 2 * D_MODEL, f"vectors of {D_MODEL} numbers, and the model's have 64"),
        ("num_hidden_layers", K, f"reads block {K}, and the model has {K}, numbered from 0"),
        ("num_hidden_layers", N_LAYERS + 1, "num_hidden_layers: the actor has 4, the model 5"),
        ("num_attention_heads", 4, "num_attention_heads: the actor has 2, the model 4"),
        ("intermediate_size", 64, "intermediate_size: the actor has 48, the model 64"),
    ],
)
def test_a_model_of_another_shape_is_refused(pair: Path, key: str, value: int, what: str) -> None:
    change_config(pair / "subject", **{key: value, "head_dim": 16})

    with pytest.raises(NotAvailableError, match=what):
        check_files(pair)


@pytest.mark.parametrize(("half", "folder"), [("actor", "av"), ("critic", "ar")])
def test_another_tokenizer_is_refused(pair: Path, half: str, folder: str) -> None:
    path = pair / folder / "tokenizer.json"
    content = json.loads(path.read_text())
    vocabulary = content["model"]["vocab"]
    # Ids of two characters change places.
    vocabulary["e"], vocabulary["o"] = vocabulary["o"], vocabulary["e"]
    path.write_text(json.dumps(content))

    with pytest.raises(NotAvailableError, match=f"the {half} cuts 'The quick brown fox"):
        check_files(pair)


def test_texts_of_the_pairs_own_kind_are_cut_too(pair: Path) -> None:
    path = pair / "ar/tokenizer.json"
    content = json.loads(path.read_text())
    vocabulary = content["model"]["vocab"]
    # No probe holds either.
    vocabulary["Z"], vocabulary["~"] = vocabulary["~"], vocabulary["Z"]
    path.write_text(json.dumps(content))
    opened = open_pair(str(pair))

    check_tokenizers(opened, pair / "subject", [])
    with pytest.raises(NotAvailableError, match="the critic cuts 'Zebra' to other tokens"):
        check_tokenizers(opened, pair / "subject", ["Zebra"])


@pytest.mark.parametrize("scale", [51.0, 100.0, 199.0])
def test_residuals_near_the_scale_pass(scale: float) -> None:
    check_norm(make_vectors(100.0), scale)


@pytest.mark.parametrize("scale", [49.0, 201.0, 1.0, 1e6])
def test_residuals_far_from_the_scale_are_refused(scale: float) -> None:
    with pytest.raises(NotAvailableError, match=re.escape(f"of norm {scale:.4g}:")) as told:
        check_norm(make_vectors(100.0), scale)
    assert "a mean norm of 100 " in told.value.what
    assert "injection_scale" in told.value.remedy


def make_vectors(norm: float) -> np.ndarray:
    drawn = np.random.default_rng(0).normal(size=(64, 16))
    return (norm * drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
