import json

import msgspec
import pytest

from clerp.verbalizers import InputKind
from clerp.verbalizers.agreement import Agreement
from clerp.verbalizers.contrast import Contrast
from clerp.verbalizers.gates import Failure, Gates
from clerp.verbalizers.kept_claims import KeptClaim
from clerp.verbalizers.reconstruction import Reconstruction
from clerp.verbalizers.trust import Trust, judge_trust

GATES = Gates(20, 18, (Failure("no closing tag", 2),))
RECONSTRUCTION = Reconstruction(0.7, 0.73, 200, -0.8, 2.0, 64, 20)
AGREES = Agreement(0.8, 0.5, 0.3, 0.2, 0.4, 0.001, 5, 900)
CONTRAST = Contrast(0.8, 0.5, 0.3, 0.004, 5, 10, (KeptClaim("Rivers.", 4, 0),), 0.9)


def judge(**changes: object) -> Trust:
    signals = {
        "reconstruction": RECONSTRUCTION,
        "self_agreement": AGREES,
        "example_agreement": AGREES,
        "contrast": CONTRAST,
        **changes,
    }
    return judge_trust("example", GATES, **signals)


def test_signals_stay_apart():
    trust = judge(notes=("one example was dropped",))

    assert trust.gates == GATES
    assert trust.reconstruction == RECONSTRUCTION
    assert trust.self_agreement == trust.example_agreement == AGREES
    assert trust.contrast == CONTRAST
    assert trust.notes == ("one example was dropped",)
    assert trust.status == "suggestive"
    assert trust.status_line.startswith("suggestive: ")


@pytest.mark.parametrize(("kind", "what"), [("decoder", "decoder direction"), ("contrast", "diff")])
def test_of_what_is_no_residual_nothing_is_given_back_and_that_is_said(kind: InputKind, what: str):
    trust = judge_trust(
        kind,
        GATES,
        reconstruction=Reconstruction(-0.9, 0.73, 200, -0.8, 2.0, 64, 20),
        self_agreement=AGREES,
        example_agreement=AGREES,
        notes=("as asked",),
    )

    assert trust.reconstruction is trust.example_agreement is None
    assert trust.status == "weak"
    assert what in trust.notes[0]
    assert "no FVE" in trust.notes[0]
    assert trust.notes[1:] == ("as asked",)


def test_it_comes_back_from_json_as_it_was():
    trust = judge()

    assert msgspec.convert(json.loads(json.dumps(msgspec.to_builtins(trust))), Trust) == trust


def test_what_nobody_measured_is_none_and_weak():
    trust = judge_trust("example", GATES)

    assert trust.reconstruction is trust.self_agreement is trust.contrast is None
    assert trust.status == "weak"


def test_where_features_are_too_few_the_line_says_how_many_there_are():
    trust = judge(example_agreement=None, n_features=3)

    assert trust.status == "weak"
    assert "too few features to compare with (3, and it takes 16)" in trust.status_line


def test_nothing_is_corroborated_yet():
    assert "corroborated" not in str(judge())
