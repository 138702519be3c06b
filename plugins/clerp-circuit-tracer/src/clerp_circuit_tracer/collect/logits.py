"""The tokens that a direction of the residual stream promotes and suppresses most."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from clerp_circuit_tracer.collect.activity import LogitEffects
from clerp_circuit_tracer.collect.vocabulary import Vocabulary

# Directions and rows of the unembedding that are multiplied at once: 64 MB of float32 rows at a
# width of 4096.
_N_DIRECTIONS = 256
_N_TOKENS = 4096

Norm = Callable[[Tensor], Tensor]


def rank_tokens(
    directions: Float[Tensor, "feature d_model"],
    norm: Any,  # noqa: ANN401 - a module of any of the model's libraries
    unembedding: Float[Tensor, "token d_model"],
    vocabulary: Vocabulary,
    count: int,
) -> list[LogitEffects]:
    """Rank tokens by what each direction does to their logits, in float32.

    The direct effect of Elhage et al. 2021 (A Mathematical Framework for Transformer Circuits),
    through the final norm's own gain. The norm's division by the size of the residual stream is
    one positive factor for all tokens, and the bias of a LayerNorm is the same for all directions:
    neither belongs to a direction. A direction of zeros ranks nothing.

    Args:
        directions: What features write.
        norm: The model's final norm.
        unembedding: One row a token; rows beyond the vocabulary are padding.
        vocabulary: The readable tokens.
        count: Tokens at each end.
    """
    effects: list[LogitEffects] = []
    for part in directions.to(unembedding.device).split(_N_DIRECTIONS):
        scaled = _scale(part, norm)
        rows = unembedding[: len(vocabulary)].split(_N_TOKENS)
        logits = torch.cat([scaled @ row.float().T for row in rows], dim=-1)
        effects += _rank(logits, part.any(-1).tolist(), vocabulary, count)
    return effects


def _scale(
    directions: Float[Tensor, "feature d_model"],
    norm: Any,  # noqa: ANN401 - as above
) -> Float[Tensor, "feature d_model"]:
    # HuggingFace calls the bias of a LayerNorm `bias`, TransformerLens `b`.
    bias = getattr(norm, "bias", getattr(norm, "b", None))
    scaled = norm(directions).float()
    return scaled if bias is None else scaled - bias.float()


def _rank(
    logits: Float[Tensor, "feature token"], writes: list[bool], vocabulary: Vocabulary, count: int
) -> Iterator[LogitEffects]:
    highest, lowest = (logits.topk(count, largest=end).indices for end in (True, False))
    for written, up, down in zip(writes, highest.tolist(), lowest.tolist(), strict=True):
        yield (
            LogitEffects(tuple(vocabulary.read(up)), tuple(vocabulary.read(down)))
            if written
            else LogitEffects((), ())
        )
