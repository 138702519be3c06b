"""Tier 3: what a natural language autoencoder says of a direction."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verbalization:
    """Text for one direction, never a label by itself."""

    text: str
    cosine_similarity: float
    """Of the direction and its reconstruction from the text."""
