"""Residuals at the ends of passages: the output of block K, by a hook on that block."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from clerp.errors import InputError, NotAvailableError
from clerp.verbalizers import Extraction, Missed, Passage
from clerp_nla.subject.anatomy import Anatomy
from clerp_nla.subject.tokens import Encoded, encode, encode_passage, pad_right

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

BATCH_SIZE = 16


@dataclass(frozen=True, slots=True)
class _Place:
    number: int
    encoded: Encoded


class Subject:
    """The blocks 0 to K of a model, which is all that the output of block K needs.

    `hidden_states[K]` of transformers is the output of block K - 1, and the last entry is normed;
    the hook sees what block K adds up to, and nothing else.

    Args:
        model: A causal language model as transformers loads it; it loses the blocks after K.
        tokenizer: Its own.
        anatomy: Its shape, read before anything was cut off.
        layer: K.

    Raises:
        NotAvailableError: The model has no block K.
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerFast",
        anatomy: Anatomy,
        layer: int,
    ) -> None:
        if not 0 <= layer < anatomy.n_layers:
            raise NotAvailableError(
                f"the pair reads block {layer}, and the model has "
                f"{anatomy.n_layers}, numbered from 0",
                remedy="Take the pair that was trained on this model",
            )
        self.tokenizer = tokenizer
        self.anatomy = anatomy
        self.layer = layer
        self._blocks = anatomy.find_blocks(model)
        del self._blocks[layer + 1 :]
        self._body = anatomy.find_body(model).eval()
        self._embedding = model.get_input_embeddings()

    def to(self, device: torch.device | str) -> "Subject":
        """Move what is left of the model to a device."""
        self._body.to(device)
        return self

    def extract(
        self, passages: Sequence[Passage], *, batch_size: int = BATCH_SIZE
    ) -> list[Extraction | Missed]:
        """Return the residual at the end of each passage, in order.

        Left out, with the reason: passages whose last token is another one for this model, those
        that end at one of the first ten positions, and those too long for the model.
        """
        cut = [
            encode_passage(passage, self.tokenizer, self.anatomy.longest) for passage in passages
        ]
        fitting = [found for found in cut if isinstance(found, Encoded)]
        vectors = iter(self._run(fitting, batch_size))
        return [
            found if isinstance(found, Missed) else _extract(passage, next(vectors), found.position)
            for passage, found in zip(passages, cut, strict=True)
        ]

    def read_ends(
        self, texts: Sequence[str], *, batch_size: int = BATCH_SIZE
    ) -> Float32[np.ndarray, "text d_model"]:
        """Return the residual at the last token of each text, whichever token that is.

        Raises:
            InputError: A text has no token, or more than the model reads.
        """
        cut = [encode(text, self.tokenizer) for text in texts]
        for text, found in zip(texts, cut, strict=True):
            if not 0 < len(found.ids) <= self.anatomy.longest:
                raise InputError(
                    f"{text[:40]!r} has {len(found.ids)} tokens, and the model reads 1 to "
                    f"{self.anatomy.longest}"
                )
        return self._run(cut, batch_size)

    @property
    def _weight(self) -> Tensor:
        return cast(Tensor, self._embedding.weight).detach()

    def _run(self, cut: Sequence[Encoded], batch_size: int) -> Float32[np.ndarray, "text d_model"]:
        vectors = np.zeros((len(cut), self.anatomy.d_model), dtype=np.float32)
        places = [_Place(number, found) for number, found in enumerate(cut)]
        places.sort(key=lambda place: len(place.encoded.ids))
        for first in range(0, len(places), batch_size):
            batch = places[first : first + batch_size]
            read = self._run_batch([place.encoded.ids for place in batch])
            vectors[[place.number for place in batch]] = read
        return vectors

    @torch.inference_mode()
    def _run_batch(self, rows: Sequence[Sequence[int]]) -> Float32[np.ndarray, "text d_model"]:
        device = self._weight.device
        ids = torch.tensor(pad_right(rows, filler=rows[0][0]), device=device)
        lengths = torch.tensor([len(row) for row in rows], device=device)
        mask = (torch.arange(ids.shape[1], device=device) < lengths[:, None]).long()
        with self._watching() as seen:
            self._body(input_ids=ids, attention_mask=mask, use_cache=False)
        (hidden,) = seen
        ends = hidden[torch.arange(len(rows), device=device), lengths - 1]
        return ends.float().cpu().numpy()

    @contextmanager
    def _watching(self) -> Generator[list[Tensor]]:
        seen: list[Tensor] = []

        def keep(_module: nn.Module, _inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
            # Older blocks return a tuple with the hidden states first.
            seen.append(output[0] if isinstance(output, tuple) else output)

        handle = self._blocks[self.layer].register_forward_hook(keep)
        try:
            yield seen
        finally:
            handle.remove()


def _extract(
    passage: Passage, vector: Float32[np.ndarray, " d_model"], position: int
) -> Extraction | Missed:
    if not np.isfinite(vector).all():
        return Missed(passage, "the residual is not finite in the precision that the model runs in")
    return Extraction(passage, vector, position)
