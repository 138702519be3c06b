"""The rules by name, for `--rule`."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from clerp.errors import UsageError
from clerp.ordinary.loading import SHIPPED
from clerp.router.air import AirRule
from clerp.router.calibrated import CalibratedRule
from clerp.router.counted import TokensRule
from clerp.router.layer import LayerRule
from clerp.router.protocol import ProtocolRule
from clerp.router.rule import Rule

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            CalibratedRule("calibrated", 0.05),
            ProtocolRule("protocol", 0.35),
            AirRule("air", 5.0),
            TokensRule("tokens", 0.5),
            LayerRule("layer", 2 / 3),
        )
    }
)


def find_rule(name: str, threshold: float | None = None, null: str = SHIPPED) -> Rule:
    """Return a rule by name, with its own threshold unless another is given.

    Args:
        name: One of `RULES`.
        threshold: From where on what the rule measures counts as high.
        null: Ordinary text for rules that compare with it, as `load_ordinary` takes it.

    Raises:
        UsageError: There is no such rule, or confidence cannot be measured by the threshold.
    """
    if name not in RULES:
        raise UsageError(f"there is no rule {name!r}", remedy=f"Known: {', '.join(RULES)}")
    rule = RULES[name]
    if isinstance(rule, CalibratedRule):
        rule = replace(rule, null=null)
    if threshold is None:
        return rule
    if not 0 < threshold < float("inf"):
        raise UsageError(
            f"the threshold {threshold:g} is not a number above 0",
            remedy=f"Give --threshold such a number; {name} has {RULES[name].threshold:g}",
        )
    if isinstance(rule, CalibratedRule) and threshold >= 1:
        raise UsageError(
            f"the threshold {threshold:g} is no chance: {name} takes how often nothing gets a role",
            remedy=f"Give --threshold a number below 1; {name} has {rule.threshold:g}",
        )
    return replace(rule, threshold=threshold)
