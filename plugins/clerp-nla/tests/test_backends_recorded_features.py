"""Runs with transcoders beside the pair, and what they said without them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clerp.errors import VerbalizerError
from clerp.feature import FeatureId
from clerp.testing import FakeVectorVerbalizer
from clerp.verbalizers import FoundFeatures, Missed, Passage
from clerp.verbalizers.driving import Terms
from clerp_nla.backends.recorded import RecordedVectors, open_recorded

from .recorded_runs import CLAIM, EVIDENCE, as_recorded, drive

FEATURES = [one.feature for one in EVIDENCE]
SET = "some/transcoders"
OFF = ("0.0", "0.3")
"""Examples at whose peaks no feature fires any more."""
ROWS = {
    FEATURES[0]: np.arange(1, 33, dtype=np.float32),
    FEATURES[1]: "it writes after layer 3",
}


@dataclass
class Opened:
    found: FoundFeatures

    def confirm(self, feature: FeatureId, passages: Sequence[Passage]) -> list[Passage | Missed]:
        return [Missed(one, "it is off") if one.id in OFF else one for one in passages]

    def sum_rows(self, feature: FeatureId) -> Any:
        return ROWS[feature]


class Local(FakeVectorVerbalizer):
    """A pair beside which transcoders run that lack the last feature."""

    version = ""

    def open_features(self, transcoders: str, features: Sequence[FeatureId]) -> Opened:
        names = {FEATURES[0]: f"rows{self.version}", FEATURES[1]: "other rows"}
        return Opened(FoundFeatures(CLAIM.transcoders, names, {FEATURES[2]: "not trained"}))


class Retrained(Local):
    """The same, with other rows of the first feature."""

    version = ", trained again"


def recall(file: Path) -> RecordedVectors:
    recorded = open_recorded(str(file))
    assert isinstance(recorded, RecordedVectors)
    return recorded


async def test_peaks_that_no_longer_hold_are_left_out_again(tmp_path: Path):
    file = tmp_path / "run.jsonl"
    told = await drive(Local(), file, transcoders=SET)
    notes = told[FEATURES[0]].notes
    assert [note.partition(" ")[0] for note in notes] == list(OFF)
    again = await drive(recall(file), transcoders=SET)
    assert [again[f] for f in FEATURES] == [as_recorded(told[f]) for f in FEATURES]


async def test_what_features_write_is_described_again(tmp_path: Path):
    file = tmp_path / "run.jsonl"
    terms = Terms(kind="decoder")
    told = await drive(Local(), file, terms=terms, transcoders=SET)
    assert [told[f].is_available for f in FEATURES] == [True, False, False]
    again = await drive(recall(file), terms=terms, transcoders=SET)
    assert [again[f] for f in FEATURES] == [as_recorded(told[f]) for f in FEATURES]


async def test_a_feature_that_the_transcoders_lacked_is_lacking(tmp_path: Path):
    file = tmp_path / "run.jsonl"
    await drive(Local(), file, transcoders=SET)
    opened = recall(file).open_features(SET, FEATURES)
    assert dict(opened.found.names) == {FEATURES[0]: "rows", FEATURES[1]: "other rows"}
    assert dict(opened.found.lacking) == {FEATURES[2]: "not trained"}


async def test_of_a_feature_that_nobody_asked_about_the_recording_says_nothing(tmp_path: Path):
    class Sparing(Local):
        def open_features(self, transcoders: str, features: Sequence[FeatureId]) -> Opened:
            return Opened(FoundFeatures("", {FEATURES[0]: "rows"}, {}))

    file = tmp_path / "run.jsonl"
    await drive(Sparing(), file, transcoders=SET)
    found = recall(file).open_features(SET, FEATURES).found
    assert (set(found.names), dict(found.lacking)) == ({FEATURES[0]}, {})
    replayed = await drive(recall(file), transcoders=SET)
    assert "nobody says which rows" in str(replayed[FEATURES[1]].details["unfinished"])


async def test_rows_are_those_that_the_name_stood_for_last(tmp_path: Path):
    ledger, file = str(tmp_path / "clerp.db"), tmp_path / "run.jsonl"
    await drive(Local(), ledger=ledger, transcoders=SET)
    await drive(Retrained(), file, ledger, transcoders=SET)
    opened = recall(file).open_features(SET, FEATURES)
    assert dict(opened.found.names) == {
        FEATURES[0]: "rows, trained again",
        FEATURES[1]: "other rows",
    }


async def test_what_was_not_asked_is_not_on_record(tmp_path: Path):
    file = tmp_path / "run.jsonl"
    await drive(Local(), file, transcoders=SET)
    opened = recall(file).open_features(SET, FEATURES)
    with pytest.raises(VerbalizerError, match="does not have this peak"):
        opened.confirm(FEATURES[0], [Passage("0.0", "never seen", " seen", 1.0)])
    with pytest.raises(VerbalizerError, match="does not have this feature's rows"):
        opened.sum_rows(FEATURES[0])
    with pytest.raises(VerbalizerError, match="does not have the transcoders another/set"):
        recall(file).open_features("another/set", FEATURES)


async def test_a_set_that_was_not_run_is_told_and_the_texts_are_said(tmp_path: Path):
    file = tmp_path / "run.jsonl"
    await drive(FakeVectorVerbalizer(), file)
    for one in (await drive(recall(file), transcoders=SET)).values():
        assert one.is_available
        assert "the recording does not have the transcoders" in str(one.details["unfinished"])
