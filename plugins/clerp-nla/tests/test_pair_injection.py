from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from clerp.errors import InputError
from clerp_nla.pair.checkpoint import load_model, load_tokenizer
from clerp_nla.pair.injection import Injector, check_vectors
from clerp_nla.pair.prompt import ActorPrompt, write_actor_prompt
from clerp_nla.pair.sidecar import read_sidecar

from .random_pairs import D_MODEL, KINDS, SCALE, Kind, write_pair


def watch_first_block(model: Any, **inputs: Any) -> torch.Tensor:
    """Return what the first block reads."""
    seen: list[torch.Tensor] = []

    def keep(_block: Any, args: Any, named: Any) -> None:
        seen.append(args[0] if args else named["hidden_states"])

    handle = model.model.layers[0].register_forward_pre_hook(keep, with_kwargs=True)
    with torch.inference_mode():
        model(**inputs)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_the_first_block_reads_the_prompt_and_the_vector_at_its_norm(
    tmp_path: Path, kind: Kind, dtype: torch.dtype
) -> None:
    folder = write_pair(tmp_path, kind).folder / "av"
    model = load_model(folder, AutoModelForCausalLM, device="cpu", dtype=dtype)
    prompt = write_actor_prompt(read_sidecar(folder), load_tokenizer(folder), folder)
    vectors = np.random.default_rng(0).normal(size=(3, D_MODEL)).astype(np.float32)
    vectors[1] *= 1e-20
    vectors[2] *= 1e25

    embedded = Injector(model, prompt, SCALE).embed(vectors)
    read = watch_first_block(model, inputs_embeds=embedded)
    plain = watch_first_block(model, input_ids=torch.tensor([prompt.ids]))

    others = [place for place in range(len(prompt.ids)) if place != prompt.marker]
    for row in read:
        torch.testing.assert_close(row[others], plain[0, others])
    exact = vectors.astype(np.float64)
    wanted = SCALE * exact / np.linalg.norm(exact, axis=1, keepdims=True)
    error = 1e-5 if dtype is torch.float32 else 0.02
    np.testing.assert_allclose(read[:, prompt.marker].double().numpy(), wanted, atol=SCALE * error)


def test_a_model_that_adds_positions_is_refused(tmp_path: Path) -> None:
    import transformers

    config = transformers.GPT2Config(vocab_size=20, n_embd=8, n_layer=2, n_head=2)
    model = AutoModelForCausalLM.from_config(config).eval()

    with pytest.raises(InputError, match="more to embeddings than to multiply"):
        Injector(model, ActorPrompt((1, 2, 3), 1), 1.0)


@pytest.mark.parametrize(
    ("value", "message"), [(0.0, "zero"), (np.nan, "not finite"), (np.inf, "not finite")]
)
def test_a_vector_without_direction_is_refused(value: float, message: str) -> None:
    vectors = np.ones((3, 4), dtype=np.float32)
    vectors[1] = value

    with pytest.raises(InputError, match=f"vector 1 is {message}"):
        check_vectors(vectors, 4)


def test_a_vector_of_another_width_is_refused() -> None:
    with pytest.raises(InputError, match="4 dimensions, and the actor reads 5"):
        check_vectors(np.ones((1, 4), dtype=np.float32), 5)
