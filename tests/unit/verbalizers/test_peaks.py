"""Peaks are run again before they are described, and what does not hold is left out and told."""

from typing import Any

import pytest
from tests.rerunning import OFF, RerunningVerbalizer
from tests.unit.verbalizers.recorded_calls import record

from clerp.errors import InputError, LedgerError, PluginError, UsageError, VerbalizerError
from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.ledger import Ledger, open_ledger
from clerp.testing import FakePassageVerbalizer, FakeVectorVerbalizer, make_evidence
from clerp.verbalizers.outcome import FeatureVerbalization
from clerp.verbalizers.peaks import NOT_RUN_AGAIN, Peaks, run_again

FIRST, SECOND = FeatureId(2, 0), FeatureId(2, 1)
SET = "org/set"


def make(feature: FeatureId, n: int = 3) -> FeatureEvidence:
    texts = [[f" {feature.index}.{number}.{place}" for place in range(9)] for number in range(n)]
    return make_evidence(texts, peak=6, feature=feature)


async def run(
    verbalizer: Any, ledger: Ledger, transcoders: str | None = SET, **given: Any
) -> dict[FeatureId, Peaks]:
    evidence = given.pop("evidence", [make(FIRST), make(SECOND)])
    return await run_again(evidence, record(verbalizer, ledger, **given), transcoders)


async def test_peaks_of_attention_features_are_not_run_again_for_good(ledger: Ledger):
    attention = FeatureId(2, 0, "lor")
    fake = RerunningVerbalizer()
    for evidence in ([make(attention), make(FIRST)], [make(attention)]):
        found = await run(fake, ledger, evidence=evidence)
        assert found[attention].notes == (
            "peaks could not be run again: no transcoder has attention features",
        )
        assert not found[attention].broke
    assert len(fake.opened) == 1


async def test_peaks_are_not_run_with_the_transcoders_of_another_graph(ledger: Ledger):
    fake = RerunningVerbalizer(set_name="org/another")
    found = await run(fake, ledger)
    assert fake.asked == []
    for one in found.values():
        assert "the graph was made with org/set" in one.broke


async def test_it_is_noted_where_nobody_knows_whose_transcoders_were_run(ledger: Ledger):
    found = await run(RerunningVerbalizer(set_name="hers"), ledger)
    [note] = found[FIRST].notes
    assert note.startswith("nobody can say whether org/set is what the graph was made with")
    assert not found[FIRST].broke


async def test_peaks_that_hold_leave_nothing_out(ledger: Ledger):
    found = await run(RerunningVerbalizer(), ledger)
    assert list(found) == [FIRST, SECOND]
    for one in found.values():
        assert one == Peaks(rows=f"{SET}@{'1' * 12}")


async def test_a_peak_that_does_not_hold_is_left_out_and_told(ledger: Ledger):
    found = await run(RerunningVerbalizer(off=["0.0", "0.2"]), ledger)
    assert found[FIRST].left_out == ("0.0", "0.2")
    assert found[FIRST].notes == (f"0.0 was left out: {OFF}", f"0.2 was left out: {OFF}")
    assert (found[FIRST].gone, found[FIRST].broke) == ("", "")


async def test_where_no_peak_holds_the_feature_is_gone(ledger: Ledger):
    found = await run(RerunningVerbalizer(off=None), ledger)
    assert found[FIRST].gone == f"no peak holds: {OFF}"
    assert len(found[FIRST].left_out) == 3


async def test_a_feature_without_examples_has_no_peak(ledger: Ledger):
    fake = RerunningVerbalizer(off=None)
    found = await run(fake, ledger, evidence=[make_evidence([], feature=FIRST)])
    assert (found[FIRST].gone, found[FIRST].left_out) == ("", ())
    assert fake.asked == []


@pytest.mark.parametrize("evidence", [[], None])
async def test_who_asks_for_nothing_opens_nothing(ledger: Ledger, evidence: Any):
    fake = RerunningVerbalizer()
    if evidence is None:
        assert await run(fake, ledger, None) == {FIRST: Peaks(), SECOND: Peaks()}
    else:
        assert await run(fake, ledger, evidence=evidence) == {}
    assert fake.opened == []


