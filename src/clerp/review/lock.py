"""What people decided, which no run changes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.graph import AttributionGraph, TranscoderIdentity
from clerp.graph.shape import RecordedFeature
from clerp.labels import Label, clean_comment, clean_label
from clerp.ledger import FeatureKey, Ledger, TranscoderSet
from clerp.ledger.decision import GivenRole, Verdict
from clerp.outcome import LabeledFeature
from clerp.report.rows import make_visible
from clerp.router import TIERS, Route

METHOD = "review"
"""Of labels that people gave."""

Known = Mapping[FeatureId, FeatureEvidence | EvidenceGap]


def find_verdicts(
    graphs: Sequence[AttributionGraph], known: Known, ledger: Ledger
) -> dict[FeatureId, Verdict]:
    """Find what people agreed on about the features of graphs.

    The ledger knows. Of features about which nobody ever decided there, graphs that clerp labelled
    tell, where all that have the feature tell the same.

    Args:
        graphs: Graphs of one transcoder set.
        known: Evidence of all their features.
        ledger: Where decisions are kept.

    Raises:
        LedgerError: The ledger could not be read.
    """
    identity = graphs[0].transcoder_identity
    transcoders = TranscoderSet(identity.name, identity.revision or "")
    with ledger.reading_review() as reads:
        verdicts = reads.list_verdicts(transcoders)
        decided = reads.list_decided_keys(transcoders)
    found: dict[FeatureId, Verdict] = {}
    for feature, evidence in known.items():
        digest = evidence.digest if isinstance(evidence, FeatureEvidence) else ""
        key = make_key(identity, feature, digest)
        # Of a local set only evidence tells which feature it is.
        if identity.is_local and not key.digest:
            continue
        verdict = verdicts.get(key) if key in decided else _read_records(graphs, feature, key)
        if verdict is not None and verdict.state == "agreed":
            found[feature] = verdict
    return found


def make_key(identity: TranscoderIdentity, feature: FeatureId, digest: str) -> FeatureKey:
    """Name a feature by what makes it the same one in every graph.

    Args:
        identity: Of the graph's transcoder set.
        feature: One of its features.
        digest: Of its evidence, empty where there is none.
    """
    transcoders = TranscoderSet(identity.name, identity.revision or "")
    return FeatureKey(transcoders, feature, digest if identity.is_local else "")


def override_route(route: Route, verdict: Verdict) -> Route:
    """Give a route the role that people agreed on, if they did."""
    if not verdict.role or verdict.role == route.role:
        return route
    said = f"review: {verdict.role}; the rule said {route.role}: {route.reason}"
    return replace(
        route,
        role=verdict.role,
        overruled=route,
        tier=TIERS[verdict.role],
        escalated_from=None,
        reason=said,
        steps=(*route.steps, said),
    )


def make_reviewed(
    route: Route, evidence: FeatureEvidence | EvidenceGap, verdict: Verdict
) -> LabeledFeature | None:
    """Make the outcome of a feature whose label people agreed on; None where they did not."""
    if verdict.label is None:
        return None
    people = ", ".join(verdict.annotators)
    reason = f"reviewed by {people}" + ("" if verdict.label else ": no name fits")
    return LabeledFeature(
        feature=route.feature,
        route=route,
        status="reviewed",
        label=Label(verdict.label, METHOD, "high", reason) if verdict.label else None,
        reason=reason,
        method=METHOD,
        hint="",
        evidence_digest=evidence.digest if isinstance(evidence, FeatureEvidence) else "",
        details={"reviewers": people, "reviewed_role": verdict.role},
    )


def _read_records(
    graphs: Sequence[AttributionGraph], feature: FeatureId, key: FeatureKey
) -> Verdict | None:
    told = {_read_record(graph, feature, key) for graph in graphs if graph.nodes_of(feature)}
    return next(iter(told)) if len(told) == 1 else None


def _read_record(graph: AttributionGraph, feature: FeatureId, key: FeatureKey) -> Verdict | None:
    recorded = graph.record.features.get(str(feature)) if graph.record else None
    if recorded is None or recorded.status != "reviewed":
        return None
    # Under the same name, local features are others where their evidence is.
    if key.digest and recorded.evidence_digest != key.digest:
        return None
    return _read_verdict(recorded)


def _read_verdict(recorded: RecordedFeature) -> Verdict:
    told = recorded.details.reviewed_role
    role = cast(GivenRole, told) if told in TIERS else ""
    # A file may have been edited.
    reviewers = make_visible(clean_comment(recorded.details.reviewers))
    return Verdict("agreed", clean_label(recorded.label), role, (reviewers,))
