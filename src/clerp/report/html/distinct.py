"""The features of several graphs, those that they share counted once."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.graph import FeatureNode, TranscoderIdentity
from clerp.outcome import LabeledFeature
from clerp.report.html.recorded import RecordedGraph
from clerp.report.summary import choose_outcome, share_by_feature


@dataclass(frozen=True, slots=True)
class DistinctFeature:
    """A feature, in whatever graphs it occurs.

    It is the same in two graphs where transcoder set, layer and index, and what was read of its
    evidence are the same.
    """

    outcome: LabeledFeature
    """That which `choose_outcome` chooses, from its home where others are equal."""
    home: int
    """The graph in which its share of influence is greatest; of equal ones that with the least
    digest, so that the order of the graphs is nothing to it."""
    graphs: tuple[int, ...]
    """Those in which it occurs."""
    nodes: tuple[FeatureNode, ...]
    """All of them."""
    share: float | None
    """Mean over all graphs of its share of influence; None where no graph tells influence."""
    depth: float
    """Layer over the deepest that any feature of its transcoders has in these graphs, 0 to 1."""
    evidence: FeatureEvidence | None
    foreign_label: str
    """What somebody else calls it on a node of its home; empty where nobody does."""

    @property
    def density(self) -> float | None:
        """Share of all tokens on which it fires."""
        return self.evidence.density if self.evidence else None


class _Key(NamedTuple):
    transcoders: TranscoderIdentity
    feature: FeatureId
    evidence_digest: str


def list_distinct(recorded: Sequence[RecordedGraph]) -> list[DistinctFeature]:
    """List every feature once, those of the greatest share first."""
    shares = [share_by_feature(one.graph) for one in recorded]
    deepest = _find_deepest(recorded)
    occurrences: defaultdict[_Key, dict[int, LabeledFeature]] = defaultdict(dict)
    for number, one in enumerate(recorded):
        for outcome in one.outcomes:
            key = _Key(one.graph.transcoder_identity, outcome.feature, outcome.evidence_digest)
            occurrences[key][number] = outcome
    listed = [
        _describe(key, found, recorded, shares, deepest[key.transcoders])
        for key, found in occurrences.items()
    ]
    return sorted(
        listed, key=lambda f: (-(f.share or 0.0), f.outcome.feature, f.outcome.evidence_digest)
    )


def _find_deepest(recorded: Sequence[RecordedGraph]) -> dict[TranscoderIdentity, int]:
    deepest: dict[TranscoderIdentity, int] = {}
    for one in recorded:
        identity = one.graph.transcoder_identity
        own = max(feature.layer for feature in one.graph.features)
        deepest[identity] = max(own, deepest.get(identity, 0))
    return deepest


def _describe(
    key: _Key,
    found: Mapping[int, LabeledFeature],
    recorded: Sequence[RecordedGraph],
    shares: Sequence[Mapping[FeatureId, float]],
    deepest: int,
) -> DistinctFeature:
    feature = key.feature
    home = min(
        found, key=lambda number: (-shares[number].get(feature, 0.0), recorded[number].graph.digest)
    )
    own = recorded[home]
    nodes = [node for number in found for node in recorded[number].graph.nodes_of(feature)]
    foreign = (node.foreign_label for node in own.graph.nodes_of(feature) if node.foreign_label)
    told = any(shares)
    return DistinctFeature(
        outcome=choose_outcome([found[home], *found.values()]),
        home=home,
        graphs=tuple(found),
        nodes=tuple(nodes),
        share=sum(s.get(feature, 0.0) for s in shares) / len(recorded) if told else None,
        depth=feature.layer / deepest if deepest else 0.0,
        evidence=own.known.get(feature),
        foreign_label=next(foreign, ""),
    )
