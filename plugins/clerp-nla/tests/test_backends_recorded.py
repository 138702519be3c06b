"""A run that is written down, and what it said without the pair."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clerp.errors import InputError, NotAvailableError, UsageError, VerbalizerError
from clerp.ledger import open_ledger
from clerp.plugins import PassageVerbalizer, VectorVerbalizer
from clerp.testing import FakePassageVerbalizer, FakeVectorVerbalizer, check_registered
from clerp.verbalizers import ModelClaim, Passage, Sampling
from clerp.verbalizers.recording import open_calls
from clerp_nla.backends.recorded import open_recorded
from clerp_nla.backends.recording import write_recording

from .recorded_runs import CLAIM, as_recorded, drive


@pytest.mark.parametrize("fake", [FakeVectorVerbalizer, FakePassageVerbalizer])
async def test_a_recording_says_what_the_pair_said(tmp_path: Path, fake: type[Any]):
    file = tmp_path / "run.jsonl"
    told = await drive(fake(), file)
    again = await drive(open_recorded(str(file)))
    assert again == {feature: as_recorded(one) for feature, one in told.items()}
    assert all(one.is_available for one in told.values())


async def test_what_a_file_says_never_answers_for_the_pair_itself(tmp_path: Path):
    file, ledger = tmp_path / "run.jsonl", str(tmp_path / "clerp.db")
    await drive(FakeVectorVerbalizer(), file)
    await drive(open_recorded(str(file)), ledger=ledger)
    pair = FakeVectorVerbalizer()
    await drive(pair, ledger=ledger)
    assert pair.asked


async def test_a_recording_is_a_verbalizer_of_its_kind(tmp_path: Path):
    file = tmp_path / "run.jsonl"
    await drive(FakeVectorVerbalizer(), file)
    assert isinstance(open_recorded(str(file)), VectorVerbalizer)
    await drive(FakePassageVerbalizer(), file)
    assert isinstance(open_recorded(str(file)), PassageVerbalizer)
    assert open_recorded(str(file)).name == "recorded fake-nla-server"


async def test_it_is_found_as_a_plugin_and_keeps_the_contract(tmp_path: Path):
    file = tmp_path / "run.jsonl"
    fake = FakePassageVerbalizer()
    passage = Passage("0.0", "They swam in the river", " river", 1.0)
    with open_ledger(":memory:") as ledger:
        async with open_calls(fake, CLAIM, ledger) as calls:
            await calls.explain([passage], Sampling(temperature=0.0, max_new_tokens=64))
        write_recording(file, calls)
    name = f"recorded-nla:{file}"
    check_registered("verbalizers", name, claim=CLAIM, passages=[passage])


async def test_another_model_is_not_available(tmp_path: Path):
    file = tmp_path / "run.jsonl"
    await drive(FakeVectorVerbalizer(), file)
    with pytest.raises(NotAvailableError, match="the recording is of fake-2b, and the graph is of"):
        open_recorded(str(file)).check(ModelClaim("gemma-2-2b", ""))


async def test_what_was_not_asked_is_not_on_record(tmp_path: Path):
    file = tmp_path / "run.jsonl"
    await drive(FakeVectorVerbalizer(), file)
    recorded = open_recorded(str(file))
    assert isinstance(recorded, VectorVerbalizer)
    vectors = np.ones((1, 32), dtype=np.float32)
    passage = Passage("0.0", "never seen", " seen", 1.0)
    for asked in (
        recorded.extract([passage]),
        recorded.describe(vectors, Sampling()),
        recorded.compare(["a"], vectors),
        recorded.describe_nothing(Sampling(seed=99)),
    ):
        with pytest.raises(VerbalizerError, match="the recording does not have this"):
            await asked


async def test_passages_that_were_not_asked_about_are_not_on_record(tmp_path: Path):
    file = tmp_path / "run.jsonl"
    await drive(FakePassageVerbalizer(), file)
    recorded = open_recorded(str(file))
    assert isinstance(recorded, PassageVerbalizer)
    with pytest.raises(VerbalizerError, match="does not have this passage"):
        await recorded.explain([Passage("0.0", "never seen", " seen", 1.0)], Sampling())


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="cannot be read"):
        open_recorded(str(tmp_path / "none.jsonl"))
    with pytest.raises(UsageError, match="takes a file"):
        open_recorded("")


async def test_an_answer_that_was_changed_is_told(tmp_path: Path):
    file = tmp_path / "run.jsonl"
    await drive(FakeVectorVerbalizer(), file)
    file.write_text(file.read_text().replace('\\"position\\":', '\\"place\\":'))
    told = await drive(open_recorded(str(file)))
    for one in told.values():
        assert "missing required field `position`" in one.unavailable
