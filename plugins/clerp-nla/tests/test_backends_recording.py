"""The file that keeps what a pair said."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clerp.errors import InputError, OutputError, VerbalizerError
from clerp.testing import FakePassageVerbalizer, FakeVectorVerbalizer
from clerp.testing.fake_verbalizer import MODEL
from clerp_nla.backends.recording import read_recording

from .recorded_runs import CLAIM, drive

HEAD = {
    "form": "clerp nla recording 1",
    "name": "a",
    "takes": "vectors",
    "pair": {"name": "a", "revision": "r", "base_model": MODEL, "layer": 3, "d_model": 32},
}
LINE = {"key": "k", "method": "nla describe", "parsed": "{}"}


@pytest.mark.parametrize("fake", [FakeVectorVerbalizer, FakePassageVerbalizer])
@pytest.mark.parametrize("ask", [True, False])
async def test_a_run_that_asked_nothing_writes_the_same_recording(
    tmp_path: Path, fake: type[Any], ask: bool
):
    ledger = str(tmp_path / "clerp.db")
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    await drive(fake(), first, ledger)
    again = fake()
    await drive(again, second, ledger, ask=ask)
    assert again.asked == []
    assert first.read_bytes() == second.read_bytes()


async def test_it_holds_the_pair_and_each_answer_once(tmp_path: Path):
    file = tmp_path / "run.jsonl"
    await drive(FakeVectorVerbalizer(), file)
    head, *lines = map(json.loads, file.read_text().splitlines())
    recording = read_recording(file)
    assert head["name"] == recording.head.name == "fake-nla"
    pair = FakeVectorVerbalizer().check(CLAIM)
    assert recording.head.pair == pair
    assert recording.check(CLAIM) == replace(pair, name=f"recorded {pair.name}")
    assert [line["key"] for line in lines] == sorted(recording.answers)
    assert {line["method"] for line in lines} == {
        "nla compare",
        "nla describe",
        "nla extract",
        "nla reference",
    }
    assert "/" not in head["pair"]["name"]


async def test_what_it_does_not_have_is_told_with_the_file(tmp_path: Path):
    file = tmp_path / "run.jsonl"
    await drive(FakeVectorVerbalizer(), file)
    with pytest.raises(VerbalizerError, match="does not have this vector") as fault:
        read_recording(file).find("0" * 64, "vector")
    assert fault.value.where == str(file)


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
        read_recording(file)
    assert fault.value.where.endswith(place)
    assert fault.value.where.startswith(str(file))


@pytest.mark.parametrize("limit", ["MAX_LINE_BYTES", "MAX_BYTES"])
def test_a_line_that_is_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
):
    monkeypatch.setattr(f"clerp_nla.backends.recording.{limit}", 100)
    file = tmp_path / "run.jsonl"
    file.write_bytes(b"x" * 200)
    with pytest.raises(InputError, match=r"more than .*100") as fault:
        read_recording(file)
    assert fault.value.where == f"{file}, line 1"


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    file = tmp_path / "none.jsonl"
    with pytest.raises(InputError, match="cannot be read") as fault:
        read_recording(file)
    assert fault.value.where == str(file)


async def test_a_place_that_cannot_be_written_is_told(tmp_path: Path):
    with pytest.raises(OutputError):
        await drive(FakeVectorVerbalizer(), tmp_path / "none" / "run.jsonl")
