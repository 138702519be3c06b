"""What is kept of a feature that was verbalized."""

import json
from dataclasses import replace

import msgspec
import pytest

from clerp.errors import VerbalizerError
from clerp.feature import FeatureId
from clerp.verbalizers.gates import Failure, Gates
from clerp.verbalizers.outcome import FeatureVerbalization, SaidOf, tell_fault
from clerp.verbalizers.trust import judge_trust

FEATURE = FeatureId(14, 2268)
FULL = FeatureVerbalization(
    feature=FEATURE,
    pair="a-pair@0123 of gemma-2-2b, layer 3",
    kind="example",
    method="nla_contrast",
    said=(
        SaidOf("0.3", " Texas", 'About "Texas".', ((6, 13),), sample=2, activation=4.5),
        SaidOf("0.4", " rain", "", activation=4.0, fault="no closing tag"),
    ),
    said_where_off=(SaidOf("0.3-7", " of", "A letter.", activation=0.0),),
    kept_claims=('About "Texas".',),
    proposal="Texas",
    trust=judge_trust("example", Gates(2, 1, (Failure("no closing tag", 1),))),
    notes=("no reference",),
    details={"samples": 4, "cost_usd": 0.01, "model": "m", "seed": None},
)


def test_a_record_is_plain_json_and_reads_back():
    record = FULL.to_record()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert FeatureVerbalization.from_record(FEATURE, record) == FULL


def test_a_record_says_experimental_and_hangs_under_its_feature():
    record = FULL.to_record()
    assert record["experimental"] is True
    assert "feature" not in record


def test_one_that_declines_says_not_available():
    declined = FeatureVerbalization.decline(FEATURE, "decoder", "no NLA of gpt2")
    assert declined.unavailable == "not available: no NLA of gpt2"
    assert not declined.is_available
    assert FULL.is_available
    assert FeatureVerbalization.from_record(FEATURE, declined.to_record()) == declined


def test_a_fault_is_told_without_where_it_is():
    fault = VerbalizerError("it is gone\nfor good", where="/home/me/nla", remedy="Get another")
    assert tell_fault(fault) == "it is gone for good. Get another"
    assert tell_fault(VerbalizerError("it is gone", where="/home/me/nla")) == "it is gone"


@pytest.mark.parametrize(
    "change", [{"kind": "encoder"}, {"said": [{"text": 1}]}, {"trust": {"status": "corroborated"}}]
)
def test_a_record_of_something_else_is_refused(change: dict[str, object]):
    with pytest.raises(msgspec.ValidationError):
        FeatureVerbalization.from_record(FEATURE, FULL.to_record() | change)


def test_a_lor_feature_reads_back():
    lorsa = replace(FULL, feature=FeatureId(2, 7, "lor"))
    assert FeatureVerbalization.from_record(lorsa.feature, lorsa.to_record()) == lorsa
