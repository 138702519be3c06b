"""Sources that break one rule each."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.testing import ContractError, check_source, make_evidence, make_example

FEATURES = [FeatureId(0, 1), FeatureId(2, 3)]
TEXTS = [(" in", " Texas"), (" in", " Ohio", "."), (" of", " Utah")]
GOOD = {feature: make_evidence(TEXTS, lower=[("a", "b")], feature=feature) for feature in FEATURES}
Change = Callable[[FeatureEvidence], Any]


class FakeSource:
    name = "fake"

    def __init__(self, change: Change = lambda evidence: evidence) -> None:
        self._change = change

    def read(self, features: Iterable[FeatureId]) -> Iterator[Any]:
        for feature in features:
            if feature in GOOD:
                yield self._change(GOOD[feature])
            else:
                yield EvidenceGap(feature, "no record")


def test_a_source_that_keeps_the_contract_passes():
    check_source(FakeSource(), FEATURES)


def test_a_gap_beside_evidence_is_allowed():
    check_source(FakeSource(), [*FEATURES, FeatureId(7, 7)])


def with_example(**changes: Any) -> Change:
    def change(evidence: FeatureEvidence) -> FeatureEvidence:
        first, *rest = evidence.top
        return replace(evidence, top=(replace(first, **changes), *rest))

    return change


def floats(*values: float) -> np.ndarray[Any, Any]:
    return np.array(values, dtype=np.float32)


BROKEN: dict[str, tuple[Change, str]] = {
    "nothing": (lambda _: None, "yields None for 0_1: it yields FeatureEvidence or an EvidenceGap"),
    "another feature": (
        lambda e: replace(e, feature=FeatureId(9, 9)),
        "yields 9_9 where 0_1 was asked",
    ),
    "only gaps": (lambda e: EvidenceGap(e.feature, "shy"), "no evidence of any feature.*shy"),
    "order": (lambda e: replace(e, top=e.top[::-1]), "top: the examples are not strongest first"),
    "order of lower": (
        lambda e: replace(e, top=(), lower=e.top[::-1]),
        "lower: the examples are not strongest first",
    ),
    "id": (with_example(id="first"), "an id is `quantile.number`"),
    "same id": (with_example(id="0.1"), "two examples have the id '0.1'"),
    "same text": (
        with_example(tokens=(" of", " Utah")),
        "two examples have the text ' of Utah'",
    ),
    "peak outside": (with_example(peak=2), "peaks at 2, outside of its 2 tokens"),
    "peak before": (with_example(peak=-1), "peaks at -1"),
    "peak elsewhere": (with_example(peak=0), "the peak is the largest activation, and positive"),
    "nowhere positive": (with_example(activations=floats(0, 0)), "and positive"),
    "not finite": (with_example(activations=floats(np.inf, 1)), "not finite"),
    "fewer activations": (with_example(activations=floats(1)), "for each of 2 tokens"),
    "half a character": (with_example(tokens=("a", "\ud83d")), "is no readable text"),
    "promoted": (lambda e: replace(e, promoted=("\udcff",)), "promoted tokens.*no readable text"),
    "range": (lambda e: replace(e, act_max=0.5), r"the range 0\.0 to 0\.5"),
    "range upside down": (lambda e: replace(e, act_min=2.0), r"the range 2\.0 to 1\.0"),
    "density": (lambda e: replace(e, density=1.5), "the density 1.5 is no share"),
    "digest": (lambda e: replace(e, digest="abc"), "'abc' is no sha256"),
    "path": (
        lambda e: EvidenceGap(e.feature, f"{Path.cwd()}/1.json is gone"),
        "a folder of this machine, as a reason",
    ),
    "no reason": (lambda e: EvidenceGap(e.feature, ""), "gives the reason ''"),
}


@pytest.mark.parametrize(("change", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_rule_is_named(change: Change, message: str):
    with pytest.raises(ContractError, match=message):
        check_source(FakeSource(change), FEATURES)


def test_double_precision_is_not_what_it_says():
    # Run-time type checks would stop it earlier.
    evidence = make_evidence(TEXTS, feature=FEATURES[0])
    object.__setattr__(evidence.top[0], "activations", np.array([0.0, 1.0]))
    with pytest.raises(ContractError, match=r"activations of float64 \(2,\)"):
        check_source(FakeSource(lambda _: evidence), FEATURES[:1])


def test_promoted_from_is_one_of_those_known():
    evidence = make_evidence(TEXTS, feature=FEATURES[0])
    object.__setattr__(evidence, "promoted_from", "first")
    with pytest.raises(ContractError, match="promoted_from is 'first'"):
        check_source(FakeSource(lambda _: evidence), FEATURES[:1])


def test_two_readings_tell_the_same():
    digests = iter("abcdef")
    source = FakeSource(lambda e: replace(e, digest=next(digests) * 64))
    with pytest.raises(ContractError, match="the same record has the same digest"):
        check_source(source, FEATURES)


class Sorting(FakeSource):
    def read(self, features: Iterable[FeatureId]) -> Iterator[Any]:
        return super().read(sorted(features))


class Skipping(FakeSource):
    def read(self, features: Iterable[FeatureId]) -> Iterator[Any]:
        return super().read(feature for feature in features if feature in GOOD)


class Raising(FakeSource):
    def read(self, features: Iterable[FeatureId]) -> Iterator[Any]:
        for feature in features:
            yield GOOD[feature]


class Indexing(FakeSource):
    def read(self, features: Any) -> Iterator[Any]:
        return super().read(features[i] for i in range(len(features)))


class Knowing(FakeSource):
    def read(self, features: Iterable[FeatureId]) -> Iterator[Any]:
        return (replace(GOOD[FEATURES[0]], feature=feature) for feature in features)


class Chatty(FakeSource):
    def read(self, features: Iterable[FeatureId]) -> Iterator[Any]:
        asked = list(features)
        return super().read(asked or FEATURES)


class Placed(FakeSource):
    name = "folder:/data/features"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Sorting(), "yields 0_1 where 2_3 was asked"),
        (Skipping(), "yields 2 items for 3 features"),
        (Raising(), "raised KeyError"),
        (Indexing(), "raised TypeError"),
        (Knowing(), "has evidence of 999_1099511627776, which nobody knows"),
        (Chatty(), "yields 2 items for 0 features"),
        (Placed(), "must hold no path of a machine"),
        (object(), "object is no source: it has no name and no read"),
    ],
)
def test_a_broken_reading_is_named(source: object, message: str):
    with pytest.raises(ContractError, match=message):
        check_source(source, FEATURES[::-1])


def test_examples_of_one_token_are_fine():
    example = make_example(("a",))
    check_source(FakeSource(lambda e: replace(e, top=(example,))), FEATURES)


class FakeRemote(FakeSource):
    def __init__(self, kept: FakeSource) -> None:
        super().__init__()
        self._kept = kept

    def offline(self) -> FakeSource:
        return self._kept


def test_a_remote_source_tells_the_same_offline():
    check_source(FakeRemote(FakeSource()), FEATURES)
    forgetful = FakeSource(lambda evidence: EvidenceGap(evidence.feature, "not kept"))
    with pytest.raises(ContractError, match="tells something else offline"):
        check_source(FakeRemote(forgetful), FEATURES)
