"""Passages to evidence: activations, promoted tokens, density."""

import hashlib
import math
from dataclasses import dataclass

from clerp.evidence import ActivationExample, FeatureEvidence
from clerp.feature import FeatureId
from clerp.testing.planting.activations import (
    LOWER_QUANTILES,
    draw_heights,
    draw_lower_heights,
    make_example,
)
from clerp.testing.planting.draws import Draws
from clerp.testing.planting.passages import Passage
from clerp.testing.planting.plan import Plan
from clerp.testing.planting.planted import KINDS
from clerp.testing.planting.text import Text, word_of

_PER_QUANTILE = 2
N_LOWER = _PER_QUANTILE * len(LOWER_QUANTILES)
"""Number of lower examples."""
_N_PROMOTED = 10
_MAXIMUM = (2.0, 40.0)
_DENSITY = (0.001, 0.02)
_DENSITY_OF_KIND = {"dense": (0.12, 0.6), "few": (1e-6, 5e-6)}


@dataclass(frozen=True, slots=True)
class Recipe:
    """What evidence is made of."""

    kind: str
    plan: Plan
    passages: tuple[Passage, ...]
    """Top examples, strongest first, then the lower ones."""
    n_top: int
    purity: float


def assemble(text: Text, draws: Draws, recipe: Recipe, feature: FeatureId) -> FeatureEvidence:
    """Make the evidence of a feature."""
    maximum = _draw_log(draws, *_MAXIMUM)
    density = _draw_log(draws, *_DENSITY_OF_KIND.get(recipe.kind, _DENSITY))
    examples = _make_examples(draws, recipe, maximum, density)
    promoted = _draw_promoted(text, draws, recipe)
    suppressed = tuple(draws.sample(_list_others(text, recipe.plan), _N_PROMOTED))
    return FeatureEvidence(
        feature=feature,
        top=examples[: recipe.n_top],
        lower=examples[recipe.n_top :],
        set_aside=(),
        promoted=promoted,
        suppressed=suppressed,
        promoted_from="summed",
        act_min=min(example.peak_activation for example in examples) / 2,
        act_max=examples[0].peak_activation,
        density=density,
        digest=_digest(examples, [feature, promoted, suppressed, density]),
    )


def _make_examples(
    draws: Draws, recipe: Recipe, maximum: float, density: float
) -> tuple[ActivationExample, ...]:
    heights = {
        f"0.{i}": height for i, height in enumerate(draw_heights(draws, maximum, recipe.n_top))
    }
    if len(recipe.passages) > recipe.n_top:
        for q, quantile in enumerate(draw_lower_heights(draws, maximum, _PER_QUANTILE), start=1):
            heights |= {f"{q}.{i}": height for i, height in enumerate(quantile)}
    dense = density if recipe.kind == "dense" else 0.0
    alike = _list_alike(recipe)
    return tuple(
        make_example(draws, passage, height, id=place, dense=dense, alike=alike)
        for passage, (place, height) in zip(recipe.passages, heights.items(), strict=True)
    )


def _list_alike(recipe: Recipe) -> frozenset[str]:
    """List the tokens on which a feature of single words fires wherever they stand."""
    if KINDS[recipe.kind] != "input" or recipe.plan.needs_all:
        return frozenset()
    spelled = [passage.spell() for passage in recipe.plan.passages]
    return frozenset(one.tokens[one.peak] for one in spelled)


def _draw_promoted(text: Text, draws: Draws, recipe: Recipe) -> tuple[str, ...]:
    """Draw promoted tokens: half of them follow the peaks of an output feature, if all do."""
    following = draws.sample(recipe.plan.follows, round(_N_PROMOTED / 2 * recipe.purity))
    others = draws.sample(_list_others(text, recipe.plan), _N_PROMOTED - len(following))
    return tuple(draws.shuffle([*following, *others]))


def _list_others(text: Text, plan: Plan) -> list[str]:
    """List the tokens of the text that are no words of the plant."""
    return [token for token in text.vocabulary if word_of(token) not in plan.words]


def _draw_log(draws: Draws, low: float, high: float) -> float:
    return round(math.exp(draws.between(math.log(low), math.log(high))), 7)


def _digest(examples: tuple[ActivationExample, ...], others: list[object]) -> str:
    read = [(e.id, e.tokens, e.activations.tolist(), e.peak) for e in examples]
    return hashlib.sha256(repr((read, others)).encode()).hexdigest()
