"""The self-test on planted pairs: its figures, and what it refuses."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from clerp.errors import NotAvailableError, VerbalizerError
from clerp.verbalizers import Sampling, Verbalization
from clerp_nla.matching.self_test import N_TEXTS, run_self_test

D_MODEL = 48
Give = Callable[[np.ndarray], np.ndarray]


class PlantedPair:
    """Its actor writes a vector's number down, its critic reads it; `give` is what gets lost."""

    def __init__(self, give: Give, fault: Callable[[int], str] = lambda _: "") -> None:
        self._give = give
        self._fault = fault
        self._vectors = np.zeros((0, D_MODEL), dtype=np.float32)
        self.sampling: Sampling | None = None
        self.open: list[str] = []

    @contextmanager
    def acting(self) -> Generator[Any]:
        self.open.append("actor")
        yield self

    @contextmanager
    def criticizing(self) -> Generator[Any]:
        self.open.append("critic")
        yield self

    def describe(self, vectors: np.ndarray, sampling: Sampling) -> list[Verbalization]:
        self._vectors, self.sampling = vectors, sampling
        faults = [self._fault(number) for number in range(len(vectors))]
        return [
            Verbalization("" if fault else str(number), "raw", fault)
            for number, fault in enumerate(faults)
        ]

    def reconstruct(self, texts: Sequence[str]) -> np.ndarray:
        return self._give(self._vectors[[int(text) for text in texts]]).astype(np.float32)


def draw(n: int = 300, shared: float = 2.0) -> np.ndarray:
    chance = np.random.default_rng(4)
    return (chance.normal(size=(n, D_MODEL)) + shared).astype(np.float32) * 7


def measure_fve(made: np.ndarray, own: np.ndarray, variance: float) -> float:
    """As the definition has it, from unit vectors."""
    unit = [vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (made, own)]
    return float(1 - np.square(unit[0] - unit[1]).sum(1).mean() / variance)


def test_its_figures_are_those_of_the_definition() -> None:
    vectors = draw()
    noise = np.random.default_rng(9).normal(size=(N_TEXTS, D_MODEL)) * 3
    pair: Any = PlantedPair(lambda own: own + noise)

    found = run_self_test(pair, vectors, "texts@1")

    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    variance = float(np.square(unit - unit.mean(0)).sum(1).mean())
    own = pair._vectors
    assert found.variance == pytest.approx(variance, abs=1e-4)
    assert found.fve == pytest.approx(measure_fve(own + noise, own, variance), abs=2e-4)
    assert found.fve > 0.5
    assert found.mismatch_fve < 0
    assert (found.n_texts, found.n_reference, found.references) == (N_TEXTS, 300, "texts@1")
    assert pair.open == ["actor", "critic"]
    assert pair.sampling.temperature == 0


def test_the_control_is_of_vectors_that_were_not_described() -> None:
    vectors = draw()
    pair: Any = PlantedPair(lambda own: own)

    found = run_self_test(pair, vectors, "texts")

    assert found.fve == pytest.approx(1)
    # Of two independent residuals the squared distance is twice the variance.
    assert found.mismatch_fve == pytest.approx(-1, abs=0.1)


@pytest.mark.parametrize(
    ("give", "figures"),
    [
        # The mean of all: what a critic gives that ignores the text.
        (lambda own: np.repeat(draw().mean(0, keepdims=True), len(own), 0), "-?0.0"),
        # Another text's vector: every text is fluent, and of something else.
        (lambda own: np.roll(own, 1, axis=0), "-[01]"),
        # Right direction, wrong sign.
        (lambda own: -own, "-"),
        (lambda own: own + 7 * np.random.default_rng(3).normal(size=own.shape), "0.[12]"),
    ],
)
def test_too_little_that_comes_back_is_refused(give: Give, figures: str) -> None:
    pair: Any = PlantedPair(give)

    with pytest.raises(NotAvailableError, match=f"gives back {figures}") as told:
        run_self_test(pair, draw(), "texts")
    assert "another than in the pair's training" in told.value.remedy


def test_as_much_of_others_as_of_the_own_is_refused() -> None:
    # Two kinds of texts, and only the kind comes back: there is little that tells two of a kind.
    centre = draw(1)[0]
    vectors = np.stack([centre + (40 if n % 4 else -40) * np.eye(D_MODEL)[0] for n in range(256)])
    vectors += np.random.default_rng(2).normal(size=vectors.shape) * 0.1
    pair: Any = PlantedPair(lambda own: own)
    good = run_self_test(pair, vectors.astype(np.float32), "texts")
    assert good.mismatch_fve < 0

    broken: Any = PlantedPair(lambda own: own * 0 + vectors[1])
    with pytest.raises(NotAvailableError, match="does not work on this model"):
        run_self_test(broken, vectors.astype(np.float32), "texts")


def test_texts_that_cannot_be_used_are_left_out_up_to_half() -> None:
    pair: Any = PlantedPair(lambda own: own, lambda n: "no closing tag" if n % 2 else "")

    found = run_self_test(pair, draw(), "texts")

    assert found.n_texts == N_TEXTS // 2
    assert found.fve == pytest.approx(1)


def test_more_than_half_that_cannot_be_used_are_refused_with_the_commonest_reason() -> None:
    def fault(number: int) -> str:
        return "" if number < 31 else "empty" if number < 40 else "no closing tag"

    pair: Any = PlantedPair(lambda own: own, fault)

    with pytest.raises(NotAvailableError, match=r"33 cannot be used.*: no closing tag"):
        run_self_test(pair, draw(), "texts")
    assert pair.open == ["actor"]


def test_residuals_that_are_no_numbers_are_refused() -> None:
    vectors = draw()
    vectors[3, 3] = np.nan
    pair: Any = PlantedPair(lambda own: own)

    with pytest.raises(VerbalizerError, match="not finite"):
        run_self_test(pair, vectors, "texts")
