from pathlib import Path

import numpy as np
import pytest
import torch

from clerp.errors import InputError, UsageError
from clerp.verbalizers import Sampling
from clerp_nla.pair.actor import Actor

from .random_pairs import D_MODEL, KINDS, Kind, write_pair

VECTORS = np.random.default_rng(1).normal(size=(7, D_MODEL)).astype(np.float32)


@pytest.fixture(scope="module")
def actor(tmp_path_factory: pytest.TempPathFactory) -> Actor:
    return Actor.load(write_pair(tmp_path_factory.mktemp("pair")).folder / "av")


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_a_text_does_not_hang_on_what_else_is_in_the_batch(
    tmp_path: Path, kind: Kind, temperature: float
) -> None:
    actor = Actor.load(write_pair(tmp_path, kind).folder / "av")
    sampling = Sampling(temperature, 12)

    said = actor.describe(VECTORS, sampling)

    assert len({text.raw for text in said}) > 1
    assert actor.describe(VECTORS, sampling, batch_size=3) == said
    assert actor.describe(VECTORS[::-1].copy(), sampling, batch_size=1) == said[::-1]


def test_the_seed_decides_a_draw_and_not_the_likeliest_text(actor: Actor) -> None:
    first, second = (actor.describe(VECTORS, Sampling(1.0, 12, seed)) for seed in (0, 1))
    likeliest = [actor.describe(VECTORS, Sampling(0.0, 12, seed)) for seed in (0, 1)]

    assert all(one.raw != other.raw for one, other in zip(first, second, strict=True))
    assert likeliest[0] == likeliest[1]


def test_the_length_of_a_vector_does_not_matter(actor: Actor) -> None:
    short, long = (actor.describe(VECTORS * size, Sampling(0.0, 12)) for size in (1e-3, 1e3))

    assert [text.raw for text in short] == [text.raw for text in long]


def test_nothing_put_in_is_one_text_for_a_seed(actor: Actor) -> None:
    nothing = actor.describe_nothing(Sampling(0.0, 12))

    assert actor.describe_nothing(Sampling(0.0, 12)) == nothing
    assert nothing.raw not in {text.raw for text in actor.describe(VECTORS, Sampling(0.0, 12))}


def test_what_is_cut_off_says_so(actor: Actor) -> None:
    said = actor.describe(VECTORS[:1], Sampling(0.0, 3))[0]

    assert (said.text, said.fault, said.n_tokens) == ("", "cut off at 3 tokens", 3)


def test_no_vector_gives_no_text(actor: Actor) -> None:
    assert actor.describe(np.zeros((0, D_MODEL), dtype=np.float32), Sampling()) == []


def test_vectors_without_direction_are_refused(actor: Actor) -> None:
    vectors = VECTORS.copy()
    vectors[2] = 0

    with pytest.raises(InputError, match="vector 2 is zero"):
        actor.describe(vectors, Sampling())


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=-1.0),
        Sampling(temperature=float("nan")),
        Sampling(temperature=float("inf")),
        Sampling(max_new_tokens=0),
        Sampling(max_new_tokens=10**6),
    ],
)
def test_a_sampling_that_is_none_is_refused(actor: Actor, sampling: Sampling) -> None:
    with pytest.raises(UsageError):
        actor.describe(VECTORS, sampling)
    with pytest.raises(UsageError):
        actor.describe_nothing(sampling)


def test_half_precision_writes_too(tmp_path: Path) -> None:
    folder = write_pair(tmp_path).folder / "av"

    said = Actor.load(folder, dtype=torch.bfloat16).describe(VECTORS, Sampling(1.0, 5))

    assert {text.n_tokens for text in said} <= set(range(6))
    with pytest.raises(UsageError, match="not in float16"):
        Actor.load(folder, dtype=torch.float16)
