"""How often nothing would lead as far: leads over `obscure` to chances, and back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from jaxtyping import Float64

MIN_CHANCE = 5e-5
"""No chance is told to be smaller: the tail is fitted to some thousand draws."""
MIN_CHANCE_AMONG = 0.01
"""Likewise, where about a hundred features were measured."""
_N_TAIL = 4

Leads = Mapping[str, float]
"""By the chance that nothing leads as far: `{"0.05": 0.6, "0.01": 1.5}`."""


def chance_of_lead(table: Mapping[str, Leads], n: int, lead: float) -> float:
    """Return the chance that nothing leads as far, between `MIN_CHANCE` and 1.

    Between two leads of the table the logarithm of the chance is linear in the lead, between two
    numbers of examples every lead is linear in 1 / sqrt(n), and outside them their ends hold. Past
    the rarest lead the tail is exponential, as the excess over a high threshold of any lead with a
    light tail is (Pickands 1975). Below the commonest lead the chance is 1.

    Args:
        table: Leads by the number of examples, with the same chances for each.
        n: Examples.
        lead: In log odds.
    """
    return _interpolate(table, n).chance(lead)


def lead_of_chance(table: Mapping[str, Leads], n: int, chance: float) -> float:
    """Return the lead that nothing reaches with a chance; the inverse of `chance_of_lead`."""
    return _interpolate(table, n).lead(chance)


def chance_among(leads: Leads, lead: float) -> float:
    """Return the chance of a lead, at least `MIN_CHANCE_AMONG`, where n makes no difference."""
    return max(_read(leads).chance(lead), MIN_CHANCE_AMONG)


def round_chance(chance: float) -> float:
    """Round to three digits, which is more than is known."""
    return float(f"{chance:.3g}")


def q_values(p: Sequence[float]) -> list[float]:
    """Return the least false discovery rate at which each of several chances is a discovery.

    Benjamini and Hochberg 1995, Controlling the false discovery rate.
    """
    chances = np.array(p, dtype=np.float64)
    descending = np.argsort(-chances, kind="stable")
    ranks = np.arange(len(chances), 0, -1)
    rates = np.minimum.accumulate(np.minimum(chances[descending] * len(chances) / ranks, 1.0))
    q = np.empty_like(chances)
    q[descending] = rates
    return q.tolist()


@dataclass(frozen=True, slots=True, eq=False)
class _Tail:
    """Leads of nothing, rising, and how rare each is."""

    leads: Float64[np.ndarray, " lead"]
    rarities: Float64[np.ndarray, " lead"]
    """Minus the logarithm of the chance."""

    @property
    def steepness(self) -> float:
        """Rise of the rarity past the last lead: least squares through the last point."""
        run = self.leads[-1] - self.leads[-_N_TAIL:]
        rise = self.rarities[-1] - self.rarities[-_N_TAIL:]
        return float(run @ rise) / float(run @ run) if len(run) > 1 else 0.0

    def chance(self, lead: float) -> float:
        if lead < self.leads[0]:
            return 1.0
        beyond = max(0.0, lead - float(self.leads[-1])) * self.steepness
        return max(exp(-float(np.interp(lead, self.leads, self.rarities)) - beyond), MIN_CHANCE)

    def lead(self, chance: float) -> float:
        rarity = -log(max(chance, MIN_CHANCE))
        beyond = max(0.0, rarity - float(self.rarities[-1]))
        steepness = self.steepness
        more = beyond / steepness if steepness > 0 else 0.0
        return float(np.interp(rarity, self.rarities, self.leads)) + more


def _interpolate(table: Mapping[str, Leads], n: int) -> _Tail:
    sizes = sorted(table, key=int, reverse=True)
    places = [1 / sqrt(int(size)) for size in sizes]
    return _read(
        {
            chance: float(np.interp(1 / sqrt(n), places, [table[size][chance] for size in sizes]))
            for chance in table[sizes[0]]
        }
    )


def _read(leads: Leads) -> _Tail:
    """Order leads; of chances with the same lead the greatest is told."""
    rarities = {
        lead: -log(float(chance))
        for chance, lead in sorted(leads.items(), key=lambda item: float(item[0]))
    }
    ordered = sorted(rarities)
    return _Tail(np.array(ordered), np.array([rarities[lead] for lead in ordered]))
