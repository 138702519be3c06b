"""A language model as collection needs it, whatever library runs it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from circuit_tracer.replacement_model.common import ensure_tokenized
from jaxtyping import Float, Int
from torch import Tensor

from clerp.errors import InputError, UsageError

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerFast

BackendName = Literal["nnsight", "transformerlens"]
Precision = Literal["float32", "bfloat16", "float16"]
Visit = Callable[[int, Float[Tensor, "row position d_model"]], None]

# What gemma-3 -it inputs have to begin with, which circuit-tracer asks for in tokens.
_TURN = "<bos><start_of_turn>user\n"


@dataclass(frozen=True, slots=True, eq=False)
class Unembedding:
    """How the residual stream becomes logits."""

    norm: Any
    """The final norm, a module."""
    rows: Float[Tensor, "token d_model"]


class Backend(Protocol):
    """A model that lets features look at what its MLPs read."""

    tokenizer: "PreTrainedTokenizerFast"
    prefix: tuple[int, ...]
    """Token ids in front of every row; circuit-tracer gives these positions no features."""
    n_layers: int
    d_model: int
    unembedding: Unembedding

    def digest(self) -> str:
        """Return a digest of the weights as they were loaded; see `digest_model`."""
        ...

    def visit_inputs(
        self, tokens: Int[Tensor, "row position"], layers: Sequence[int], visit: Visit
    ) -> None:
        """Run the model as far as the last of the layers and show each layer's feature inputs.

        Rows may be padded on the right: no position of a causal model sees what comes after it.

        Args:
            tokens: Token ids on any device.
            layers: Ascending.
            visit: Called with a layer and what its features read, without gradients.
        """
        ...


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and in what precision a model computes."""

    device: torch.device
    dtype: torch.dtype


def choose_placement(device: str | None, precision: Precision) -> Placement:
    """Choose the device: the named one, else a GPU where CUDA has one, else the processor.

    Raises:
        UsageError: There is no such device.
    """
    name = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(name)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as fault:
        raise UsageError(
            f"there is no device {name!r} here", remedy="Name another, for example --device cpu"
        ) from fault
    return Placement(chosen, getattr(torch, precision))


def check_context(config: "PretrainedConfig", context: int) -> None:
    """Refuse rows that are longer than what a model was made for.

    Raises:
        UsageError: They are.
    """
    longest: int | None = getattr(config.get_text_config(), "max_position_embeddings", None)
    if longest is not None and context > longest:
        raise UsageError(
            f"rows of {context} tokens are longer than the {longest} of the model",
            remedy="Give a shorter --context",
        )


def find_prefix(
    tokenizer: "PreTrainedTokenizerFast", zeroed: slice, model_name: str
) -> tuple[int, ...]:
    """Find the tokens that circuit-tracer wants, or puts, in front of a prompt.

    Args:
        tokenizer: The model's.
        zeroed: Positions where the model has no features.
        model_name: By which circuit-tracer knows the models that it treats differently.

    Raises:
        InputError: The tokenizer has no token that could stand there.
    """
    special = set(tokenizer.all_special_ids)
    word = next(token for token in range(len(tokenizer)) if token not in special)
    turn = tokenizer.encode(_TURN, add_special_tokens=False) if zeroed.stop > 1 else []
    try:
        # Two words: of a prompt of one token circuit-tracer makes a number.
        tokens = ensure_tokenized([*turn, word, word], tokenizer, "cpu", model_name).tolist()
    except (StopIteration, AssertionError) as fault:
        raise InputError(
            "the tokenizer has no special token to put in front (circuit-tracer passes over id 0)",
            where=model_name,
            remedy="Use the tokenizer that the model was trained with",
        ) from fault
    prefix = tuple(tokens[:-2])
    if len(prefix) != zeroed.stop:
        raise InputError(
            f"{len(prefix)} tokens stand in front of a prompt, but {zeroed.stop} have no features",
            where=model_name,
            remedy="Use the tokenizer that the model was trained with",
        )
    return prefix
