"""Features whose peaks are run again, or whose decoder rows are described."""

from typing import Any

import numpy as np
import pytest
from tests.rerunning import OFF, RerunningVerbalizer
from tests.unit.verbalizers.driven import drive, make, make_many

from clerp.feature import FeatureId
from clerp.ledger import Ledger
from clerp.testing.fake_verbalizer import WORDS
from clerp.verbalizers.driving import Terms
from clerp.verbalizers.places import FEWEST_PAIRS
from clerp.verbalizers.status import FEWEST_FEATURES


async def test_peaks_that_do_not_hold_are_not_described_nor_is_anything_near_them(ledger: Ledger):
    held = {FeatureId(2, 0): ["0.0"]}
    fake = RerunningVerbalizer(off=["0.1", "0.3"])
    [told] = (
        await drive([make("bread", 0)], fake, ledger, held_out=held, transcoders="org/set")
    ).values()
    used = {said.input_id.partition("-")[0] for said in (*told.said, *told.said_where_off)}
    assert used == {"0.2", "0.4", "0.5", "0.6", "0.7"}
    assert told.notes == tuple(f"{place} was left out: {OFF}" for place in ("0.1", "0.3"))
    assert told.details["transcoders"] == f"org/set@{'1' * 12}"
    assert "unfinished" not in told.details


async def test_a_feature_whose_peaks_are_gone_is_none_to_compare_with(ledger: Ledger):
    class PartlyGone(RerunningVerbalizer):
        def open_features(self, transcoders: str, features: Any) -> Any:
            opened = super().open_features(transcoders, features)
            confirm = opened.confirm

            def confirm_first_not(feature: FeatureId, passages: Any) -> Any:
                self.off = None if feature == FeatureId(2, 0) else ()
                return confirm(feature, passages)

            opened.confirm = confirm_first_not
            return opened

    evidence = make_many(FEWEST_FEATURES)
    told = await drive(evidence, PartlyGone(), ledger, transcoders="org/set")
    assert list(told) == [one.feature for one in evidence]
    gone = told.pop(FeatureId(2, 0))
    assert gone.unavailable == f"not available: no peak holds: {OFF}"
    assert len(gone.notes) == len(evidence[0].top)
    for one in told.values():
        assert one.trust is not None
        assert f"({FEWEST_FEATURES - 1}, and it takes {FEWEST_FEATURES})" in one.trust.status_line


@pytest.mark.parametrize("kind", ["example", "contrast"])
async def test_a_second_run_with_transcoders_asks_nothing(ledger: Ledger, kind: Any):
    evidence = [make(WORDS[index], index, n=FEWEST_PAIRS + 8) for index in range(2)]
    given: Any = {"terms": Terms(kind=kind), "transcoders": "org/set"}
    first = await drive(evidence, RerunningVerbalizer(off=["0.4"]), ledger, **given)
    again, silent = RerunningVerbalizer(), RerunningVerbalizer()
    assert await drive(evidence, again, ledger, **given) == first
    assert await drive(evidence, silent, ledger, ask=False, **given) == first
    assert again.asked == silent.asked == silent.opened == []


async def test_texts_of_directions_are_replayed_too(ledger: Ledger):
    rows = {FeatureId(2, 0): np.ones(32, np.float32), FeatureId(2, 1): "it writes after layer 3"}
    given: Any = {"terms": Terms(kind="decoder"), "transcoders": "org/set"}
    first = await drive(make_many(2), RerunningVerbalizer(rows=rows), ledger, **given)
    assert first[FeatureId(2, 0)].details["transcoders"] == f"org/set@{'1' * 12}"
    assert first[FeatureId(2, 1)].unavailable == "not available: it writes after layer 3"
    silent = RerunningVerbalizer()
    assert await drive(make_many(2), silent, ledger, ask=False, **given) == first
    assert silent.opened == []


async def test_a_direction_that_cannot_be_read_leaves_the_run_unfinished(ledger: Ledger):
    fake = RerunningVerbalizer(breaks_at=["rows"])
    given: Any = {"terms": Terms(kind="decoder"), "transcoders": "org/set"}
    for one in (await drive(make_many(2), fake, ledger, **given)).values():
        assert one.details["unfinished"] == "the verbalizer broke: RuntimeError: no memory"
