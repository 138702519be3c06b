"""A pair that is fully known, and beside whose model features of transcoders can be run."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clerp.feature import FeatureId
from clerp.testing.fake_verbalizer import FakeVectorVerbalizer
from clerp.verbalizers import FoundFeatures, Missed, Passage

TRANSCODERS = "org/set"
OFF = "it is off when it is run again"


@dataclass
class KnownFeatures:
    """Features that the pair below opened."""

    pair: "RerunningVerbalizer"
    found: FoundFeatures

    def confirm(self, feature: FeatureId, passages: Sequence[Passage]) -> list[Passage | Missed]:
        self.pair.asked.append(f"confirm {feature} {len(passages)}")
        for passage in passages:
            if passage.id in self.pair.breaks_at:
                raise self.pair.run_fault
        off = self.pair.off
        return [Missed(one, OFF) if off is None or one.id in off else one for one in passages]

    def sum_rows(self, feature: FeatureId) -> Any:
        self.pair.asked.append(f"sum_rows {feature}")
        if "rows" in self.pair.breaks_at:
            raise self.pair.run_fault
        return self.pair.rows[feature]


@dataclass
class RerunningVerbalizer(FakeVectorVerbalizer):
    """Says what it was told to say of features, wherever their transcoders lie."""

    revision: str = "1" * 64
    """Of all rows."""
    set_name: str = TRANSCODERS
    """What the transcoders are called in graphs."""
    off: Collection[str] | None = ()
    """Ids of passages at which features are off; None for all."""
    lacks: Collection[FeatureId] = ()
    breaks_at: Collection[str] = ()
    """Ids of passages at which it breaks, and `rows`."""
    run_fault: Exception = field(default_factory=lambda: RuntimeError("no memory"))
    open_fault: Exception | None = None
    rows: Mapping[FeatureId, Any] = field(default_factory=dict[FeatureId, Any])
    opened: list[str] = field(default_factory=list[str])
    """Transcoders that were opened."""

    def open_features(self, transcoders: str, features: Sequence[FeatureId]) -> KnownFeatures:
        self.opened.append(transcoders)
        if self.open_fault is not None:
            raise self.open_fault
        names = {f: f"{self.revision} {f}" for f in features if f not in self.lacks}
        lacking = {f: f"{f} is outside the set" for f in self.lacks}
        return KnownFeatures(self, FoundFeatures(self.set_name, names, lacking))
