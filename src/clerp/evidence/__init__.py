"""What is known of a feature, and the sources it is read from."""

from clerp.evidence.record import (
    ActivationExample,
    CandidateLabel,
    EvidenceGap,
    FeatureEvidence,
    PromotedFrom,
)

__all__ = ["ActivationExample", "CandidateLabel", "EvidenceGap", "FeatureEvidence", "PromotedFrom"]
