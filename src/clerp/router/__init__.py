"""Scores to a route: which role the evidence supports, and which tier labels it."""

from clerp.router.artefacts import MAX_DENSITY, MIN_EXAMPLES, find_artefact
from clerp.router.calibrated import name_null
from clerp.router.protocol import Side
from clerp.router.route import TIERS, Breadth, Role, Route, Tier
from clerp.router.router import route_features
from clerp.router.rule import Rule
from clerp.router.rules import RULES, find_rule

__all__ = [
    "MAX_DENSITY",
    "MIN_EXAMPLES",
    "RULES",
    "TIERS",
    "Breadth",
    "Role",
    "Route",
    "Rule",
    "Side",
    "Tier",
    "find_artefact",
    "find_rule",
    "name_null",
    "route_features",
]
