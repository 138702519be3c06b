"""Rows of tokens for a model to run on."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import torch
from jaxtyping import Int
from torch import Tensor

from clerp.errors import UsageError
from clerp_circuit_tracer.collect.activity import Row
from clerp_circuit_tracer.collect.documents import (
    Documents,
    digest_texts,
    open_files,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_DATASET = "hf:"
# Part of a corpus's digest: text that spells special tokens out is read as text.
_SPLIT = "special tokens are split"


class Corpus(Protocol):
    """Rows in a fixed order."""

    n_skipped: int
    """Documents without a token, as far as was read."""

    def estimate(self, n_read: int) -> int | None:
        """Return about how many tokens there are.

        Args:
            n_read: Tokens of the rows that were read.
        """
        ...

    def identify(self) -> str:
        """Return a digest of all rows, which no name or place enters."""
        ...

    def read(self, start: int = 0) -> Iterator[Row]:
        """Yield the rows from a number on; those before it cost no more than their reading."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class RowForm:
    """How text becomes rows.

    Raises:
        UsageError: Rows have no room for text.
    """

    tokenizer: "PreTrainedTokenizerFast"
    prefix: tuple[int, ...]
    """Token ids in front of every row."""
    context: int
    """Most tokens of a row, the prefix among them."""

    def __post_init__(self) -> None:
        if self.context <= len(self.prefix):
            raise UsageError(
                f"a row of {self.context} tokens has no room for text after the "
                f"{len(self.prefix)} in front",
                remedy="Give a longer --context",
            )

    def identify(self) -> str:
        """Return a digest of everything that decides on the tokens of a text."""
        tokenizer = self.tokenizer.backend_tokenizer.to_str()
        return digest_texts(tokenizer, _SPLIT, repr(self.prefix), repr(self.context))

    def encode(self, piece: str) -> list[int]:
        """Return the token ids of a text, without the prefix.

        A text that spells a special token out, such as `<bos>`, has no power over the model.
        """
        # Not verbose: it warns of every text that is longer than the model's context.
        encoded = self.tokenizer(
            piece, add_special_tokens=False, split_special_tokens=True, verbose=False
        )
        return cast(list[int], encoded["input_ids"])


@dataclass(slots=True)
class TextCorpus:
    """Rows of documents, none of which shares a row with another."""

    documents: Documents
    form: RowForm
    n_tokens: int | None = None
    """Tokens to stop after, prefixes not counted; None reads everything."""
    n_skipped: int = 0

    def estimate(self, n_read: int) -> int | None:
        """Return about how many tokens there are, by how far into the files reading is."""
        mileage = self.documents.mileage
        if not mileage.total or not mileage.done or not n_read:
            return self.n_tokens
        everything = round(n_read * mileage.total / mileage.done)
        return everything if self.n_tokens is None else min(everything, self.n_tokens)

    def identify(self) -> str:
        """Return a digest of all rows; `n_tokens`, which only ends them, is no part of it."""
        return digest_texts(self.documents.identify(), self.form.identify())

    def read(self, start: int = 0) -> Iterator[Row]:
        """Yield the rows from a number on.

        Raises:
            InputError: A document cannot be read.
        """
        self.n_skipped = 0
        prefix = self.form.prefix
        for number, body in enumerate(_stop_after(self._cut_documents(), self.n_tokens)):
            if number >= start:
                yield Row(number, torch.tensor([*prefix, *body], dtype=torch.long))

    def _cut_documents(self) -> Iterator[list[int]]:
        for document in self.documents:
            n_rows = 0
            for body in self._cut(document):
                n_rows += 1
                yield body
            self.n_skipped += n_rows == 0

    def _cut(self, document: Iterator[str]) -> Iterator[list[int]]:
        size = self.form.context - len(self.form.prefix)
        held: list[int] = []
        for piece in document:
            if piece.strip():
                held += self.form.encode(piece)
            whole = len(held) // size * size
            yield from (held[at : at + size] for at in range(0, whole, size))
            held = held[whole:]
        if held:
            yield held


