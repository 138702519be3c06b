"""What features write is read where it can be, and where not the reason stands in its place."""

from typing import Any

import numpy as np
import pytest
from tests.rerunning import RerunningVerbalizer
from tests.unit.verbalizers.recorded_calls import record

from clerp.errors import InputError, PluginError, UsageError
from clerp.feature import FeatureId
from clerp.ledger import Ledger
from clerp.testing import FakePassageVerbalizer, FakeVectorVerbalizer
from clerp.verbalizers.directions import Direction, read_directions
from clerp.verbalizers.outcome import FeatureVerbalization

FIRST, SECOND, THIRD = (FeatureId(2, index) for index in range(3))
SET = "org/set"
WRITTEN = np.arange(32, dtype=np.float32)


async def read(
    verbalizer: Any, ledger: Ledger, transcoders: str | None = SET, **given: Any
) -> dict[FeatureId, Direction]:
    features = given.pop("features", [FIRST, SECOND, THIRD])
    return await read_directions(features, record(verbalizer, ledger, **given), transcoders)


async def test_an_attention_feature_has_no_rows_and_opens_nothing(ledger: Ledger):
    attention = FeatureId(2, 0, "lor")
    fake = RerunningVerbalizer(rows={FIRST: WRITTEN})
    found = await read(fake, ledger, features=[attention, FIRST])
    assert "what those write is in no transcoder" in str(found[attention].written)
    assert found[FIRST].rows
    assert not (await read(fake, ledger, features=[attention]))[attention].broke
    assert len(fake.opened) == 1


async def test_rows_of_a_set_of_which_nobody_knows_whose_it_is_say_so(ledger: Ledger):
    fake = RerunningVerbalizer(rows={FIRST: WRITTEN}, set_name="hers")
    direction = (await read(fake, ledger, features=[FIRST]))[FIRST]
    said = direction.annotate(FeatureVerbalization(FIRST, "a-pair", "decoder"))
    assert said.notes == (direction.note,)
    assert "nobody can say whether org/set is what the graph was made with" in direction.note


async def test_rows_of_the_transcoders_of_another_graph_are_not_read(ledger: Ledger):
    fake = RerunningVerbalizer(rows={FIRST: WRITTEN}, set_name="org/another")
    with pytest.raises(UsageError, match="the graph was made with org/set"):
        await read(fake, ledger)
    assert fake.asked == []


async def test_what_features_write_is_read_and_kept(ledger: Ledger):
    fake = RerunningVerbalizer(rows={FIRST: WRITTEN, SECOND: "it writes later"}, lacks=[THIRD])
    found = await read(fake, ledger)
    assert np.array_equal(found[FIRST].written, WRITTEN)
    assert (found[FIRST].rows, found[FIRST].broke) == (f"{SET}@{'1' * 12}", "")
    assert (found[SECOND].written, found[SECOND].broke) == ("it writes later", "")
    assert (found[THIRD].written, found[THIRD].broke) == ("2_2 is outside the set", "")
    offline = await read(RerunningVerbalizer(), ledger, may_ask=False)
    assert np.array_equal(offline[FIRST].written, WRITTEN)
    assert offline[SECOND].written == "it writes later"


@pytest.mark.parametrize("verbalizer", [FakeVectorVerbalizer(), FakePassageVerbalizer()])
@pytest.mark.parametrize("transcoders", [SET, None])
async def test_elsewhere_nobody_can_read_rows(
    ledger: Ledger, verbalizer: Any, transcoders: str | None
):
    for one in (await read(verbalizer, ledger, transcoders)).values():
        assert "this NLA is not on this machine" in str(one.written)
        assert one.broke == ""


async def test_without_transcoders_it_is_said_how_to_name_them(ledger: Ledger):
    fake = RerunningVerbalizer()
    for one in (await read(fake, ledger, None)).values():
        assert str(one.written).endswith("name them with --transcoders")
    assert fake.opened == []


async def test_a_row_that_cannot_be_read_is_unfinished(ledger: Ledger):
    found = await read(RerunningVerbalizer(breaks_at=["rows"]), ledger)
    why = "the verbalizer broke: RuntimeError: no memory"
    assert (found[FIRST].written, found[FIRST].broke, found[FIRST].rows) == (why, why, "")


@pytest.mark.parametrize("fault", [UsageError("none"), InputError("cut"), PluginError("missing")])
async def test_a_set_that_cannot_be_opened_ends_the_run(ledger: Ledger, fault: Exception):
    with pytest.raises(type(fault)):
        await read(RerunningVerbalizer(open_fault=fault), ledger)


def test_which_rows_they_were_stands_beside_what_was_said():
    said = FeatureVerbalization(FIRST, "a-pair", "decoder", details={"seed": 0})
    assert Direction(WRITTEN, rows="set@1").annotate(said).details == {
        "seed": 0,
        "transcoders": "set@1",
    }
    assert Direction("why", broke="why").annotate(said).details == {"unfinished": "why", "seed": 0}
