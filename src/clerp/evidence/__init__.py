"""What is known of a feature, and the sources it is read from."""

from clerp.evidence.record import ActivationExample, EvidenceGap, FeatureEvidence, PromotedFrom

__all__ = ["ActivationExample", "EvidenceGap", "FeatureEvidence", "PromotedFrom"]
