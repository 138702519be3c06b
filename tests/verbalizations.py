"""What an NLA said of a feature, without an NLA."""

from typing import Any

from tests.outcomes import FIRST

from clerp.feature import FeatureId
from clerp.verbalizers.agreement import Agreement
from clerp.verbalizers.contrast import Contrast
from clerp.verbalizers.gates import Failure, Gates
from clerp.verbalizers.kept_claims import KeptClaim
from clerp.verbalizers.outcome import FeatureVerbalization, SaidOf
from clerp.verbalizers.reconstruction import Reconstruction
from clerp.verbalizers.trust import Trust

PAIR = "org/nla-small@0123456789ab of org/small, layer 3"


def make_said(input_id: str = "0.0", text: str = "About a city.", **changes: Any) -> SaidOf:
    given: dict[str, Any] = {"token": " Paris", "activation": 8.25}
    return SaidOf(input_id, text=text, **given | changes)


def make_agreement(**changes: Any) -> Agreement:
    given: dict[str, Any] = {
        "within": 0.75,
        "between": 0.5,
        "excess": 0.25,
        "low": 0.125,
        "high": 0.375,
        "p": 0.01,
        "n_items": 5,
        "n_baseline": 40,
    }
    return Agreement(**given | changes)


def make_trust(**changes: Any) -> Trust:
    given: dict[str, Any] = {
        "gates": Gates(8, 7, (Failure("no closing tag", 1),)),
        "reconstruction": Reconstruction(0.625, 0.7, 512, -0.75, 2.0, 63, 7),
        "self_agreement": make_agreement(),
        "example_agreement": make_agreement(excess=0.125, p=0.04),
        "contrast": Contrast(0.75, 0.5, 0.25, 0.03, 5, 8, (KeptClaim("A city is named.", 4, 0),)),
        "status": "suggestive",
        "status_line": "suggestive: all agree; thresholds checked on a toy",
        "notes": ("one control was left out",),
    }
    return Trust(**given | changes)


def make_verbalization(feature: FeatureId = FIRST, **changes: Any) -> FeatureVerbalization:
    """Make one of two samples of two examples, and one place where the feature is off."""
    given: dict[str, Any] = {
        "feature": feature,
        "pair": PAIR,
        "kind": "example",
        "said": (
            make_said("0.0", 'It names "Paris" at the end.', quotes=((9, 16),)),
            make_said("0.0", "A city is named.", sample=1),
            make_said("0.1", "A list of capitals.\n\nFinal token is a city.", token=" Rome"),
            make_said("0.1", "", sample=1, fault="cut off at 200 tokens", token=" Rome"),
        ),
        "said_where_off": (make_said("0.0-3", "A recipe.", token=" the", activation=0.0),),
        "kept_claims": ("A city is named.",),
        "trust": make_trust(),
        "notes": ("0.2 was passed over: its peak is the start of a text",),
    }
    return FeatureVerbalization(**given | changes)
