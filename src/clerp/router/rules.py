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
from clerp.router.significance import MIN_CHANCE

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            CalibratedRule("calibrated", 0.05),
            ProtocolRule("protocol", 0.025),
            AirRule("air", 5.0),
            TokensRule("tokens", 0.5),
            LayerRule("layer", 2 / 3),
        )
    }
)


def find_rule(
    name: str,
    threshold: float | None = None,
    null: str = SHIPPED,
    *,
    alpha: float | None = None,
) -> Rule:
    """Return a rule by name, with its own threshold or chance unless another is given.

    Args:
        name: One of `RULES`.
        threshold: Of a baseline: from where on what it measures counts as high.
        null: Ordinary text for rules that compare with it, as `load_ordinary` takes it.
        alpha: Of `calibrated`: the chance that a feature planted with nothing gets a role.

    Raises:
        UsageError: There is no such rule, or it cannot use what it is given.
    """
    if name not in RULES:
        raise UsageError(f"there is no rule {name!r}", remedy=f"Known: {', '.join(RULES)}")
    rule = RULES[name]
    if isinstance(rule, CalibratedRule):
        _refuse_threshold(rule, threshold)
        return replace(rule, null=null, threshold=_check_alpha(rule, alpha))
    _refuse_alpha(rule, alpha)
    return replace(rule, threshold=_check_threshold(rule, threshold))


def _refuse_threshold(rule: Rule, threshold: float | None) -> None:
    if threshold is not None:
        baselines = ", ".join(name for name in RULES if name != rule.name)
        raise UsageError(
            f"the rule {rule.name} takes no threshold",
            remedy=f"Give --alpha (it has {rule.threshold:g}), or another --rule: {baselines}",
        )


def _refuse_alpha(rule: Rule, alpha: float | None) -> None:
    if alpha is not None:
        raise UsageError(
            f"the rule {rule.name} takes no alpha: what it measures has no chance",
            remedy=f"Give --threshold (it has {rule.threshold:g}), or --rule calibrated",
        )


def _check_alpha(rule: Rule, alpha: float | None) -> float:
    if alpha is None:
        return rule.threshold
    if not MIN_CHANCE <= alpha < 1:
        raise UsageError(
            f"the alpha {alpha:g} is no chance that is known: none below {MIN_CHANCE:g} is",
            remedy=f"Give --alpha a number from {MIN_CHANCE:g} to below 1; {rule.name} has "
            f"{rule.threshold:g}",
        )
    return alpha


def _check_threshold(rule: Rule, threshold: float | None) -> float:
    if threshold is None:
        return rule.threshold
    if not 0 < threshold < float("inf"):
        raise UsageError(
            f"the threshold {threshold:g} is not a number above 0",
            remedy=f"Give --threshold such a number; {rule.name} has {rule.threshold:g}",
        )
    return threshold
