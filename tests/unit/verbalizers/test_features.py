"""What is known of features of a transcoder set is in the ledger, under what they are made of."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.rerunning import OFF, RerunningVerbalizer
from tests.unit.verbalizers.recorded_calls import make_claim, record

from clerp.errors import InputError, LedgerError, PluginError, UsageError, VerbalizerError
from clerp.feature import FeatureId
from clerp.ledger import Ledger, open_ledger
from clerp.testing import FakePassageVerbalizer, FakeVectorVerbalizer
from clerp.verbalizers import Extraction, FoundFeatures, Missed, Passage
from clerp.verbalizers import found as recorded
from clerp.verbalizers.answers import MOST_FAULTS
from clerp.verbalizers.features import forget_folder
from clerp.verbalizers.recording import RecordedCalls
from clerp.verbalizers.stored import Storage

FIRST, SECOND = FeatureId(2, 7), FeatureId(2, 8)
PASSAGES = [Passage(f"0.{n}", f"text {n} rain", " rain", 2.0) for n in range(4)]
SET = "org/set"


async def confirm(
    calls: RecordedCalls,
    passages: Sequence[Passage] = PASSAGES,
    place: str = SET,
    feature: FeatureId = FIRST,
) -> list[Any]:
    async with calls.open_features(place, [FIRST, SECOND]) as opened:
        return await opened.confirm(feature, passages)


async def sum_rows(calls: RecordedCalls, feature: FeatureId = FIRST) -> Any:
    async with calls.open_features(SET, [FIRST, SECOND]) as opened:
        return await opened.sum_rows(feature)


async def test_each_passage_holds_or_says_why_not(ledger: Ledger):
    found = await confirm(record(RerunningVerbalizer(off=["0.1"]), ledger))
    assert found == [PASSAGES[0], Missed(PASSAGES[1], OFF), *PASSAGES[2:]]


async def test_a_second_run_runs_nothing_and_offline_not_even_opens_it(ledger: Ledger):
    told = await confirm(record(RerunningVerbalizer(off=["0.1"]), ledger))
    again, silent = RerunningVerbalizer(), RerunningVerbalizer()
    assert await confirm(record(again, ledger)) == told
    assert (again.asked, again.opened) == ([], [SET])
    assert await confirm(record(silent, ledger, may_ask=False)) == told
    assert (silent.asked, silent.opened) == ([], [])


async def test_the_same_rows_elsewhere_are_the_same_features(ledger: Ledger, tmp_path: Path):
    told = await confirm(record(RerunningVerbalizer(off=["0.1"]), ledger))
    fake = RerunningVerbalizer()
    folder = tmp_path / "ada" / "set"
    folder.mkdir(parents=True)
    assert await confirm(record(fake, ledger), place=str(folder)) == told
    assert (fake.asked, fake.opened) == ([], [str(folder)])
    # Of the folder the name alone is known.
    assert await confirm(record(fake, ledger, may_ask=False), place="/elsewhere/set") == told


async def test_where_features_are_the_ledger_does_not_say(ledger: Ledger, tmp_path: Path):
    folder = tmp_path / "ada-lovelace" / "set"
    folder.mkdir(parents=True)
    calls = record(RerunningVerbalizer(off=["0.1"]), ledger)
    async with calls.open_features(str(folder), [FIRST]) as opened:
        await opened.confirm(FIRST, PASSAGES)
        assert opened.describe(FIRST) == f"set@{'1' * 12}"
        assert opened.describe(SECOND) == ""
    kept = calls.answers.used
    assert Storage(calls.pair).make_names_key("set", 0) in kept
    assert len(kept) == len(PASSAGES) + 1
    assert "lovelace" not in repr(kept)


@pytest.mark.parametrize(
    "change", [{"text": "more rain"}, {"token": "rain"}, {"activation": 2.5}], ids=str
)
async def test_another_place_or_activation_is_another_question(
    ledger: Ledger, change: dict[str, Any]
):
    fake = RerunningVerbalizer()
    calls = record(fake, ledger)
    one = PASSAGES[0]
    for passage in (one, replace(one, **change), replace(one, id="7.7")):
        await confirm(calls, [passage])
    assert fake.asked == ["confirm 2_7 1"] * 2


async def test_other_rows_another_feature_and_another_pair_are_other_questions(ledger: Ledger):
    fake = RerunningVerbalizer()
    calls = record(fake, ledger)
    await confirm(calls)
    await confirm(calls, feature=SECOND)
    await confirm(replace(calls, pair=replace(calls.pair, revision="f" * 40)))
    fake.revision = "2" * 64
    await confirm(calls)
    assert len(fake.asked) == 4


async def test_where_one_name_stood_for_several_rows_nobody_knows_which_are_meant(ledger: Ledger):
    for revision in "12":
        await confirm(record(RerunningVerbalizer(revision=revision * 64), ledger))
    found = await confirm(record(RerunningVerbalizer(), ledger, may_ask=False))
    assert all(isinstance(one, VerbalizerError) for one in found)


async def test_what_was_found_of_some_features_stays_beside_others(ledger: Ledger):
    for feature in (FIRST, SECOND):
        calls = record(RerunningVerbalizer(), ledger)
        async with calls.open_features(SET, [feature]) as opened:
            await opened.confirm(feature, PASSAGES)
    for feature in (FIRST, SECOND):
        calls = record(RerunningVerbalizer(), ledger, may_ask=False)
        assert await confirm(calls, feature=feature) == PASSAGES


async def test_of_two_runs_at_once_that_find_other_rows_both_are_kept(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    list_found = recorded._list_found
    others = [FoundFeatures(SET, {FIRST: "of another run"}, {})]

    def look_and_be_late(*given: Any) -> Any:
        known = list_found(*given)
        while others:
            storage = Storage(given[0])
            key = storage.make_names_key(given[2], len(known))
            ledger.record_answer(storage.keep_found(key, others.pop()))
        return known

    monkeypatch.setattr(recorded, "_list_found", look_and_be_late)
    await confirm(record(RerunningVerbalizer(), ledger))
    found = await confirm(record(RerunningVerbalizer(), ledger, may_ask=False))
    assert all(isinstance(one, VerbalizerError) for one in found)


async def test_transcoders_of_another_graph_are_refused(ledger: Ledger):
    fake = RerunningVerbalizer(set_name="org/another")
    calls = record(fake, ledger)
    with pytest.raises(UsageError) as refused:
        await confirm(calls, place="/sets/mine")
    assert refused.value.what == (
        "these are the transcoders org/another, and the graph was made with org/set"
    )
    assert refused.value.where == "mine"
    assert not calls.answers.used


async def test_a_repository_of_another_name_is_not_even_opened(ledger: Ledger):
    fake = RerunningVerbalizer()
    with pytest.raises(UsageError, match="these are the transcoders org/another"):
        await confirm(record(fake, ledger), place="org/another")
    assert fake.opened == []


async def test_what_was_found_of_another_set_answers_for_no_graph_but_its_own(ledger: Ledger):
    for feature, name in ((FIRST, "org/set"), (SECOND, "org/another")):
        fake = RerunningVerbalizer(set_name=name)
        calls = record(fake, ledger, make_claim(name))
        async with calls.open_features("/sets/mine", [feature]) as opened:
            await opened.confirm(feature, PASSAGES)
    silent = record(RerunningVerbalizer(), ledger, may_ask=False)
    assert await confirm(silent, place="/sets/mine") == PASSAGES
    [found, *_] = await confirm(silent, place="/sets/mine", feature=SECOND)
    assert "not in the ledger" in str(found)
    # A graph that does not name its transcoders may mean either.
    silent = record(RerunningVerbalizer(), ledger, make_claim(""), may_ask=False)
    [found, *_] = await confirm(silent, place="/sets/mine")
    assert "not in the ledger" in str(found)


async def test_a_set_that_is_given_a_name_later_is_the_same_by_its_rows(ledger: Ledger):
    for name in ("", "org/set"):
        await confirm(record(RerunningVerbalizer(set_name=name), ledger))
    calls = record(RerunningVerbalizer(), ledger, may_ask=False)
    async with calls.open_features(SET, [FIRST]) as opened:
        assert opened.note == ""
        assert await opened.confirm(FIRST, PASSAGES) == PASSAGES


@pytest.mark.parametrize(
    ("graph", "given", "said"),
    [
        (SET, SET, []),
        (f"{SET}@1f", f"{SET}@1f", []),
        ("mine", "mine", []),
        ("", SET, ["the graph does not name its own", "these call themselves 'org/set'"]),
        (SET, "", ["the graph calls its own 'org/set'", "what these are called is not known"]),
        ("mine", "/home/ada/mine", ["its own 'mine'", "what these are called is not known"]),
        (f"{SET}@1f", f"{SET}@2e", ["its own 'org/set@1f'", "themselves 'org/set@2e'"]),
    ],
)
@pytest.mark.parametrize("may_ask", [True, False])
async def test_where_nobody_knows_whose_transcoders_these_are_it_is_noted(
    ledger: Ledger, graph: str, given: str, said: list[str], may_ask: bool
):
    fake, claim = RerunningVerbalizer(set_name=given), make_claim(graph)
    async with record(fake, ledger, claim).open_features("/sets/mine", [FIRST]):
        pass
    calls = record(fake, ledger, claim, may_ask=may_ask)
    async with calls.open_features("/sets/mine", [FIRST]) as opened:
        assert [part in opened.note for part in said] == [True] * len(said)
        assert bool(opened.note) == bool(said)
        assert "ada" not in opened.note


@pytest.mark.parametrize(
    "name", ["my  set", "my\u00a0set", "my set\n", "s" * 501, "  ", "\udcff", "/sets/My  Set"]
)
async def test_a_set_of_whatever_name_is_recorded_once(ledger: Ledger, name: str):
    claim = make_claim("")
    for _ in range(2):
        calls = record(RerunningVerbalizer(set_name=name, lacks=[SECOND]), ledger, claim)
        await confirm(calls, place="/sets/mine")
        kept = [a for a in calls.answers.used.values() if a.method.endswith("features")]
        assert len(kept) == 1


async def test_what_a_set_lacks_is_known_offline_too(ledger: Ledger):
    told = {}
    for may_ask in (True, False):
        calls = record(RerunningVerbalizer(lacks=[SECOND]), ledger, may_ask=may_ask)
        told[may_ask] = [*await confirm(calls, feature=SECOND), await sum_rows(calls, SECOND)]
    assert str(told[True]) == str(told[False])
    assert told[True][-1] == "2_8 is outside the set"
    # Under the same name a set that has it may lie elsewhere.
    await confirm(record(RerunningVerbalizer(), ledger))
    calls = record(RerunningVerbalizer(), ledger, may_ask=False)
    [found, *_] = await confirm(calls, feature=SECOND)
    assert "not in the ledger" in str(found)


async def test_without_a_record_nothing_is_known_offline(ledger: Ledger):
    fake = RerunningVerbalizer(rows={FIRST: np.ones(32, np.float32)})
    calls = record(fake, ledger, may_ask=False)
    for one in (*await confirm(calls), await sum_rows(calls)):
        assert isinstance(one, VerbalizerError)
        assert "not in the ledger" in str(one)
    assert fake.asked == []


async def test_a_feature_that_the_set_lacks_is_told_of(ledger: Ledger):
    fake = RerunningVerbalizer(lacks=[SECOND])
    found = await confirm(record(fake, ledger), feature=SECOND)
    assert [str(one) for one in found] == ["2_8 is outside the set"] * len(PASSAGES)
    assert all(isinstance(one, VerbalizerError) for one in found)
    # It writes nothing, which no other run will mend.
    assert await sum_rows(record(fake, ledger), SECOND) == "2_8 is outside the set"
    assert fake.asked == []


async def test_what_a_feature_writes_is_recorded(ledger: Ledger):
    written = np.arange(32, dtype=np.float32)
    fake = RerunningVerbalizer(rows={FIRST: written, SECOND: "it writes later"})
    silent = RerunningVerbalizer()
    for calls in (record(fake, ledger), record(silent, ledger, may_ask=False)):
        assert np.array_equal(await sum_rows(calls), written)
        assert await sum_rows(calls, SECOND) == "it writes later"
    assert fake.asked == ["sum_rows 2_7", "sum_rows 2_8"]
    assert silent.asked == []


async def test_one_passage_that_breaks_takes_no_other_with_it(ledger: Ledger):
    fake = RerunningVerbalizer(breaks_at=["0.2"])
    found = await confirm(record(fake, ledger))
    assert [found[0], found[1], found[3]] == [PASSAGES[0], PASSAGES[1], PASSAGES[3]]
    assert str(found[2]) == "the verbalizer broke: RuntimeError: no memory"
    fake.breaks_at = ()
    fake.asked.clear()
    assert await confirm(record(fake, ledger)) == PASSAGES
    assert fake.asked == ["confirm 2_7 1"]


async def test_a_fault_says_what_and_what_to_do(ledger: Ledger):
    fault = InputError("the file is cut off", where="/home/ada/rows", remedy="Fetch it again")
    fake = RerunningVerbalizer(breaks_at=["rows"], run_fault=fault)
    found = await sum_rows(record(fake, ledger))
    assert isinstance(found, VerbalizerError)
    assert (found.what, found.remedy) == ("the file is cut off", "Fetch it again")


async def test_features_that_cannot_be_run_take_no_residual_with_them(ledger: Ledger):
    passages = [replace(PASSAGES[0], id=f"0.{n}", text=f"{n} rain") for n in range(MOST_FAULTS + 3)]
    fake = RerunningVerbalizer(breaks_at=[one.id for one in passages])
    calls = record(fake, ledger)
    found = await confirm(calls, passages)
    assert all(isinstance(one, VerbalizerError) for one in found)
    assert len(fake.asked) == 1 + MOST_FAULTS
    [residual] = await calls.extract(passages[:1])
    assert isinstance(residual, Extraction)


@pytest.mark.parametrize(
    "fault",
    [
        UsageError("no such set"),
        InputError("cut off"),
        PluginError("not installed"),
        VerbalizerError("out of memory"),
    ],
)
async def test_a_set_that_cannot_be_opened_says_why(ledger: Ledger, fault: Exception):
    calls = record(RerunningVerbalizer(open_fault=fault), ledger)
    with pytest.raises(type(fault), match=str(fault)):
        await confirm(calls)


async def test_whatever_breaks_while_a_set_is_opened_can_be_said(ledger: Ledger):
    calls = record(RerunningVerbalizer(open_fault=ZeroDivisionError("by zero")), ledger)
    with pytest.raises(VerbalizerError, match="broke: ZeroDivisionError: by zero"):
        await confirm(calls)


async def test_a_ledger_that_fails_is_no_fault_of_a_feature():
    with open_ledger(":memory:") as ledger:
        calls = record(RerunningVerbalizer(), ledger)
    with pytest.raises(LedgerError):
        await confirm(calls)


@pytest.mark.parametrize("parsed", ["{}", "[", '{"holds": 1, "reason": ""}'])
async def test_a_damaged_record_is_no_answer(ledger: Ledger, parsed: str):
    calls = record(RerunningVerbalizer(), ledger)
    storage = Storage(calls.pair)
    key = storage.make_confirm_key(f"{'1' * 64} {FIRST}", FIRST, PASSAGES[0])
    ledger.record_answer(replace(storage.keep_confirmed(key, PASSAGES[0]), parsed=parsed))
    [found] = await confirm(calls, PASSAGES[:1])
    assert isinstance(found, VerbalizerError)
    assert "cannot be read" in str(found)


@pytest.mark.parametrize("parsed", ["{}", '{"names": {"no feature": "x"}}'])
async def test_a_damaged_record_of_names_is_said(ledger: Ledger, parsed: str):
    calls = record(RerunningVerbalizer(), ledger, may_ask=False)
    storage = Storage(calls.pair)
    kept = storage.keep_found(storage.make_names_key(SET, 0), FoundFeatures(SET, {FIRST: "x"}, {}))
    ledger.record_answer(replace(kept, parsed=parsed))
    with pytest.raises(VerbalizerError, match="cannot be read"):
        await confirm(calls)


@pytest.mark.parametrize(
    ("verbalizer", "can"),
    [
        (RerunningVerbalizer(), True),
        (FakeVectorVerbalizer(), False),
        (FakePassageVerbalizer(), False),
    ],
)
def test_who_can_open_features_is_known(ledger: Ledger, verbalizer: Any, can: bool):
    assert record(verbalizer, ledger).can_open_features is can


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("/home/ada/sets/tiny", "tiny"),
        ("./sets/tiny/", "tiny"),
        ("../tiny", "tiny"),
        ("~/sets/tiny", "tiny"),
        ("org/set//sub@abc", "org/set//sub@abc"),
        ("gemma", "gemma"),
    ],
)
def test_of_a_folder_the_name_is_kept(given: str, kept: str):
    assert forget_folder(given) == kept


def test_a_folder_here_is_told_by_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "sets" / "tiny").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "sets" / "tiny")
    assert forget_folder(".") == "tiny"
    monkeypatch.chdir(tmp_path)
    assert forget_folder("sets/tiny") == "tiny"
