"""Tiers 1 and 2: from evidence and route to a label."""

from clerp.labelers.request import GraphContext, LabelRequest

__all__ = ["GraphContext", "LabelRequest"]
