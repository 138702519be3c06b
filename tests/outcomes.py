"""Outcomes of features, as a run leaves them."""

from typing import Any

from clerp.correlation import Score
from clerp.feature import FeatureId
from clerp.labels import Label
from clerp.outcome import LabeledFeature
from clerp.router import Route

FIRST, SECOND, THIRD = FeatureId(0, 10), FeatureId(1, 11), FeatureId(2, 12)
"""The features of `build_graph`."""


def make_score(z: float | None, raw: float = 0.4) -> Score:
    return Score(raw, raw, 20, z=z)


def make_route(feature: FeatureId = FIRST, **changes: Any) -> Route:
    given: dict[str, Any] = {
        "feature": feature,
        "role": "input",
        "tier": 1,
        "scores": {"input": make_score(8.25), "output": make_score(1.0)},
        "confidence": "high",
        "n_examples": 20,
        "reason": "the words up to the peak are alike: input z 8.2, output z 1.0 (high from 3)",
    }
    return Route(**given | changes)


def make_label(text: str = "Texas", **changes: Any) -> Label:
    given: dict[str, Any] = {
        "text": text,
        "method": "token-frequency",
        "confidence": "high",
        "explanation": f"the peak word is '{text}' in 2 of 20 examples",
        "evidence": ("0.0", "0.1"),
        "details": {"rule": "one word"},
    }
    return Label(**given | changes)


def make_named(
    feature: FeatureId = FIRST, label: Label | None = None, **changes: Any
) -> LabeledFeature:
    label = label or make_label()
    given: dict[str, Any] = {
        "feature": feature,
        "route": make_route(feature),
        "status": "labeled",
        "label": label,
        "reason": label.explanation,
        "method": label.method,
        "hint": "",
        "evidence_digest": "d" * 64,
        "details": label.details,
    }
    return LabeledFeature(**given | changes)


def make_unnamed(feature: FeatureId = FIRST, **changes: Any) -> LabeledFeature:
    given: dict[str, Any] = {
        "feature": feature,
        "route": make_route(feature, role="obscure", tier=3),
        "status": "needs_review",
        "label": None,
        "reason": "obscure: no window is alike enough",
        "method": "",
        "hint": "of, the | comma | Austin",
        "evidence_digest": "d" * 64,
    }
    return LabeledFeature(**given | changes)


def make_artefact(feature: FeatureId = FIRST, **changes: Any) -> LabeledFeature:
    reason = "dense: fires on 53% of all tokens"
    route = make_route(feature, role="artefact", tier=3, scores={}, reason=reason)
    given: dict[str, Any] = {"route": route, "status": "abstained", "reason": reason}
    return make_unnamed(feature, **given | changes)
