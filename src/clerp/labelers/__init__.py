"""Tiers 1 and 2: from evidence and route to a label."""

from clerp.labelers.request import LabelRequest

__all__ = ["LabelRequest"]
