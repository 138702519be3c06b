import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clerp.errors import InputError, VerbalizerError
from clerp_nla.pair.checkpoint import load_tokenizer
from clerp_nla.pair.critic import Critic

from .negative import change_json, change_sidecar
from .random_pairs import CRITIC_TEMPLATE, KINDS, K, Kind, Written, write_pair

TEXTS = ["heat", "a text of light and heat, and of light", "summary <tags>", ""]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write_pair(tmp_path_factory.mktemp("pair"))


def read_block(written: Written, text: str) -> np.ndarray:
    """Return what the head makes of the output of block K at the last token of a prompt."""
    tokenizer = load_tokenizer(written.folder / "ar")
    start: Any = tokenizer.bos_token_id
    prompt = CRITIC_TEMPLATE.replace("{explanation}", text)
    ids = [start, *tokenizer.encode(prompt, add_special_tokens=False)]
    seen: list[torch.Tensor] = []

    def keep(_block: Any, _inputs: Any, output: Any) -> None:
        seen.append(output[0] if isinstance(output, tuple) else output)

    handle = written.subject.model.layers[K].register_forward_hook(keep)
    with torch.inference_mode():
        written.subject(torch.tensor([ids]))
    handle.remove()
    return (written.head @ seen[0].reshape(len(ids), -1)[-1]).numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_a_vector_is_the_head_of_block_k_at_the_last_token(tmp_path: Path, kind: Kind) -> None:
    written = write_pair(tmp_path, kind)

    vectors = Critic.load(written.folder / "ar").reconstruct(TEXTS)

    wanted = [read_block(written, text) for text in TEXTS]
    np.testing.assert_allclose(vectors, wanted, rtol=1e-3, atol=1e-3)


def test_a_vector_does_not_hang_on_the_others(written: Written) -> None:
    critic = Critic.load(written.folder / "ar")

    together = critic.reconstruct(TEXTS * 3, batch_size=5)

    alone = [critic.reconstruct([text])[0] for text in TEXTS * 3]
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-4)


def test_no_text_gives_no_vector(written: Written) -> None:
    assert Critic.load(written.folder / "ar").reconstruct([]).shape == (0, 32)


def test_half_precision_gives_nearly_the_same_directions(written: Written) -> None:
    exact, rounded = (
        Critic.load(written.folder / "ar", dtype=dtype).reconstruct(TEXTS)
        for dtype in (torch.float32, torch.bfloat16)
    )

    cosines = (exact * rounded).sum(1) / np.linalg.norm(exact, axis=1)
    assert (cosines / np.linalg.norm(rounded, axis=1) > 0.99).all()


def test_a_text_that_is_too_long_is_an_error(written: Written) -> None:
    with pytest.raises(VerbalizerError, match="reads 256"):
        Critic.load(written.folder / "ar").reconstruct(["heat " * 400])


@pytest.mark.parametrize("n_layers", [K, K + 2])
def test_a_critic_that_is_cut_elsewhere_is_refused(tmp_path: Path, n_layers: int) -> None:
    folder = write_pair(tmp_path).folder / "ar"
    change_json(folder / "config.json", lambda config: config.update(num_hidden_layers=n_layers))

    with pytest.raises(InputError, match=f"num_hidden_layers: {n_layers}; a critic .* block {K} "):
        Critic.load(folder)


def test_another_last_token_is_refused(tmp_path: Path) -> None:
    folder = write_pair(tmp_path).folder / "ar"
    ending = {"av": "", "ar": "{explanation} heat"}
    change_sidecar(folder, lambda file: file.update(prompt_templates=ending))

    with pytest.raises(InputError, match="critic_suffix_ids"):
        Critic.load(folder)


def test_a_head_that_is_missing_or_no_safetensors_is_refused(tmp_path: Path) -> None:
    folder = write_pair(tmp_path).folder / "ar"
    head = folder / "value_head.safetensors"
    head.write_bytes(b"\xff" * 100)
    with pytest.raises(InputError, match="not safetensors"):
        Critic.load(folder)
    head.unlink()
    with pytest.raises(InputError, match=r"no value_head\.safetensors"):
        Critic.load(folder)


def test_a_critic_of_pictures_and_text_is_refused(tmp_path: Path) -> None:
    folder = write_pair(tmp_path).folder / "ar"
    config = folder / "config.json"
    nested = {"model_type": "gemma3", "text_config": json.loads(config.read_text("utf-8"))}
    config.write_text(json.dumps(nested), "utf-8")

    with pytest.raises(InputError, match=r"ar/config\.json: text_config: a model of more than"):
        Critic.load(folder)
