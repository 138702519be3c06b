from dataclasses import replace

import pytest
from tests.unit.router.told import make_told

from clerp.evidence import FeatureEvidence
from clerp.router import find_artefact
from clerp.testing import make_evidence


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param(make_evidence([["a", " b"]] * 5), id="just enough examples"),
        pytest.param(replace(make_told(0.9, 0.9), density=0.1), id="just not dense"),
        pytest.param(replace(make_told(0.9, 0.9), density=None), id="density unknown"),
        pytest.param(make_evidence([["<bos>", " a", " b"]] * 5, peak=2), id="second word"),
    ],
)
def test_an_ordinary_feature_is_no_artefact(evidence: FeatureEvidence):
    assert find_artefact(evidence) is None


@pytest.mark.parametrize(("n_at_start", "is_artefact"), [(3, False), (4, True)])
def test_a_feature_of_sequence_starts_peaks_there_in_most_of_its_examples(
    n_at_start: int, is_artefact: bool
):
    at_start, inside = make_evidence([["a", " b"]] * 6, peak=0), make_evidence([["a", " b"]] * 6)
    mixed = replace(at_start, top=at_start.top[:n_at_start] + inside.top[n_at_start:])

    reason = find_artefact(mixed)

    assert (reason is not None) == is_artefact
    assert reason is None or "in 4 of 6 examples" in reason


def test_lower_examples_do_not_make_up_for_top_ones():
    evidence = make_evidence([["a", " b"]] * 4, lower=[["a", " b"]] * 4)

    assert (find_artefact(evidence) or "").startswith("too few examples: 4")
