import numpy as np
import pytest

from clerp.plugins import VectorVerbalizer
from clerp.testing.fake_verbalizer import MODEL, FakeVectorVerbalizer
from clerp.verbalizers import Extraction, Missed, ModelClaim, Passage, Sampling
from clerp_nla.evaluation.controls import Condition, Control

SAMPLING = Sampling(temperature=0.0)
PASSAGES = [Passage(f"0.{i}", f"{i} at the river", " river", 1.0) for i in range(6)]


def make(condition: Condition) -> Control:
    fake = FakeVectorVerbalizer(misses=(" gone",))
    pool = np.random.default_rng(0).normal(size=(50, fake.d_model)).astype(np.float32)
    return Control(fake, condition, pool)


async def extract(control: Control) -> list[Extraction]:
    found = await control.extract(PASSAGES)
    return [one for one in found if isinstance(one, Extraction)]


@pytest.mark.parametrize(
    "condition", ["as it is", "mismatched vectors", "random vectors", "no injection"]
)
async def test_a_control_is_a_verbalizer_that_says_what_is_amiss(condition: Condition) -> None:
    control = make(condition)
    assert isinstance(control, VectorVerbalizer)
    identity = control.check(ModelClaim(MODEL, ""))
    assert identity.name.endswith(condition)
    assert len(await extract(control)) == len(PASSAGES)
    assert (await control.describe_nothing(SAMPLING)).text
    expected = control.inner.reference_vectors()
    np.testing.assert_array_equal(control.reference_vectors(), expected)


async def test_as_it_is_nothing_is_changed() -> None:
    control = make("as it is")
    plain = await control.inner.extract(PASSAGES)
    for one, other in zip(await extract(control), plain, strict=True):
        assert isinstance(other, Extraction)
        np.testing.assert_array_equal(one.vector, other.vector)


async def test_mismatched_vectors_are_residuals_of_the_pool_and_stay_the_same() -> None:
    control = make("mismatched vectors")
    found = await extract(control)
    for one, again in zip(found, await extract(control), strict=True):
        assert (control.pool == one.vector).all(axis=1).any()
        np.testing.assert_array_equal(one.vector, again.vector)
    assert len({one.vector.tobytes() for one in found}) > 1


async def test_random_vectors_have_the_length_of_true_ones_and_no_direction_of_theirs() -> None:
    control = make("random vectors")
    plain = await control.inner.extract(PASSAGES)
    found = await extract(control)
    for one, other in zip(found, plain, strict=True):
        assert isinstance(other, Extraction)
        lengths = np.linalg.norm(one.vector), np.linalg.norm(other.vector)
        assert lengths[0] == pytest.approx(lengths[1], rel=1e-5)
        assert abs(one.vector @ other.vector) < 0.8 * lengths[0] ** 2
    assert len({one.vector.tobytes() for one in found}) == len(found)


async def test_without_injection_all_vectors_get_the_text_of_none() -> None:
    control = make("no injection")
    vectors = np.stack([one.vector for one in await extract(control)])
    said = await control.describe(vectors, SAMPLING)
    assert {one.text for one in said} == {(await control.inner.describe_nothing(SAMPLING)).text}
    assert len(said) == len(vectors)


async def test_what_is_missed_stays_missed() -> None:
    [found] = await make("random vectors").extract([Passage("0.0", "all gone", " gone", 1.0)])
    assert isinstance(found, Missed)
