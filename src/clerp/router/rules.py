"""The rules by name, for `--rule`."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from clerp.errors import UsageError
from clerp.router.air import AirRule
from clerp.router.correlated import CorrelationRule
from clerp.router.counted import TokensRule
from clerp.router.layer import LayerRule
from clerp.router.rule import Rule

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            CorrelationRule("calibrated", 3.0, "z"),
            CorrelationRule("protocol", 0.35, "raw"),
            AirRule("air", 5.0),
            TokensRule("tokens", 0.5),
            LayerRule("layer", 0.67),
        )
    }
)


def find_rule(name: str, threshold: float | None = None) -> Rule:
    """Return a rule by name, with its own threshold unless another is given.

    Raises:
        UsageError: There is no such rule, or confidence cannot be measured by the threshold.
    """
    if name not in RULES:
        raise UsageError(f"there is no rule {name!r}", remedy=f"Known: {', '.join(RULES)}")
    if threshold is None:
        return RULES[name]
    if not 0 < threshold < float("inf"):
        raise UsageError(
            f"the threshold {threshold:g} is not a number above 0",
            remedy=f"Give --threshold such a number; {name} has {RULES[name].threshold:g}",
        )
    return replace(RULES[name], threshold=threshold)