@pytest.mark.parametrize("verbalizer", [FakeVectorVerbalizer(), FakePassageVerbalizer()])
async def test_elsewhere_peaks_are_not_run_again(ledger: Ledger, verbalizer: Any):
    found = await run(verbalizer, ledger)
    note = "a peak can be run again only where the NLA is on this machine"
    assert found == dict.fromkeys([FIRST, SECOND], Peaks(notes=(note,)))


@pytest.mark.parametrize("fault", [UsageError, InputError, VerbalizerError])
async def test_a_set_that_cannot_be_opened_is_told_with_every_feature(
    ledger: Ledger, fault: type[Exception]
):
    raised: Any = fault
    fake = RerunningVerbalizer(open_fault=raised("cut off", where="/home/ada", remedy="Fetch it"))
    found = await run(fake, ledger)
    why = "peaks could not be run again: cut off. Fetch it"
    assert found == dict.fromkeys([FIRST, SECOND], Peaks(notes=(why,), broke=why))


async def test_what_is_not_installed_ends_the_run(ledger: Ledger):
    with pytest.raises(PluginError, match="not installed"):
        await run(RerunningVerbalizer(open_fault=PluginError("not installed")), ledger)


async def test_a_ledger_that_fails_ends_the_run():
    with open_ledger(":memory:") as ledger:
        calls = record(RerunningVerbalizer(), ledger)
    with pytest.raises(LedgerError):
        await run_again([make(FIRST)], calls, SET)


async def test_a_feature_that_cannot_be_run_takes_no_other_with_it(ledger: Ledger):
    found = await run(RerunningVerbalizer(lacks=[FIRST]), ledger)
    why = "peaks could not be run again: 2_0 is outside the set"
    assert found[FIRST] == Peaks(notes=(why,), broke=why)
    assert found[SECOND] == Peaks(rows=f"{SET}@{'1' * 12}")


async def test_of_a_peak_that_cannot_be_run_nothing_is_known(ledger: Ledger):
    fake = RerunningVerbalizer(off=["0.0"], breaks_at=["0.1"])
    found = (await run(fake, ledger))[FIRST]
    why = "peaks could not be run again: the verbalizer broke: RuntimeError: no memory"
    assert found.left_out == ("0.0",)
    assert found.notes == (f"0.0 was left out: {OFF}", why)
    assert (found.broke, found.gone, bool(found.rows)) == (why, "", True)


async def test_one_that_is_left_out_and_one_that_broke_are_not_all_gone(ledger: Ledger):
    fake = RerunningVerbalizer(off=["0.0", "0.2"], breaks_at=["0.1"])
    assert (await run(fake, ledger))[FIRST].gone == ""


async def test_offline_what_was_not_run_is_told(ledger: Ledger):
    await run(RerunningVerbalizer(off=["0.1"]), ledger, evidence=[make(FIRST)])
    found = await run(RerunningVerbalizer(), ledger, may_ask=False)
    assert found[FIRST].left_out == ("0.1",)
    assert found[SECOND].broke.startswith("peaks could not be run again: it is not in the ledger")


def make_said(**given: Any) -> FeatureVerbalization:
    return FeatureVerbalization(FIRST, "a-pair", "example", **given)


def test_what_is_known_of_peaks_stands_beside_what_was_said():
    said = make_said(notes=("before",), details={"seed": 0})
    run = Peaks(notes=("0.1 was left out",), rows="set@1").annotate(said)
    assert run.notes == ("before", "0.1 was left out")
    assert run.details == {"seed": 0, "transcoders": "set@1"}
    not_run = Peaks(notes=("why",), broke="why").annotate(said)
    assert not_run.notes == ("before", NOT_RUN_AGAIN, "why")
    assert not_run.details == {"unfinished": "why", "seed": 0}


def test_of_what_was_not_said_it_is_not_told_that_no_peak_was_run():
    declined = FeatureVerbalization.decline(FIRST, "example", "lost")
    assert Peaks().annotate(declined) == declined


def test_of_a_feature_that_is_gone_that_is_the_reason():
    declined = FeatureVerbalization.decline(FIRST, "example", "no place", pair="a-pair")
    told = Peaks(gone="no peak holds: off", rows="set@1").annotate(declined)
    assert told.unavailable == "not available: no peak holds: off"
    assert (told.pair, told.notes) == ("a-pair", ())


def test_what_broke_first_is_what_is_told():
    said = make_said(details={"unfinished": "the critic is gone"})
    assert Peaks(broke="why").annotate(said).details["unfinished"] == "the critic is gone"
