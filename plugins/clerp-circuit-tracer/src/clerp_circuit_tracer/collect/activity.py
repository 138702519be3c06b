"""What features do on a batch of text: the border between the model and the statistics."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One model input. A row never holds text of two documents."""

    number: int
    """Counted from 0 over the whole corpus."""
    tokens: Int[Tensor, " position"]
    """Token ids on the CPU, what the tokenizer puts in front (BOS) among them."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows of a batch, padded on the right."""

    rows: Sequence[Row]
    tokens: Int[Tensor, "row position"]
    lengths: Int[Tensor, " row"]
    """Tokens of each row that are no padding."""
    prefix: int
    """Tokens at the start of every row where features count as off: 1 for BOS."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerActivity:
    """The wanted features of one layer on one batch, in ascending order of their index."""

    layer: int
    activations: Float[Tensor, "row position feature"]
    """Zero where a feature is off, in the prefix and on padding."""
    margins: Float[Tensor, "row position feature"]
    """Pre-activation minus threshold: positive where the feature fires. -inf in the prefix and on
    padding."""


@dataclass(frozen=True, slots=True)
class LogitEffects:
    """Tokens at the two ends of what a feature writes, strongest first."""

    promoted: tuple[str, ...]
    suppressed: tuple[str, ...]


@runtime_checkable
class ActivityReader(Protocol):
    """A model with its transcoders, ready to tell of the wanted features."""

    scan: str
    """What graphs call the transcoders."""
    n_layers: int
    n_features: int
    """Features of each layer of the transcoders, wanted or not."""
    promoted_from: str
    """`summed` for a cross-layer transcoder, `per layer` for one a layer."""

    def read(self, batch: Batch) -> Iterator[LayerActivity]:
        """Run the model and yield each layer that has wanted features, in any order."""
        ...

    def rank_logits(self, count: int) -> Mapping[int, Sequence[LogitEffects]]:
        """Return, by layer, the tokens that each wanted feature promotes and suppresses most."""
        ...

    def read_tokens(self, ids: Sequence[int]) -> list[str]:
        """Return one readable string a token, as circuit-tracer's frontend shows it."""
        ...