@dataclass(slots=True)
class TensorCorpus:
    """Rows that are there already, each with its prefix.

    Raises:
        UsageError: They are no rows of token ids, or do not begin with the prefix.
    """

    tokens: Int[Tensor, "row position"]
    prefix: tuple[int, ...]
    """Token ids that every row has in front."""
    n_vocabulary: int
    """Ids are below it."""
    n_tokens: int | None = None
    """Tokens to stop after, prefixes not counted; None reads everything."""
    n_skipped: int = 0

    def __post_init__(self) -> None:
        check_token_ids(self.tokens)
        n_prefix = len(self.prefix)
        if self.tokens.shape[1] <= n_prefix:
            raise _refuse_ids(f"no room for text after the {n_prefix} tokens in front")
        lowest, highest = int(self.tokens.min()), int(self.tokens.max())
        if lowest < 0 or highest >= self.n_vocabulary:
            raise _refuse_ids(
                f"from {lowest} to {highest}, where the tokenizer has 0 to {self.n_vocabulary - 1}"
            )
        if (self.tokens[:, :n_prefix].cpu() != torch.tensor(self.prefix)).any():
            raise _refuse_ids(f"not every row begins with {list(self.prefix)}, as the model wants")

    def estimate(self, n_read: int) -> int | None:
        """Return how many tokens there are, prefixes not counted."""
        everything = self.tokens[:, len(self.prefix) :].numel()
        return everything if self.n_tokens is None else min(everything, self.n_tokens)

    def identify(self) -> str:
        """Return a digest of shape and token ids."""
        content = self.tokens.to("cpu", torch.int64).contiguous().numpy().tobytes()
        return digest_texts(repr(tuple(self.tokens.shape)), hashlib.sha256(content).hexdigest())

    def read(self, start: int = 0) -> Iterator[Row]:
        """Yield the rows from a number on."""
        n_prefix = len(self.prefix)
        size = self.tokens.shape[1] - n_prefix
        for number in range(start, len(self.tokens)):
            length = size if self.n_tokens is None else min(size, self.n_tokens - number * size)
            if length <= 0:
                return
            yield Row(number, self.tokens[number, : n_prefix + length].to("cpu", torch.long))


def check_token_ids(tokens: Tensor) -> None:
    """Refuse what cannot be rows of token ids for any model.

    Raises:
        UsageError: It has another number of axes, no entry, or no whole numbers.
    """
    if tokens.dim() != 2 or not tokens.numel():
        raise _refuse_ids(f"a tensor of the shape {tuple(tokens.shape)}")
    if tokens.is_floating_point() or tokens.is_complex() or tokens.dtype == torch.bool:
        raise _refuse_ids(f"numbers of the type {tokens.dtype}")


def _refuse_ids(fault: str) -> UsageError:
    return UsageError(
        f"the token ids of the corpus are unusable: {fault}",
        remedy="Give rows of ids of the model's tokenizer, each with what stands in front (BOS)",
    )


def _stop_after(bodies: Iterable[list[int]], n_tokens: int | None) -> Iterator[list[int]]:
    left = n_tokens
    for body in bodies:
        if left is not None:
            body = body[:left]
            left -= len(body)
        yield body
        if left == 0:
            return


def open_documents(place: str | Path, text_field: str = "text") -> Documents:
    """Open the documents of a corpus; nothing but the revision of a data set is read yet.

    Args:
        place: Text file, folder of `*.txt`, `.jsonl`, `.jsonl.gz` or `hf:NAME[:CONFIG][:SPLIT]`.
        text_field: Key or column of the text.

    Raises:
        UsageError: There is no such corpus.
        RemoteError: The hub did not answer.
    """
    if str(place).startswith(_DATASET):
        from clerp_circuit_tracer.collect.streamed_dataset import open_dataset

        return open_dataset(str(place).removeprefix(_DATASET), text_field)
    return open_files(place, text_field)
