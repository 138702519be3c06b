"""A run that is written down, and what it said without the pair."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clerp.errors import InputError, NotAvailableError, OutputError, UsageError, VerbalizerError
from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.ledger import open_ledger
from clerp.plugins import PassageVerbalizer, VectorVerbalizer, Verbalizer
from clerp.testing import (
    FakePassageVerbalizer,
    FakeVectorVerbalizer,
    check_registered,
    make_evidence,
)
from clerp.testing.fake_verbalizer import MODEL, WORDS
from clerp.verbalizers import ModelClaim, Passage, Sampling
from clerp.verbalizers.driving import verbalize_features
from clerp.verbalizers.outcome import FeatureVerbalization
from clerp.verbalizers.recording import open_calls
from clerp_nla.backends.recorded import open_recorded, write_recording

CLAIM = ModelClaim(MODEL, "a-set")
PEAK, N_TOKENS = 14, 24


class LengthEmbedder:
    """Counts letters: enough for texts that differ."""

    name = "letters"

    def embed(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        rows = [[text.count(chr(97 + n)) + 0.01 for n in range(26)] for text in texts]
        return np.array(rows, dtype=np.float32).reshape(-1, 26)


def make(index: int) -> FeatureEvidence:
    texts = [[f" {index}.{n}.{place}" for place in range(N_TOKENS)] for n in range(7)]
    for text in texts:
        text[PEAK] = f" {WORDS[index]}"
    return make_evidence(texts, peak=PEAK, feature=FeatureId(2, index))


EVIDENCE = [make(index) for index in range(3)]


async def drive(
    verbalizer: Verbalizer, file: Path | None = None, ledger: str = ":memory:"
) -> dict[FeatureId, FeatureVerbalization]:
    with open_ledger(ledger) as opened:
        async with open_calls(verbalizer, CLAIM, opened) as calls:
            told = await verbalize_features(EVIDENCE, calls, LengthEmbedder())
        if file is not None:
            write_recording(file, calls)
    return told


@pytest.mark.parametrize("fake", [FakeVectorVerbalizer, FakePassageVerbalizer])
async def test_a_recording_says_what_the_pair_said(tmp_path: Path, fake: type[Any]):
    file = tmp_path / "run.jsonl"
    told = await drive(fake(), file)
    assert await drive(open_recorded(str(file))) == told
    assert all(one.is_available for one in told.values())


async def test_a_run_that_asked_nothing_writes_the_same_recording(tmp_path: Path):
    ledger = str(tmp_path / "clerp.db")
    files = [tmp_path / "first.jsonl", tmp_path / "second.jsonl"]
    for file in files:
        await drive(FakeVectorVerbalizer(), file, ledger)
    assert files[0].read_bytes() == files[1].read_bytes()


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


HEAD = {
    "form": "clerp nla recording 1",
    "name": "a",
    "takes": "vectors",
    "pair": {"name": "a", "revision": "r", "base_model": MODEL, "layer": 3, "d_model": 32},
}
LINE = {"key": "k", "method": "nla describe", "parsed": "{}"}


@pytest.mark.parametrize(
    ("lines", "place", "message"),
    [
        ([], "", "is empty"),
        ([HEAD | {"form": "clerp nla recording 2"}], "line 1", "Invalid enum value"),
        ([HEAD | {"more": 1}], "line 1", "unknown field `more`"),
        ([HEAD | {"pair": {}}], "line 1", "missing required field"),
        ([LINE], "line 1", "unknown field|missing required field"),
        ([HEAD, LINE, LINE], "line 3", "two answers with one key"),
        ([HEAD, LINE | {"cost": 1}], "line 2", "unknown field `cost`"),
        ([HEAD, LINE, {"key": 7}], "line 3", "Expected `str`"),
        ([HEAD, "{"], "line 2", "no line of a recording"),
        ([HEAD, "[" * 10_000], "line 2", "no line of a recording"),
        ([HEAD, b"\xff".decode("latin-1")], "line 2", "no line of a recording"),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, lines: list[Any], place: str, message: str):
    file = tmp_path / "run.jsonl"
    written = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    file.write_bytes("".join(f"{line}\n" for line in written).encode("latin-1"))
    with pytest.raises(InputError, match=message) as fault:
        open_recorded(str(file))
    assert fault.value.where.endswith(place)
    assert fault.value.where.startswith(str(file))


def test_a_line_that_is_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("clerp_nla.backends.recorded.MAX_LINE_BYTES", 100)
    file = tmp_path / "run.jsonl"
    file.write_bytes(b"x" * 200)
    with pytest.raises(InputError, match="more than 100 bytes a line"):
        open_recorded(str(file))


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(InputError, match="cannot be read"):
        open_recorded(str(tmp_path / "none.jsonl"))
    with pytest.raises(UsageError, match="takes a file"):
        open_recorded("")


async def test_a_place_that_cannot_be_written_is_told(tmp_path: Path):
    with pytest.raises(OutputError):
        await drive(FakeVectorVerbalizer(), tmp_path / "none" / "run.jsonl")


async def test_an_answer_that_was_changed_is_told(tmp_path: Path):
    file = tmp_path / "run.jsonl"
    await drive(FakeVectorVerbalizer(), file)
    file.write_text(file.read_text().replace('\\"position\\":', '\\"place\\":'))
    told = await drive(open_recorded(str(file)))
    for one in told.values():
        assert "missing required field `position`" in one.unavailable
