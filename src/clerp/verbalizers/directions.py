"""What features write up to the layer of a pair, read from the rows of their transcoders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32

from clerp.errors import VerbalizerError
from clerp.feature import FeatureId
from clerp.verbalizers.features import RecordedFeatures
from clerp.verbalizers.outcome import FeatureVerbalization, tell_fault
from clerp.verbalizers.recording import RecordedCalls

_NOT_LOCAL = "a decoder direction is a vector of the model, and this NLA is not on this machine"
_ATTENTION = "it is an attention feature, and what those write is in no transcoder"
_NO_TRANSCODERS = "nobody says where its decoder rows are: name them with --transcoders"

Written: TypeAlias = Float32[np.ndarray, " d_model"] | str
"""A direction, or why there is none."""
Directions = Mapping[FeatureId, Written]


@dataclass(frozen=True, slots=True, eq=False)
class Direction:
    """What one feature writes."""

    written: Written
    broke: str = ""
    """Why it could not be read, though another run may."""
    rows: str = ""
    """Of the transcoders, that were read; empty where nobody knows."""
    note: str = ""
    """Why nobody can say that they are the graph's; empty where they are."""

    def annotate(self, said: FeatureVerbalization) -> FeatureVerbalization:
        """Put what is known of the rows to what was said of them."""
        rows = {"transcoders": self.rows} if self.rows else {}
        unfinished = {"unfinished": self.broke} if self.broke else {}
        return replace(
            said,
            notes=(*said.notes, *filter(None, (self.note,))),
            details={**unfinished, **said.details, **rows},
        )


async def read_directions(
    features: Sequence[FeatureId], calls: RecordedCalls, transcoders: str | None
) -> dict[FeatureId, Direction]:
    """Read what features write up to the layer of the pair.

    Raises:
        UsageError: The transcoders are not the graph's, or cannot be read.
        InputError, PluginError: They cannot be read.
        LedgerError: The ledger failed.
    """
    if not calls.can_open_features:
        return dict.fromkeys(features, Direction(_NOT_LOCAL))
    if transcoders is None:
        return dict.fromkeys(features, Direction(_NO_TRANSCODERS))
    readable = [feature for feature in features if not feature.kind]
    directions = dict.fromkeys(features, Direction(_ATTENTION))
    if not readable:
        return directions
    async with calls.open_features(transcoders, readable) as opened:
        return directions | {feature: await _read(feature, opened) for feature in readable}


async def _read(feature: FeatureId, opened: RecordedFeatures) -> Direction:
    found = await opened.sum_rows(feature)
    if isinstance(found, VerbalizerError):
        why = tell_fault(found)
        return Direction(why, broke=why)
    return Direction(found, rows=opened.describe(feature), note=opened.note)
