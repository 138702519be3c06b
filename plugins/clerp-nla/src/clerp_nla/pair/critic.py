"""The critic of a pair: text back to a vector."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Self

import numpy as np
import torch
from jaxtyping import Float, Float32
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from clerp.errors import InputError, VerbalizerError
from clerp_nla.pair.checkpoint import CONFIG, HEAD, load_model, load_tokenizer, read_config
from clerp_nla.pair.prompt import write_critic_prompt
from clerp_nla.pair.sidecar import Sidecar, read_sidecar

_HEAD_KEY = "weight"
# Trained from the identity; the released ones stay below 10, damaged files hold 1e38.
_MOST = 1e4
# Of Llama and its many likes; GPT-NeoX; Falcon.
_BODIES = ("model", "gpt_neox", "transformer")
_FINAL_NORMS = ("norm", "final_layernorm", "final_layer_norm", "ln_f")
# What a critic's checkpoint leaves out: transformers makes it up, and it is not used.
_LEFT_OUT = (
    *(
        f"{body}.{norm}.{part}"
        for body in _BODIES
        for norm in _FINAL_NORMS
        for part in ("weight", "bias")
    ),
    "lm_head.weight",
    "embed_out.weight",
)


class Critic:
    """The blocks 0 to K of a causal language model, and a linear layer (kitft's layout).

    Args:
        body: The blocks, without a norm after the last one.
        head: From what the last block puts out at the last token to the vector.
        tokenizer: The body's own.
        sidecar: What it says of itself.
        folder: For messages.

    Raises:
        InputError: The tokenizer is another one than in training.
    """

    def __init__(
        self,
        body: PreTrainedModel,
        head: nn.Linear,
        tokenizer: PreTrainedTokenizerFast,
        sidecar: Sidecar,
        folder: Path,
    ) -> None:
        self.sidecar = sidecar
        self.tokenizer = tokenizer
        self._body = body
        self._head = head
        self._folder = folder
        self._longest = int(getattr(body.config, "max_position_embeddings", 0) or 2**31)
        self._write("a text")

    @classmethod
    def load(
        cls, folder: Path, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> Self:
        """Load a critic from a folder on this machine.

        Raises:
            InputError: It is no critic, is not cut after block K, or its head is damaged.
            UsageError: The precision is neither float32 nor bfloat16.
        """
        sidecar = read_critic_sidecar(folder)
        _check_shape(sidecar, folder)
        head = _load_head(folder, sidecar.d_model).to(device, dtype)
        # Not AutoModel, which does not find the parameters of all kinds of models. Tied to the
        # embeddings, the logits that nobody wants take no memory.
        model = load_model(
            folder,
            AutoModelForCausalLM,
            device=device,
            dtype=dtype,
            may_lack=_LEFT_OUT,
            changed={"tie_word_embeddings": True},
        )
        body = _take_body(model, folder)
        return cls(body, head, load_tokenizer(folder), sidecar, folder)

    def reconstruct(
        self, texts: Sequence[str], *, batch_size: int = 32
    ) -> Float32[np.ndarray, "text d_model"]:
        """Return the vector that each text stands for, in order; only its direction means anything.

        Raises:
            VerbalizerError: A text is longer than the critic reads, or a vector is not finite.
        """
        rows = [self._write(text) for text in texts]
        for row in rows:
            if len(row) > self._longest:
                raise VerbalizerError(
                    f"a text of {len(row):,} tokens: the critic reads {self._longest:,}"
                )
        vectors = np.zeros((len(rows), self.sidecar.d_model), dtype=np.float32)
        # Texts of like length together: less padding.
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        for first in range(0, len(order), batch_size):
            batch = order[first : first + batch_size]
            vectors[batch] = self._run([rows[place] for place in batch]).cpu().numpy()
        if not np.isfinite(vectors).all():
            raise VerbalizerError(
                "the critic puts out what is no number",
                remedy="Its weights are damaged, or the precision is too low: try float32",
            )
        return vectors

    def _write(self, text: str) -> tuple[int, ...]:
        return write_critic_prompt(text, self.sidecar, self.tokenizer, self._folder)

    @torch.inference_mode()
    def _run(self, rows: Sequence[Sequence[int]]) -> Float[Tensor, "text d_model"]:
        device = self._body.device
        lengths = torch.tensor([len(row) for row in rows], device=device)
        longest = max(map(len, rows))
        # No token of a causal model sees the padding after it, whatever it is.
        padded = [[*row, *[row[-1]] * (longest - len(row))] for row in rows]
        ids = torch.tensor(padded, device=device)
        mask = (torch.arange(longest, device=device) < lengths[:, None]).long()
        out = self._body(input_ids=ids, attention_mask=mask, use_cache=False)
        ends = out.last_hidden_state[torch.arange(len(rows), device=device), lengths - 1]
        return self._head(ends).float()


def read_critic_sidecar(folder: Path) -> Sidecar:
    """Read the sidecar of a critic.

    Raises:
        InputError: It is that of an actor, or none.
    """
    sidecar = read_sidecar(folder)
    if sidecar.role != "ar":
        raise InputError(
            "role: this is an actor (av), and a critic (ar) is needed",
            where=str(folder),
            remedy="The two halves are swapped: name them the other way round",
        )
    return sidecar


def _check_shape(sidecar: Sidecar, folder: Path) -> None:
    config = read_config(folder)
    where = str(folder / CONFIG)
    if "hidden_size" not in config and "text_config" in config:
        raise InputError(
            "text_config: a model of more than text; clerp reads critics that are of text alone",
            where=where,
            remedy="Save its language model as a model of its own",
        )
    # Before anything of that size is made.
    if (width := config.get("hidden_size")) != sidecar.d_model:
        raise InputError(
            f"hidden_size: {width}, and the sidecar's d_model is {sidecar.d_model}", where=where
        )
    n_layers = config.get("num_hidden_layers")
    if sidecar.layer is None or n_layers != sidecar.layer + 1:
        raise InputError(
            f"num_hidden_layers: {n_layers}; a critic of the output of block {sidecar.layer} has "
            "the blocks up to it, counted from 0, and so one more than its number",
            where=where,
            remedy="Either the layer in the sidecar or the place of the cut is wrong",
        )


def _load_head(folder: Path, d_model: int) -> nn.Linear:
    path = folder / HEAD
    if not path.is_file():
        raise InputError(f"no {HEAD}: not a whole critic", where=str(folder))
    try:
        with safe_open(path, framework="pt") as opened:
            keys = list(opened.keys())
            shape = tuple(opened.get_slice(_HEAD_KEY).get_shape()) if _HEAD_KEY in keys else ()
            fits = keys == [_HEAD_KEY] and shape == (d_model, d_model)
            weight = opened.get_tensor(_HEAD_KEY).float() if fits else None
    except (SafetensorError, OSError, ValueError, TypeError) as fault:
        raise InputError(f"not safetensors: {fault}", where=str(path)) from fault
    if weight is None:
        raise InputError(
            f"holds {', '.join(sorted(keys)[:3])} of shape {shape}, and should hold {_HEAD_KEY} of "
            f"{d_model} x {d_model} alone",
            where=str(path),
        )
    largest = float(weight.abs().max())
    if not largest < _MOST:  # neither is NaN
        raise InputError(
            f"the value head is damaged: its largest number is {largest:g}",
            where=str(path),
            remedy="Fetch it again; some published ones are damaged at their source",
        )
    head = nn.Linear(d_model, d_model, bias=False)
    head.weight = nn.Parameter(weight, requires_grad=False)
    return head


def _take_body(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """Return the blocks, with nothing after the last one."""
    bodies = [getattr(model, name, None) for name in _BODIES]
    for body, norm in product(bodies, _FINAL_NORMS):
        if isinstance(body, PreTrainedModel) and isinstance(getattr(body, norm, None), nn.Module):
            setattr(body, norm, nn.Identity())
            return body
    raise InputError(
        f"the last norm of {type(model).__name__} is at no place that clerp knows "
        f"({', '.join(_FINAL_NORMS)})",
        where=str(folder),
    )
