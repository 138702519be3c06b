"""Requests and what of them a prompt shows."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from clerp import testing
from clerp.evidence import ActivationExample, FeatureEvidence
from clerp.labelers import LabelRequest
from clerp.labelers.methods import Question
from clerp.labels import Label

PROPOSAL = Label("say Austin / Salem", "token-frequency", "high", "counted")


def make_evidence(n_top: int, n_lower: int = 0) -> FeatureEvidence:
    """Make distinct examples whose activations fall from 1 to above 0."""
    texts = [(" at", f" top{i}", f" then{i}") for i in range(n_top)]
    lower = [(" at", f" low{i}", f" then{i}") for i in range(n_lower)]
    return testing.make_evidence(texts, lower=lower, promoted=(" Austin", " Salem"))


def make_request(
    evidence: FeatureEvidence,
    *,
    activations: Sequence[float] = (),
    proposal: Label | None = PROPOSAL,
) -> LabelRequest:
    request = testing.make_request(evidence, "cross")
    return replace(request, activations=tuple(activations), proposal=proposal)


def with_activations(example: ActivationExample, *activations: float) -> ActivationExample:
    values = np.array(activations, dtype=np.float32)
    return replace(example, activations=values, peak=int(values.argmax()))


def read_data(question: Question) -> dict[str, Any]:
    """Return what stands between the markers."""
    marker, *lines, last = question.prompt.user.split("\n")
    assert marker == last
    return json.loads("\n".join(lines))
