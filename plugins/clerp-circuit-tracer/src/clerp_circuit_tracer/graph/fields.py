"""Values of unknown types by key, taken out with their types, sizes and ranges checked."""

from collections.abc import Mapping, Sized
from dataclasses import dataclass

import torch
from torch import Tensor

from clerp.errors import GraphError

MAX_CHARS = 4096
"""Longest name of a token, transcoder or tokenizer."""

_FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
_SINGLE = torch.finfo(torch.float32)
_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
_REMEDY = "Save the graph again with Graph.to_pt of circuit-tracer 0.5.0"


@dataclass(frozen=True, slots=True)
class Fields:
    """Part of a graph as circuit-tracer keeps it, not trusted yet.

    Every method raises GraphError, naming the key, where a value is not what it should be.
    """

    values: Mapping[str, object]
    where: str
    """The file or object, as errors name it."""

    def take(self, key: str) -> object:
        """Return a value that must be there."""
        if key not in self.values:
            raise self.refuse(key, "missing")
        return self.values[key]

    def take_text(self, key: str, max_chars: int = MAX_CHARS) -> str:
        """Return a text that UTF-8 can hold."""
        return self.check_text(key, self.take(key), max_chars)

    def take_count(self, key: str) -> int:
        """Return a whole number from 1 up."""
        value = self.take(key)
        if type(value) is not int or value < 1:
            raise self.refuse(key, f"expected a whole number from 1 up, got {_describe(value)}")
        return value

    def take_numbers(self, key: str, shape: tuple[int | None, ...]) -> Tensor:
        """Return floats in main memory, in their own precision and the range of single precision.

        Args:
            key: Of a tensor.
            shape: Its sizes; None stands for any.
        """
        tensor = self._take_tensor(key, shape, _FLOATS)
        self._check_range(key, tensor, _SINGLE.min, _SINGLE.max)
        return tensor

    def take_indices(self, key: str, shape: tuple[int | None, ...], end: int) -> Tensor:
        """Return whole numbers in main memory, none of them below 0 or from `end` up."""
        tensor = self._take_tensor(key, shape, _INTEGERS).long()
        self._check_range(key, tensor, 0, end - 1)
        return tensor

    def check_text(self, key: str, value: object, max_chars: int = MAX_CHARS) -> str:
        """Check a value that was taken or stands inside one."""
        if not isinstance(value, str):
            raise self.refuse(key, f"expected text, got {_describe(value)}")
        if len(value) > max_chars:
            raise self.refuse(key, f"more than {max_chars:,} characters")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise self.refuse(key, "half of a character (a lone surrogate)") from error
        return value

    def check_filled(self, key: str, value: object) -> None:
        """Refuse a list or tensor of nothing."""
        if isinstance(value, Sized) and len(value) == 0:
            raise self.refuse(key, "empty")

    def refuse(self, key: str, fault: str) -> GraphError:
        """Make the error for a value."""
        return GraphError(fault, where=f"{self.where}, {key}", remedy=_REMEDY)

    def _take_tensor(
        self, key: str, shape: tuple[int | None, ...], dtypes: tuple[torch.dtype, ...]
    ) -> Tensor:
        tensor = self.take(key)
        if not isinstance(tensor, Tensor) or tensor.layout is not torch.strided:
            raise self.refuse(key, f"expected a dense tensor, got {_describe(tensor)}")
        if tensor.dtype not in dtypes:
            raise self.refuse(key, f"unexpected type {tensor.dtype}")
        given = tuple(tensor.shape)
        if len(given) != len(shape) or any(
            size not in (None, got) for size, got in zip(shape, given, strict=True)
        ):
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise self.refuse(key, f"expected the shape ({wanted}), got {given}")
        # Strides of zero let a few bytes stand for any amount of memory.
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise self.refuse(key, f"shape {given}, but fewer values")
        return tensor.detach().cpu()

    def _check_range(self, key: str, tensor: Tensor, least: float, most: float) -> None:
        if tensor.numel() == 0:
            return
        low, high = (extreme.item() for extreme in tensor.aminmax())
        # Not a number is neither.
        if not least <= low <= high <= most:
            raise self.refuse(key, f"values from {low} to {high}, expected {least} to {most}")


def _describe(value: object) -> str:
    return repr(value) if type(value) in (int, float, bool) else type(value).__name__
