"""A vector in the place of one embedding."""

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from transformers import PreTrainedModel

from clerp.errors import InputError
from clerp_nla.pair.prompt import ActorPrompt


class Injector:
    """Makes what the actor reads: the prompt's embeddings, with a vector in the marker's place.

    The vector gets the norm that the actor learned with, as the first block sees it. Gemma 3
    multiplies embeddings inside the embedding module, so rows are looked up through it. Gemma 2
    multiplies afterwards whatever comes in, so the vector is divided by that first.

    Args:
        model: A causal language model.
        prompt: What it reads.
        scale: Norm of the vector.

    Raises:
        InputError: The model does more to embeddings than to multiply them.
    """

    def __init__(self, model: PreTrainedModel, prompt: ActorPrompt, scale: float) -> None:
        embedding = model.get_input_embeddings()
        ids = torch.tensor([prompt.ids], device=model.device)
        with torch.inference_mode():
            self._plain: Float[Tensor, "token d_model"] = embedding(ids)[0]
        self._marker = prompt.marker
        self._norm = scale / _measure_factor(model, self._plain)

    def embed(
        self, vectors: Float32[np.ndarray, "vector d_model"]
    ) -> Float[Tensor, "vector token d_model"]:
        """Return one prompt for each vector."""
        # In double precision: the squares of a bad vector can leave the range of single.
        exact = torch.from_numpy(vectors.astype(np.float64))
        rows = exact * (self._norm / exact.norm(dim=-1, keepdim=True))
        prompts = self.embed_nothing(len(vectors)).clone()
        prompts[:, self._marker] = rows.to(prompts.device, prompts.dtype)
        return prompts

    def embed_nothing(self, n: int = 1) -> Float[Tensor, "vector token d_model"]:
        """Return prompts in which the marker is left as it is."""
        return self._plain.expand(n, -1, -1)


def check_vectors(vectors: Float32[np.ndarray, "vector d_model"], d_model: int) -> None:
    """Say that vectors have a direction.

    Raises:
        InputError: One has none, is not finite, or all are of another width.
    """
    if vectors.shape[1] != d_model:
        raise InputError(
            f"the vectors have {vectors.shape[1]} dimensions, and the actor reads {d_model}"
        )
    finite = np.isfinite(vectors).all(axis=1)
    for bad, what in ((~finite, "not finite"), (~vectors.any(axis=1), "zero")):
        if bad.any():
            raise InputError(f"vector {int(np.argmax(bad))} is {what}: it has no direction")


@torch.inference_mode()
def _measure_factor(model: PreTrainedModel, plain: Float[Tensor, "token d_model"]) -> float:
    """Measure by what a model multiplies embeddings before its first block reads them."""
    seen: list[Tensor] = []

    def keep(_block: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
        seen.append(inputs[0] if inputs else named["hidden_states"])

    handle = _find_blocks(model)[0].register_forward_pre_hook(keep, with_kwargs=True)
    try:
        model(inputs_embeds=plain[None, :2], use_cache=False)
    finally:
        handle.remove()
    given, read = plain[:2].double(), seen[0][0].double()
    factor = float((given * read).sum() / (given * given).sum())
    if not factor > 0 or (read - factor * given).norm() > 0.01 * read.norm():
        raise InputError(
            f"{type(model).__name__} does more to embeddings than to multiply them, so that no "
            "vector can be put in their place",
            remedy="Run the pair behind a server that knows it, and name that server",
        )
    return factor


def _find_blocks(model: PreTrainedModel) -> nn.ModuleList:
    n_layers = model.config.get_text_config().num_hidden_layers
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == n_layers:
            return module
    raise InputError(f"the blocks of {type(model).__name__} are at no place that clerp knows")
