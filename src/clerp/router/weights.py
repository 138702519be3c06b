"""What the default rule weighs, how much, and how often nothing would weigh as much.

The weights are data, in `calibrated.json`.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from math import sqrt, tanh
from pathlib import Path
from types import MappingProxyType

import msgspec

from clerp.plugins import Embedder
from clerp.router.route import Role
from clerp.router.signals import Signals
from clerp.router.significance import chance_among, chance_of_lead, lead_of_chance, round_chance

_WEIGHTS = Path(__file__).with_name("calibrated.json")
_CLEAR_BITS, _CLEAR_Z = 3.0, 8.0
"""Where a class of peaks is as clear as can be, and where different words are."""


def _level_off(value: float, clear: float) -> float:
    """Let what is clear already count for little more when it grows."""
    return clear * tanh(value / clear)


def _root(value: float) -> float:
    """Keep the sign and take the root, so that no single signal outweighs all others."""
    return sqrt(value) if value >= 0 else -sqrt(-value)


INPUTS: Mapping[str, Callable[[Signals], float]] = MappingProxyType(
    {
        "function words": lambda s: s.function_share,
        "unexplained": lambda s: s.unexplained,
        "commonest peak": lambda s: s.top_share,
        "peak words": lambda s: s.other_share * s.at_peak.share,
        "peak words, function words": lambda s: s.function_share * _root(s.at_peak.bits),
        "peak class": lambda s: s.other_share * _level_off(s.peak_class.bits, _CLEAR_BITS),
        "peak class, function words": lambda s: (
            s.function_share * _level_off(s.peak_class.bits, _CLEAR_BITS)
        ),
        "peak coherence": lambda s: s.other_share * _level_off(s.peak_coherence, _CLEAR_Z),
        "peak coherence, function words": lambda s: (
            s.function_share * _level_off(s.peak_coherence, _CLEAR_Z)
        ),
        "next coherence": lambda s: _root(s.after_coherence),
        "next coherence, function words": lambda s: s.function_share * _root(s.after_coherence),
        "next content coherence": lambda s: _root(s.content_coherence),
        "next capitals": lambda s: s.content_capitals,
        "next words, unexplained": lambda s: s.unexplained * _root(s.after.bits),
        "next words, function words": lambda s: s.function_share * _root(s.after.bits),
        "next class share": lambda s: s.after_class.share,
        "next class, function words": lambda s: s.function_share * s.after_class.bits,
        "promoted fit": lambda s: s.promoted_fit,
        "promoted fit, function words": lambda s: s.function_share * s.promoted_fit,
        "words before, function words": lambda s: s.function_share * _root(s.before.bits),
        "context, unexplained": lambda s: s.unexplained * _root(s.context),
        "context, function words": lambda s: s.function_share * _root(s.context),
        "context side, function words": lambda s: (
            s.function_share * (_root(s.context_after) - _root(s.context_before))
        ),
        "themes": lambda s: s.themes.bits,
        "themes share": lambda s: s.themes.share,
    }
)
"""What the rule weighs. Peaks on function words are weighed apart: they recur in any text."""

ROLES: tuple[Role, ...] = ("input", "output", "cross", "obscure")


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rule as it was fitted."""

    revision: int
    embedder: str
    """Whose vectors it was fitted with; chances hold for no other."""
    fitted_on: str
    """What the features were, and who judged them."""
    bias: dict[Role, float]
    weights: dict[str, dict[Role, float]]
    """By input."""
    lead_of_nothing: dict[str, dict[str, float]]
    """The lead over `obscure` that planted nothing exceeds with a probability, by the number of
    examples and the probability."""
    lead_of_directions: dict[str, float]
    """The same of random directions of the sample's model, by the probability."""


@cache
def load_weights() -> Weights:
    """Read the fitted rule that comes with clerp."""
    return msgspec.json.decode(_WEIGHTS.read_bytes(), type=Weights)


def is_fitted_with(embedder: Embedder) -> bool:
    """Say whether an embedder is the one whose vectors the rule was fitted with."""
    return embedder.name.partition(":")[0] == load_weights().embedder


def name_weights() -> str:
    """Name the fitted rule by its revision and digest."""
    digest = hashlib.sha256(_WEIGHTS.read_bytes()).hexdigest()[:12]
    return f"calibrated-{load_weights().revision}@{digest}"


def read_inputs(signals: Signals) -> dict[str, float]:
    """Return what the rule weighs, by name."""
    return {name: read(signals) for name, read in INPUTS.items()}


def weigh(signals: Signals) -> dict[Role, float]:
    """Return the log odds of every role, up to a constant."""
    fitted = load_weights()
    inputs = read_inputs(signals)
    return {
        role: round(
            fitted.bias[role] + sum(w[role] * inputs[name] for name, w in fitted.weights.items()), 6
        )
        for role in ROLES
    }


@lru_cache(maxsize=4096)
def lead_of_nothing(n: int, chance: float) -> float:
    """Return the lead over `obscure` that planted nothing exceeds with a chance."""
    return lead_of_chance(load_weights().lead_of_nothing, n, chance)


@dataclass(frozen=True, slots=True)
class Chances:
    """How often what means nothing leads `obscure` as far as a feature does."""

    nothing: float
    direction: float


def find_chances(odds: Mapping[Role, float], n: int) -> Chances:
    """Find them for n examples with these odds."""
    fitted = load_weights()
    lead = max(value for role, value in odds.items() if role != "obscure") - odds["obscure"]
    return Chances(
        nothing=round_chance(chance_of_lead(fitted.lead_of_nothing, n, lead)),
        direction=round_chance(chance_among(fitted.lead_of_directions, lead)),
    )
