"""Tokens after a prompt of embeddings; a text does not hang on what else is in its batch."""

import hashlib
import inspect
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor
from transformers import PreTrainedModel

from clerp.errors import VerbalizerError
from clerp.verbalizers import Sampling

_HEAD = "logits_to_keep"


class Chances:
    """For each vector its own uniform random numbers, decided by the vector and the seed.

    Args:
        keys: What stands for each vector: its bytes.
        sampling: Holds the seed and the number of tokens.
    """

    def __init__(self, keys: Sequence[bytes], sampling: Sampling) -> None:
        drawn = [
            np.random.default_rng(_hash(key, sampling.seed)).random(sampling.max_new_tokens)
            for key in keys
        ]
        self._drawn = torch.from_numpy(np.array(drawn))
        self._temperature = sampling.temperature

    def choose(
        self, logits: Float[Tensor, "vector vocabulary"], step: int
    ) -> Int[Tensor, " vector"]:
        """Return the next token of each vector: the likeliest at temperature 0, else a draw.

        A draw inverts the cumulated probabilities at one uniform number, so that equal numbers give
        equal tokens whatever else is drawn.
        """
        if self._temperature == 0:
            return logits.argmax(-1)
        likely = torch.softmax(logits.double() / self._temperature, dim=-1).cumsum(-1)
        chance = self._drawn[:, step, None].to(logits.device) * likely[:, -1:]
        return torch.searchsorted(likely, chance, right=True)[:, 0].clamp(max=logits.shape[1] - 1)


@torch.inference_mode()
def decode(
    model: PreTrainedModel,
    prompts: Float[Tensor, "vector token d_model"],
    chances: Chances,
    *,
    max_new_tokens: int,
    ends: frozenset[int],
    is_done: Callable[[Sequence[int]], bool],
) -> list[list[int]]:
    """Write after each prompt until it ends; the end token is not among what is returned.

    transformers' `generate` draws from one stream for a whole batch: a text would then hang on its
    neighbours.

    Args:
        model: A causal language model.
        prompts: All equally long, so that none needs padding.
        chances: Choose the tokens.
        max_new_tokens: After so many it stops.
        ends: Tokens after which nothing comes.
        is_done: Says of what was written so far that nothing more is needed.

    Raises:
        VerbalizerError: The model puts out what is no number.
    """
    n, length = prompts.shape[:2]
    written: list[list[int]] = [[] for _ in range(n)]
    running = set(range(n))
    embed = model.get_input_embeddings()
    inputs, cache = prompts, None
    for step in range(max_new_tokens):
        mask = torch.ones(n, length + step, dtype=torch.long, device=prompts.device)
        out = model(
            inputs_embeds=inputs,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
            **_keep_last(model),
        )
        logits, cache = out.logits[:, -1].float(), out.past_key_values
        if not bool(torch.isfinite(logits).all()):
            raise VerbalizerError(
                "the actor puts out what is no number",
                remedy="Its weights are damaged, or the precision is too low: try float32",
            )
        chosen = chances.choose(logits, step)
        for row, token in enumerate(chosen.tolist()):
            if row not in running:
                continue
            if token in ends:
                running.discard(row)
                continue
            written[row].append(token)
            if is_done(written[row]):
                running.discard(row)
        if not running:
            break
        inputs = embed(chosen)[:, None]
    return written


def make_keys(vectors: Float32[np.ndarray, "vector d_model"]) -> list[bytes]:
    """Return what stands for each vector in the choice of its random numbers."""
    return [vector.tobytes() for vector in vectors]


def _hash(key: bytes, seed: int) -> int:
    return int.from_bytes(hashlib.sha256(b"%d:" % seed + key).digest()[:8])


def _keep_last(model: PreTrainedModel) -> dict[str, int]:
    """Ask for the last logits only: those of a whole prompt take gigabytes in large batches."""
    return {_HEAD: 1} if _HEAD in inspect.signature(model.forward).parameters else {}
