"""What every verbalizer is asked for."""

from collections.abc import Sequence
from typing import cast

import numpy as np
from jaxtyping import Float32

from clerp.event_loop import run_to_end
from clerp.plugins import Verbalizer
from clerp.testing.contract import ContractError, blaming, check_shape, is_text, require
from clerp.verbalizers import Verbalization

_N_DIRECTIONS = 3


def check_verbalizer(verbalizer: object, *, d_model: int) -> None:
    """Check that a verbalizer keeps the contract of `clerp.plugins.Verbalizer`.

    It is given three random directions, one of them alone, and none at all. What it says need not
    be the same twice.

    Args:
        verbalizer: What the plugin's entry point returns.
        d_model: Width of the residual stream that it is made for.

    Raises:
        ContractError: It is no verbalizer; it raises; it does not return one verbalization for
            each direction, with some text and a cosine similarity from -1 to 1; or it changes the
            directions.
    """
    check_shape(verbalizer, "verbalizer", "verbalize")
    ready = cast(Verbalizer, verbalizer)
    drawn = np.random.default_rng(0).standard_normal((_N_DIRECTIONS, d_model), dtype=np.float32)
    run_to_end(lambda: _check_batches(ready, (drawn, drawn[:1], drawn[:0])))


async def _check_batches(
    verbalizer: Verbalizer, batches: Sequence[Float32[np.ndarray, "direction d_model"]]
) -> None:
    for batch in batches:
        await _check_batch(verbalizer, batch)


async def _check_batch(
    verbalizer: Verbalizer, directions: Float32[np.ndarray, "direction d_model"]
) -> None:
    subject = f"the verbalizer {verbalizer.name!r}, given {len(directions)} directions,"
    before = directions.copy()
    with blaming(subject):
        said: list[object] = list(await verbalizer.verbalize(directions))
    require(bool((directions == before).all()), f"{subject} changed them")
    require(
        len(said) == len(directions),
        f"{subject} returned {len(said)} verbalizations: one for each direction, in order",
    )
    for one in said:
        _check_one(one, subject)


def _check_one(said: object, subject: str) -> None:
    if not isinstance(said, Verbalization):
        raise ContractError(f"{subject} returned {said!r}: it returns Verbalization objects")
    require(is_text(said.text), f"{subject} said {said.text!r}: that is no text")
    require(
        -1 <= said.cosine_similarity <= 1,
        f"{subject} gave the cosine similarity {said.cosine_similarity}: it lies from -1 to 1",
    )
