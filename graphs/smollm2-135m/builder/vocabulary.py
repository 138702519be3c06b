"""Token ids as readable strings, and the tokens that a decoder direction promotes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from circuit_tracer.frontend.utils import process_token
from jaxtyping import Float
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode

_BYTE_OF = {character: byte for byte, character in bytes_to_unicode().items()}


@dataclass(frozen=True)
class LogitEffects:
    """Tokens at the two ends of what a feature writes, strongest first."""

    promoted: list[str]
    suppressed: list[str]


class Vocabulary:
    r"""Readable token strings, as circuit-tracer's frontend shows them.

    A token that is only part of a character is written as escapes such as `\xe2`, which the
    frontend joins again; line breaks and tabs become visible signs.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        ids = list(range(len(tokenizer)))
        names = cast(list[str], tokenizer.convert_ids_to_tokens(ids))
        special = set(tokenizer.all_special_tokens)
        self._strings = [name if name in special else _render(name) for name in names]

    def read(self, ids: Sequence[int]) -> list[str]:
        """Return one string a token."""
        return [self._strings[token] for token in ids]


def rank_logits(
    model: LlamaForCausalLM,
    directions: Float[Tensor, "feature d_model"],
    vocabulary: Vocabulary,
    count: int,
) -> list[LogitEffects]:
    """Find the tokens whose logits each direction raises and lowers most.

    The direction passes the final norm's gain and the unembedding; the norm's division by the
    residual stream's size is one factor for all tokens and cannot change their order.
    """
    weights = model.lm_head.weight * model.model.norm.weight
    effects = []
    for chunk in directions.float().split(64):
        logits = chunk @ weights.T
        highest, lowest = (logits.topk(count, largest=end).indices for end in (True, False))
        effects += [
            LogitEffects(vocabulary.read(up), vocabulary.read(down))
            for up, down in zip(highest.tolist(), lowest.tolist(), strict=True)
        ]
    return effects


def _render(name: str) -> str:
    content = bytes(_BYTE_OF[character] for character in name if character in _BYTE_OF)
    try:
        return process_token(content.decode())
    except UnicodeDecodeError:
        return "".join(chr(byte) if byte < 128 else f"\\x{byte:02x}" for byte in content)
