"""The actor of a pair: one vector to text."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from clerp.errors import InputError, UsageError
from clerp.verbalizers import Sampling, Verbalization
from clerp_nla.pair.checkpoint import CONFIG, load_model, load_tokenizer
from clerp_nla.pair.decoding import Chances, decode, make_keys
from clerp_nla.pair.injection import Injector, check_vectors
from clerp_nla.pair.parsing import CLOSING, parse_explanation
from clerp_nla.pair.prompt import write_actor_prompt
from clerp_nla.pair.sidecar import Sidecar, read_sidecar

MOST_NEW_TOKENS = 4096
# A tag has at most as many tokens as bytes.
_TAIL = len(CLOSING) + 2


class Actor:
    """A causal language model that reads a vector in the place of one embedding (kitft's layout).

    Args:
        model: On its device, in its precision.
        tokenizer: Its own.
        sidecar: What it says of itself.
        folder: For messages.

    Raises:
        InputError: The parts do not belong together.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        sidecar: Sidecar,
        folder: Path,
    ) -> None:
        assert sidecar.injection_scale is not None  # `read_sidecar` has seen to it
        self.sidecar = sidecar
        self.tokenizer = tokenizer
        self._model = model
        _check_shape(model, sidecar, folder)
        prompt = write_actor_prompt(sidecar, tokenizer, folder)
        self._injector = Injector(model, prompt, sidecar.injection_scale)
        self._ends = _find_ends(model, tokenizer)

    @classmethod
    def load(
        cls, folder: Path, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> Self:
        """Load an actor from a folder on this machine.

        Raises:
            InputError: It is no actor, or not whole.
            UsageError: The precision is neither float32 nor bfloat16.
        """
        sidecar = read_actor_sidecar(folder)
        model = load_model(folder, AutoModelForCausalLM, device=device, dtype=dtype)
        return cls(model, load_tokenizer(folder), sidecar, folder)

    def describe(
        self,
        vectors: Float32[np.ndarray, "vector d_model"],
        sampling: Sampling,
        *,
        batch_size: int = 32,
    ) -> list[Verbalization]:
        """Say what each vector is about, in order; of its length nothing is used.

        The vector and the seed decide the text. What else is in the batch moves logits by no more
        than rounding does, which in rare cases is enough to turn a token over.

        Raises:
            InputError: A vector has no direction, or not this model's width.
            UsageError: The sampling is none.
            VerbalizerError: The model puts out what is no number.
        """
        check_vectors(vectors, self.sidecar.d_model)
        _check_sampling(sampling)
        said: list[Verbalization] = []
        for first in range(0, len(vectors), batch_size):
            batch = vectors[first : first + batch_size]
            said += self._write(self._injector.embed(batch), make_keys(batch), sampling)
        return said

    def describe_nothing(self, sampling: Sampling) -> Verbalization:
        """Say what comes where no vector is put in and the marker itself is read.

        Raises:
            UsageError: The sampling is none.
            VerbalizerError: The model puts out what is no number.
        """
        _check_sampling(sampling)
        return self._write(self._injector.embed_nothing(), [b""], sampling)[0]

    def _write(
        self,
        prompts: Float[Tensor, "vector token d_model"],
        keys: Sequence[bytes],
        sampling: Sampling,
    ) -> list[Verbalization]:
        written = decode(
            self._model,
            prompts,
            Chances(keys, sampling),
            max_new_tokens=sampling.max_new_tokens,
            ends=self._ends,
            is_done=lambda ids: CLOSING in self._read(ids[-_TAIL:]),
        )
        return [
            parse_explanation(
                self._read(ids),
                n_tokens=len(ids),
                cut_off=len(ids) == sampling.max_new_tokens,
            )
            for ids in written
        ]

    def _read(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))


def read_actor_sidecar(folder: Path) -> Sidecar:
    """Read the sidecar of an actor.

    Raises:
        InputError: It is that of a critic, or none.
    """
    sidecar = read_sidecar(folder)
    if sidecar.role != "av":
        raise InputError(
            "role: this is a critic (ar), and an actor (av) is needed",
            where=str(folder),
            remedy="The two halves are swapped: name them the other way round",
        )
    return sidecar


def _check_shape(model: PreTrainedModel, sidecar: Sidecar, folder: Path) -> None:
    text = model.config.get_text_config()
    where = str(folder / CONFIG)
    if text.hidden_size != sidecar.d_model:
        raise InputError(
            f"hidden_size: {text.hidden_size}, and the sidecar's d_model is {sidecar.d_model}",
            where=where,
        )
    if sidecar.layer is not None and sidecar.layer >= text.num_hidden_layers:
        raise InputError(
            f"num_hidden_layers: {text.num_hidden_layers}, so there is no block {sidecar.layer}, "
            "whose output the sidecar says it reads",
            where=where,
        )


def _check_sampling(sampling: Sampling) -> None:
    if not (0 <= sampling.temperature < math.inf):
        raise UsageError(f"the temperature {sampling.temperature} is not 0 or more")
    if not 1 <= sampling.max_new_tokens <= MOST_NEW_TOKENS:
        raise UsageError(f"{sampling.max_new_tokens} new tokens are not 1 to {MOST_NEW_TOKENS}")


def _find_ends(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> frozenset[int]:
    configured = getattr(model.generation_config, "eos_token_id", None)
    ends = configured if isinstance(configured, list) else [configured]
    return frozenset(end for end in (*ends, tokenizer.eos_token_id) if isinstance(end, int))
