from dataclasses import replace

import pytest

from clerp.verbalizers import InputKind
from clerp.verbalizers.agreement import Agreement
from clerp.verbalizers.contrast import Contrast
from clerp.verbalizers.gates import Failure, Gates
from clerp.verbalizers.reconstruction import Reconstruction
from clerp.verbalizers.status import (
    CHECKED_ON,
    FEWEST_FEATURES,
    Status,
    choose_status,
    explain_status,
)

OPEN = Gates(20, 18, (Failure("no closing tag", 2),))
SHUT = Gates(20, 4, (Failure("no closing tag", 16),))
GIVEN_BACK = Reconstruction(0.7, 0.73, 200, -0.8, 2.0, 64, 20)
AGREES = Agreement(0.8, 0.5, 0.3, 0.2, 0.4, 0.001, 5, 900)
DIFFERS = Agreement(0.51, 0.5, 0.01, -0.1, 0.1, 0.4, 5, 900)
CONTRASTS = Contrast(0.8, 0.5, 0.3, 0.004, 5, 10)


def test_two_agreements_suggest_something():
    assert choose_status("example", OPEN, GIVEN_BACK, AGREES, AGREES) == "suggestive"


def test_without_a_reconstruction_it_is_weak_and_says_so():
    assert choose_status("example", OPEN, None, AGREES, AGREES) == "weak"
    line = explain_status("example", OPEN, None, AGREES, AGREES, None)
    assert "whether the critic gives the residuals back is not known" in line


def test_of_a_pair_that_nobody_tested_nothing_is_more_than_weak_and_the_line_says_so():
    signals = ("example", OPEN, GIVEN_BACK, AGREES, AGREES)
    assert choose_status(*signals, "nobody tested it") == "weak"
    line = explain_status(*signals, None, untested="nobody tested it")
    assert line.startswith("weak: ")
    assert line.endswith(f"; nobody tested it; {CHECKED_ON}")


def test_a_line_says_of_what_the_texts_are_that_it_is_held_against():
    against = replace(AGREES, against="ordinary residuals")
    line = explain_status("example", OPEN, GIVEN_BACK, against, AGREES, None)
    assert "samples of one vector agree more than texts of ordinary residuals" in line
    assert "examples agree more than texts of other features" in line


def test_too_few_features_are_told_as_the_reason():
    line = explain_status("example", OPEN, GIVEN_BACK, AGREES, None, None, 3)
    assert f"too few features to compare with (3, and it takes {FEWEST_FEATURES})" in line
    # Of a direction it is no reason.
    line = explain_status("decoder", OPEN, None, AGREES, None, None, 3)
    assert "too few features" not in line


@pytest.mark.parametrize(
    ("of_samples", "of_examples"),
    [
        (AGREES, DIFFERS),
        (DIFFERS, AGREES),
        (DIFFERS, DIFFERS),
        (AGREES, None),
        (None, AGREES),
        (None, None),
        (AGREES, replace(AGREES, p=0.051)),
        (AGREES, replace(AGREES, low=0.0)),
        (replace(AGREES, p=0.051), AGREES),
        (replace(AGREES, low=-0.01), AGREES),
    ],
)
def test_one_agreement_is_weak(of_samples: Agreement | None, of_examples: Agreement | None):
    assert choose_status("example", OPEN, GIVEN_BACK, of_samples, of_examples) == "weak"


@pytest.mark.parametrize(
    ("gates", "reconstruction"),
    [
        (SHUT, GIVEN_BACK),
        (Gates(0, 0), None),
        (OPEN, replace(GIVEN_BACK, fve=-0.2)),
        (OPEN, replace(GIVEN_BACK, mismatch_fve=0.7)),
    ],
)
def test_what_fails_a_gate_is_unusable_however_it_agrees(
    gates: Gates, reconstruction: Reconstruction | None
):
    assert choose_status("example", gates, reconstruction, AGREES, AGREES) == "unusable"


@pytest.mark.parametrize("kind", ["decoder", "contrast"])
def test_a_single_vector_is_weak_at_most(kind: InputKind):
    assert choose_status(kind, OPEN, None, AGREES, AGREES) == "weak"
    assert choose_status(kind, SHUT, None, AGREES, AGREES) == "unusable"


@pytest.mark.parametrize(
    ("status", "gates", "of_examples"),
    [
        ("suggestive", OPEN, AGREES),
        ("weak", OPEN, DIFFERS),
        ("unusable", SHUT, AGREES),
    ],
)
def test_every_line_says_on_what_its_thresholds_were_checked(
    status: Status, gates: Gates, of_examples: Agreement
):
    line = explain_status("example", gates, GIVEN_BACK, AGREES, of_examples, CONTRASTS)

    assert line.startswith(f"{status}: ")
    assert line.endswith(f"; {CHECKED_ON}")
    assert "toy" in CHECKED_ON
    assert "not on a released pair" in CHECKED_ON
    assert "\n" not in line


def test_a_line_names_every_signal_beside_its_control():
    line = explain_status("example", OPEN, GIVEN_BACK, AGREES, DIFFERS, CONTRASTS)

    assert "18 of 20 texts are usable (no closing tag: 2)" in line
    assert "FVE 0.70 (of others -0.80)" in line
    assert "samples of one vector agree more than" in line
    assert "(by 0.30, 0.20 to 0.40, p 0.001)" in line
    assert "examples do not surely agree more than" in line
    assert "texts of active and inactive places differ (by 0.30, p 0.004)" in line


def test_a_line_says_what_is_not_known():
    alone = replace(GIVEN_BACK, mismatch_fve=None)

    line = explain_status("example", OPEN, alone, None, None, None)

    assert "FVE 0.70 (no control)" in line
    assert "whether samples of one vector agree is not known: too few texts" in line
    assert "whether examples agree is not known: too few texts" in line
    assert "inactive" not in line


def test_a_line_says_why_it_is_no_more_than_weak():
    line = explain_status("decoder", OPEN, None, AGREES, None, None)

    assert "one decoder direction has no examples that could agree" in line
    assert "FVE" not in line
    line = explain_status("contrast", OPEN, None, AGREES, None, None)
    assert "one difference of residuals has no examples" in line


def test_what_is_unusable_says_why_and_no_more():
    line = explain_status("example", SHUT, GIVEN_BACK, AGREES, AGREES, CONTRASTS)

    assert "4 of 20 texts are usable (no closing tag: 16)" in line
    assert "agree" not in line
    line = explain_status("example", OPEN, replace(GIVEN_BACK, fve=-0.2), AGREES, AGREES, None)
    assert "FVE -0.20 (of others -0.80), no better than its controls" in line


def test_a_contrast_that_is_none_is_told_and_decides_nothing():
    none = replace(CONTRASTS, p=0.6, excess=0.0)

    line = explain_status("example", OPEN, GIVEN_BACK, AGREES, AGREES, none)

    assert line.startswith("suggestive")
    assert "do not surely differ (by 0.00, p 0.6)" in line
