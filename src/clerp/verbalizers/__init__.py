"""Tier 3: what a natural language autoencoder says of features that resist labelling."""

from clerp.verbalizers.verbalization import (
    Explained,
    Extraction,
    FoundFeatures,
    InputKind,
    Missed,
    ModelClaim,
    PairIdentity,
    Passage,
    Sampling,
    Verbalization,
)

__all__ = [
    "Explained",
    "Extraction",
    "FoundFeatures",
    "InputKind",
    "Missed",
    "ModelClaim",
    "PairIdentity",
    "Passage",
    "Sampling",
    "Verbalization",
]
