import json
from pathlib import Path

import numpy as np
import pytest
import torch

from clerp.errors import InputError, NotAvailableError
from clerp_nla.subject.loading import load_anatomy, load_config, load_subject

from .subject_models import N_LAYERS, TEXTS, make_model, make_subject, make_tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_model("llama").save_pretrained(tmp_path / "model")
    make_tokenizer().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def load(folder: Path, layer: int = 1, dtype: torch.dtype = torch.float32) -> np.ndarray:
    return load_subject(folder, layer=layer, device="cpu", dtype=dtype).read_ends(TEXTS)


def test_a_folder_is_read_as_it_was_saved(folder: Path) -> None:
    np.testing.assert_allclose(load(folder), make_subject(layer=1).read_ends(TEXTS), rtol=1e-5)


def test_half_precision_is_near_and_comes_back_in_single(folder: Path) -> None:
    found = load(folder, dtype=torch.bfloat16)

    assert found.dtype == np.float32
    exact = load(folder)
    assert 0 < np.abs(found - exact).max() < 0.1 * np.abs(exact).max()


def test_the_shape_is_read_without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()

    assert load_anatomy(folder).n_layers == N_LAYERS


def test_a_block_that_the_model_lacks_is_not_available(folder: Path) -> None:
    with pytest.raises(NotAvailableError, match="reads block 4, and the model has 4"):
        load(folder, layer=N_LAYERS)


def test_pickled_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")

    with pytest.raises(InputError, match="pickled"):
        load(folder)


def test_code_that_comes_with_a_model_is_not_run(folder: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w')\nclass Own: pass\n")
    path = folder / "config.json"
    own = {"model_type": "own", "auto_map": {"AutoConfig": "own.Own"}}
    path.write_text(json.dumps(json.loads(path.read_text()) | own))

    with pytest.raises(InputError, match=r"config\.json cannot be used"):
        load(folder)
    assert not ran.exists()


@pytest.mark.parametrize("content", ["{}", '{"model_type": "no such"}', "[1]", "no json"])
def test_a_configuration_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)

    with pytest.raises(InputError):
        load_config(tmp_path)
