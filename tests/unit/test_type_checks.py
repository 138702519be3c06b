"""Whether types are checked in tests at all."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from beartype.roar import BeartypeCallHintParamViolation
from jaxtyping import TypeCheckError
from tests.type_checks import list_modules_for_jaxtyping

from clerp.evidence import ActivationExample
from clerp.grouped import GroupedGraph
from clerp.windows import SplitTokens, cut_tokens

ANYTHING: Any = 3


def test_arguments_are_checked():
    with pytest.raises(BeartypeCallHintParamViolation, match="tokens=3"):
        cut_tokens(ANYTHING, ANYTHING, 5)


def test_fields_are_checked():
    with pytest.raises(BeartypeCallHintParamViolation, match="text=3"):
        SplitTokens(ANYTHING, "", [], [])


def test_what_other_decorators_keep_to_themselves_is_checked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("clerp.grouped.graph.list_notes", lambda *_: ANYTHING)
    grouped = SimpleNamespace(graph=None, grouping=None, address=lambda: "")
    with pytest.raises(TypeCheckError, match="notes"):
        GroupedGraph.notes.func(grouped)


def test_shapes_are_checked():
    square = np.zeros((2, 2), np.float32)
    with pytest.raises(TypeCheckError, match="activations"):
        ActivationExample("0.0", ("a", "b"), square, peak=0)


def test_modules_with_shapes_are_told_from_those_without():
    modules = list_modules_for_jaxtyping()
    assert "clerp.evidence.record" in modules
    assert "clerp.verbalizers.agreement" in modules
    assert "clerp.windows" not in modules
