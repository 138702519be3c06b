"""Embedders that break one rule each."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from clerp.testing import ContractError, check_embedder

Rows = Callable[[Sequence[str]], Any]


def embed(texts: Sequence[str]) -> np.ndarray[Any, Any]:
    """Embed as a good embedder does: a row is a function of its text."""
    rows = np.zeros((len(texts), 4), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        row[:] = [1, *hashlib.sha256(text.encode()).digest()[:3]]
    return rows


class FakeEmbedder:
    def __init__(self, rows: Rows = embed, name: str = "fake@1") -> None:
        self.name = name
        self.embed = rows


def test_an_embedder_that_keeps_the_contract_passes():
    check_embedder(FakeEmbedder())


def test_small_differences_between_batches_are_allowed():
    check_embedder(FakeEmbedder(lambda texts: embed(texts) * np.float32(1 + len(texts) / 1e4)))


def with_first(texts: Sequence[str], value: float) -> np.ndarray[Any, Any]:
    rows = embed(texts)
    rows[:1, 0] = value
    return rows


BROKEN: dict[str, tuple[Rows, str]] = {
    "list": (lambda texts: embed(texts).tolist(), "returned a list: it returns a numpy array"),
    "double": (lambda texts: embed(texts).astype(float), "returned float64: it returns float32"),
    "flat": (lambda texts: embed(texts)[:, 0], "one row for each of"),
    "fewer rows": (lambda texts: embed(sorted(set(texts)))[1:], "one row for each of"),
    "not finite": (lambda texts: with_first(texts, np.nan), "a number that is not finite"),
    "by batch": (lambda texts: embed(texts) * np.float32(len(texts)), "other rows in another"),
    "by place": (
        lambda texts: embed(texts) + np.arange(len(texts), dtype=np.float32)[:, None] * 99,
        "other rows in another batch",
    ),
    "by dimension": (
        lambda texts: embed(texts)[:, : 3 if len(texts) == 1 else 4],
        r"rows of \[3, 4\] numbers",
    ),
    "empty": (lambda texts: embed(texts) if texts else np.zeros(0, np.float32), "given no text"),
    "constant": (lambda texts: np.ones((len(texts), 4), np.float32), "the same row"),
    "raising": (lambda texts: embed([text.encode("ascii") for text in texts]), "raised Unicode"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("rows", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_rule_is_named(rows: Rows, message: str):
    with pytest.raises(ContractError, match=message):
        check_embedder(FakeEmbedder(rows))


class Renaming(FakeEmbedder):
    n_calls = 0

    @property
    def name(self) -> str:
        return f"fake@{self.n_calls}"

    @name.setter
    def name(self, _: str) -> None: ...

    def embed(self, texts: Sequence[str]) -> Any:
        self.n_calls += 1
        return embed(texts)

    def __init__(self) -> None: ...


@pytest.mark.parametrize(
    ("embedder", "message"),
    [
        (Renaming(), "'fake@0' has become 'fake@"),
        (FakeEmbedder(name="st:/models/x"), "must hold no path"),
        (object(), "object is no embedder: it has no name and no embed"),
    ],
)
def test_names_are_checked(embedder: object, message: str):
    with pytest.raises(ContractError, match=message):
        check_embedder(embedder)
