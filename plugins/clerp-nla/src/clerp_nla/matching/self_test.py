"""Whether a pair gives residuals of this model back: the last check, and a coarse one.

It finds what leaves residuals that the pair was never taught: another model, another basis, halves
that do not belong together. Texts stay fluent then, and what the critic makes of them is no nearer
to the residual than the mean is. It does not find a neighbouring layer: residuals there are too
much alike (on the toy .90 to .93 of the variance came back from one, .95 from the right one), nor a
second start token or a wrong scale, for which there are checks of their own.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from clerp.errors import NotAvailableError
from clerp.verbalizers import Sampling, Verbalization
from clerp.verbalizers.reconstruction import (
    Reconstruction,
    list_targets,
    measure_reconstruction,
)
from clerp.verbalizers.reference import measure_reference
from clerp_nla.matching.cosines import measure_cosines

if TYPE_CHECKING:
    from clerp_nla.pair.pair import Pair

N_TEXTS = 64
"""Residuals that are described, and as many others to compare with."""
LEAST_FVE = 0.3
"""Of released pairs the published figures are .70 to .82; a warm start has .3 to .4. The mean of
residuals gives 0, and residuals of other texts less."""
_SAMPLING = Sampling(temperature=0.0, max_new_tokens=200)


@dataclass(frozen=True, slots=True)
class SelfTest:
    """How well a pair gives back residuals of ordinary text."""

    fve: float
    """Fraction of variance explained, mean over texts."""
    mismatch_fve: float
    """The same for residuals that the texts are not about: below 0 where texts differ."""
    variance: float
    """The denominator of both."""
    n_texts: int
    n_reference: int
    references: str
    """Which texts the residuals are of."""


def run_self_test(
    pair: "Pair", vectors: Float32[np.ndarray, "vector d_model"], references: str
) -> SelfTest:
    """Describe residuals and reconstruct them, beside a control.

    Args:
        pair: Both halves.
        vectors: Residuals of ordinary text at block K, at least twice `N_TEXTS`.
        references: Name of their texts.

    Raises:
        NotAvailableError: Too little comes back, or as much of other residuals.
    """
    reference = measure_reference(vectors)
    spread = np.linspace(0, len(vectors) - 1, 2 * N_TEXTS).astype(np.int64)
    own, others = vectors[spread[::2]], vectors[spread[1::2]]
    with pair.acting() as actor:
        said = actor.describe(own, _SAMPLING)
    usable = [number for number, one in enumerate(said) if not one.fault]
    _check_texts(said, usable)
    targets = list_targets(own, others, reference)
    with pair.criticizing() as critic:
        made = critic.reconstruct([said[number].text for number in usable])
    cosines = measure_cosines(made, targets)
    found = measure_reconstruction(cosines, usable, targets, len(own), reference)
    return _judge(found, references)


def _check_texts(said: list[Verbalization], usable: list[int]) -> None:
    if 2 * len(usable) < len(said):
        faults = [one.fault for one in said if one.fault]
        commonest = max(sorted(set(faults)), key=faults.count)
        raise NotAvailableError(
            f"of {len(said)} texts about ordinary residuals {len(faults)} cannot be used, most of "
            f"them for this: {commonest}",
            remedy="The actor's weights, prompt and tokenizer do not belong together",
        )


def _judge(found: Reconstruction, references: str) -> SelfTest:
    mismatch = found.mismatch_fve
    # Others were given, and what they were measured on.
    assert mismatch is not None
    assert found.n_reference is not None
    if not (found.fve >= LEAST_FVE and mismatch < 0):
        raise NotAvailableError(
            f"of ordinary residuals the pair gives back {found.fve:.2f} of the variance (at least "
            f"{LEAST_FVE} is asked), of others than were described {mismatch:.2f} (below 0 is "
            "asked): it does not work on this model",
            remedy="The model, or the layer, is another than in the pair's training",
        )
    return SelfTest(
        fve=found.fve,
        mismatch_fve=mismatch,
        variance=found.variance,
        n_texts=found.n_texts,
        n_reference=found.n_reference,
        references=references,
    )
