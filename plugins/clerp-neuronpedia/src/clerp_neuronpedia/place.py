"""Where Neuronpedia keeps a feature: model, source and index."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from clerp.errors import UsageError
from clerp.feature import FeatureId

_NAME = r"[A-Za-z0-9_.-]+"
_SETS = re.compile(f"(?P<model>{_NAME})/(?P<transcoders>{_NAME})(?:[+](?P<lorsa>{_NAME}))?")


class Place(NamedTuple):
    """What Neuronpedia finds a row by."""

    model: str
    source: str
    """Layer and set: `14-clt-hp`."""
    row: str
    """The index, as text."""

    @property
    def name(self) -> str:
        """What a reason calls the row."""
        return f"{self.source}/{self.row}"


@dataclass(frozen=True, slots=True)
class SourceSets:
    """The source sets that hold the features of one graph."""

    model: str
    transcoders: str
    lorsa: str = ""
    """The set of the attention features; empty where there is none."""

    @classmethod
    def parse(cls, written: str) -> "SourceSets":
        """Read `MODEL/SET` or `MODEL/SET+LORSA_SET`.

        Raises:
            UsageError: It is neither.
        """
        match = _SETS.fullmatch(written)
        if match is None:
            raise UsageError(
                f"{written!r} is no source set of Neuronpedia",
                remedy="Write neuronpedia:MODEL/SET, for example neuronpedia:gemma-2-2b/clt-hp",
            )
        return cls(match["model"], match["transcoders"], match["lorsa"] or "")

    def locate(self, feature: FeatureId) -> Place | None:
        """Say where a feature is; None for an attention feature whose set is not named."""
        name = self.lorsa if feature.kind else self.transcoders
        return Place(self.model, f"{feature.layer}-{name}", str(feature.index)) if name else None

    def __str__(self) -> str:
        return f"{self.model}/{self.transcoders}" + (f"+{self.lorsa}" if self.lorsa else "")
