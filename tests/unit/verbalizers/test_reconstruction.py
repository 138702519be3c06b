import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import VerbalizerError
from clerp.verbalizers.reconstruction import (
    Reconstruction,
    list_targets,
    measure_reconstruction,
    summarise_cosines,
)
from clerp.verbalizers.reference import Reference, measure_reference


def draw(n: int, *, shift: float = 3.0, seed: int = 0, d: int = 12) -> np.ndarray:
    vectors = np.random.default_rng([seed, n]).normal(size=(n, d))
    vectors[:, 0] += shift
    return (5 * vectors).astype(np.float32)


def cosine(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    def unit(rows: np.ndarray) -> np.ndarray:
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    return (unit(one.astype(np.float64)) @ unit(other.astype(np.float64)).T).astype(np.float32)


def measure(
    reconstructed: np.ndarray,
    vectors: np.ndarray,
    others: np.ndarray,
    reference: Reference,
    said_of: list[int] | None = None,
) -> Reconstruction:
    targets = list_targets(vectors, others, reference)
    return measure_reconstruction(
        cosine(reconstructed, targets),
        list(range(len(vectors))) if said_of is None else said_of,
        targets,
        len(vectors),
        reference,
    )


@given(st.integers(0, 50), st.floats(0, 8), st.floats(0.1, 3))
def test_cosines_give_what_the_vectors_themselves_would(seed: int, shift: float, noise: float):
    reference = measure_reference(draw(200, shift=shift, seed=seed))
    vectors, others = draw(4, shift=shift, seed=seed), draw(63, shift=shift, seed=seed)
    reconstructed = vectors + noise * draw(4, shift=0, seed=seed + 1)

    found = measure(reconstructed, vectors, others, reference)

    r, v, o = (
        rows / np.linalg.norm(rows, axis=1, keepdims=True)
        for rows in (reconstructed, vectors, others)
    )
    errors = np.square(r - v).sum(axis=1)
    mismatched = np.square(r[:, np.newaxis] - o).sum(axis=2)
    # In float32 a difference of nearly equal cosines has lost some digits.
    assert found.fve == pytest.approx(1 - errors.mean() / reference.variance, abs=2e-4)
    assert found.mismatch_fve == pytest.approx(1 - mismatched.mean() / reference.variance, abs=2e-4)
    m = reference.mean
    near = cosine(r - m, o - m)
    own = np.diag(cosine(r - m, v - m))
    ranks = 1 + (near >= own[:, np.newaxis]).sum(axis=1)
    assert found.rank == pytest.approx(np.median(ranks), abs=0.5)


def test_a_perfect_reconstruction_explains_all_and_ranks_first():
    vectors, reference = draw(3), measure_reference(draw(100))

    found = measure(vectors, vectors, draw(70), reference)

    assert found.fve == pytest.approx(1, abs=1e-3)
    assert found.rank == 1
    assert found.mismatch_fve is not None
    assert found.mismatch_fve < 0
    assert found.beats_controls
    assert (found.n_texts, found.n_distractors, found.n_reference) == (3, 70, 100)


def test_the_mean_itself_explains_nothing_though_its_cosine_is_high():
    reference = measure_reference(draw(500, shift=20))
    vectors = draw(200, shift=20, seed=1)
    always_mean = np.tile(reference.mean, (200, 1))

    found = measure(always_mean, vectors, draw(63, shift=20, seed=2), reference)

    assert cosine(always_mean, vectors).min() > 0.9
    # The mean shrinks when it is made a unit vector, which costs a little.
    assert found.fve == pytest.approx(0, abs=0.1)


def test_ranks_are_of_centred_cosines():
    # The distractors have the larger plain cosine with the text; centred, the own vector has.
    reference = Reference(np.array([0.9, 0, 0], dtype=np.float32), 0.19, 64, 0.0, 9.0)
    own = np.array([[0.6, 0.8, 0]], dtype=np.float32)
    others = np.tile(np.array([[1.0, 0, 0]], dtype=np.float32), (63, 1))
    text = np.array([[0.97, 0.2, 0]], dtype=np.float32)
    assert cosine(text, others)[0, 0] > cosine(text, own)[0, 0]

    assert measure(text, own, others, reference).rank == 1


def test_a_distractor_as_near_comes_first():
    reference, own = measure_reference(draw(100)), draw(1, seed=3)
    others = np.vstack([draw(60, seed=4), np.tile(own, (3, 1)), 2 * own])

    assert measure(own, own, others, reference).rank == 5


def test_with_few_distractors_there_is_no_rank():
    reference, own = measure_reference(draw(100)), draw(1, seed=3)

    few, none = (measure(own, own, draw(n), reference) for n in (62, 0))

    assert few.rank is None
    assert few.mismatch_fve is not None
    assert none.rank is none.mismatch_fve is None
    assert none.n_distractors == 0
    assert none.beats_controls


def test_each_text_is_held_against_the_vector_it_is_about():
    reference, vectors = measure_reference(draw(100)), draw(2, seed=3)
    texts = vectors[[1, 1, 0]]

    right = measure(texts, vectors, draw(63), reference, [1, 1, 0])
    wrong = measure(texts, vectors, draw(63), reference, [0, 0, 1])

    assert right.fve == pytest.approx(1, abs=1e-3)
    assert wrong.fve < 0.5
    assert right.n_texts == 3


@pytest.mark.parametrize("fault", [np.nan, np.inf, 1.2, -2.0])
def test_a_cosine_that_is_none_is_refused(fault: float):
    vectors, reference = draw(2), measure_reference(draw(100))
    targets = list_targets(vectors, draw(3), reference)
    cosines = cosine(vectors, targets)
    cosines[1, 3] = fault

    with pytest.raises(VerbalizerError, match="no number between -1 and 1"):
        measure_reconstruction(cosines, [0, 1], targets, 2, reference)


def test_what_half_precision_adds_to_1_is_taken_for_1():
    assert summarise_cosines([1.004], 0.5).fve == 1


def test_without_a_text_there_is_nothing_to_measure():
    with pytest.raises(VerbalizerError, match="no text"):
        summarise_cosines([], 0.5)


@pytest.mark.parametrize("variance", [0.0, -0.1, 1.1, float("nan")])
def test_a_server_cannot_make_up_a_variance(variance: float):
    with pytest.raises(VerbalizerError, match="no variance of unit vectors"):
        summarise_cosines([0.9], variance)


def test_own_cosines_alone_give_the_explained_variance_and_no_control():
    # Qwen2.5-7B's variance: its cosine at .75 is .908.
    found = summarise_cosines([0.9083, 0.9083], 0.7335)

    assert found.fve == pytest.approx(0.75, abs=1e-3)
    assert found.mismatch_fve is found.rank is found.n_reference is None
    assert found.beats_controls


@pytest.mark.parametrize(
    ("fve", "mismatch", "beats"),
    [
        (0.1, -0.5, True),
        (0.0, -0.5, False),
        (-0.1, -0.5, False),
        (0.3, 0.3, False),
        (0.3, 0.29, True),
        (0.1, None, True),
        (-0.1, None, False),
    ],
)
def test_controls_are_the_mean_and_other_vectors(fve: float, mismatch: float | None, beats: bool):
    found = Reconstruction(fve, 0.5, 64, mismatch, None, 0, 1)

    assert found.beats_controls is beats
