"""What is said of features planted in a pair's own transcoder, by each input that there is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32

from clerp.evidence import FeatureEvidence
from clerp.evidence.folder import FolderSource
from clerp.feature import FeatureId
from clerp.plugins import Embedder, VectorVerbalizer
from clerp.verbalizers import ModelClaim, Sampling
from clerp.verbalizers.verbalization import InputKind
from clerp_nla.evaluation.features import Asked, KnownFeature, ask
from clerp_nla.inputs.decoder import DecoderRows, Reach
from clerp_nla.training.themes import About, Planted, Theme

InputRow = Literal["example", "contrast", "decoder", "decoder of another feature"]
Rows = Mapping[FeatureId, Float32[np.ndarray, " d_model"]]


@dataclass(frozen=True, slots=True, eq=False)
class PlantedFeatures:
    """Features about something whose decoder rows reach the pair, and what these sum up to."""

    known: tuple[KnownFeature, ...]
    rows: Rows


def read_planted(folder: Path, reach: Reach) -> PlantedFeatures:
    """Read the features of a folder that `clerp_nla.training` wrote.

    Args:
        folder: With `truth.json`, `features/` and `transcoders/`.
        reach: Of the pair.

    Raises:
        InputError: A file of it is not what it should be.
        PluginError: clerp-circuit-tracer is not installed.
    """
    truths = json.loads((folder / "truth.json").read_text(encoding="utf-8"))["features"]
    themes = {FeatureId.parse(name): Theme(*theme) for name, theme in truths.items()}
    wanted = [f for f, theme in themes.items() if theme.truth and f.layer <= reach.layer]
    found = FolderSource(str(folder / "features")).read(wanted)
    known = [
        KnownFeature(Planted(feature, themes[feature]), evidence)
        for feature, evidence in zip(wanted, found, strict=True)
        if isinstance(evidence, FeatureEvidence)
    ]
    decoder = DecoderRows(str(folder / "transcoders"), reach)
    rows = {one.planted.feature: decoder.sum_up_to(one.planted.feature) for one in known}
    return PlantedFeatures(tuple(known), rows)


async def ask_by_input(
    planted: PlantedFeatures,
    verbalizer: VectorVerbalizer,
    embedder: Embedder,
    sampling: Sampling,
    claim: ModelClaim,
) -> dict[InputRow, Sequence[Asked]]:
    """Have all features verbalized by each input, and by the decoder rows of one another.

    Raises:
        NotAvailableError: The pair does not fit.
    """
    given: Mapping[InputRow, tuple[InputKind, Rows]] = {
        "example": ("example", {}),
        "contrast": ("contrast", {}),
        "decoder": ("decoder", planted.rows),
        "decoder of another feature": ("decoder", exchange(planted)),
    }
    return {
        row: await ask(
            planted.known, verbalizer, embedder, sampling, claim, kind=kind, directions=rows
        )
        for row, (kind, rows) in given.items()
    }


def exchange(planted: PlantedFeatures) -> Rows:
    """Give each feature the rows of the next one that is about something of the same kind."""
    themes = {one.planted.feature: one.planted.theme.about for one in planted.known}
    groups = {about: [f for f in themes if themes[f] == about] for about in themes.values()}
    return {
        feature: planted.rows[group[(place + 1) % len(group)]]
        for group in groups.values()
        for place, feature in enumerate(group)
    }


def list_named(asked: Sequence[Asked], about: About) -> Bool[np.ndarray, " feature"]:
    """Say of each feature that is about this whether the commonest such claim is true."""
    those = [one for one in asked if one.known.planted.theme.about == about]
    return np.array(
        [any(c.about == about and c.is_true for c in one.claims) for one in those], dtype=np.bool_
    )
