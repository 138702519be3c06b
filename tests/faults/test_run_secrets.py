"""A key that the server gives back, wherever one can be put, gets no further."""

import logging
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.command_line import Outcome
from tests.fake_llm import FakeLlm, echo_key, make_request
from tests.faults.figures import Figures
from tests.faults.place import Place

from clerp.errors import LabelerError
from clerp.labelers.llm import open_llm
from clerp.ledger import open_ledger

pytestmark = pytest.mark.slow

Label = Callable[..., Outcome]

CANARY = "sk-canary-0123456789abcdefghij"
LITELLM = ("--llm", "openai/gpt-4o-mini")


@pytest.fixture(autouse=True)
def key(fake: FakeLlm, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLERP_LLM_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, CANARY)
    monkeypatch.setenv("OPENAI_API_BASE", fake.address)


@pytest.mark.parametrize("status", [200, 302, 400, 401, 404, 429, 503])
@pytest.mark.parametrize("flags", [(), LITELLM], ids=["http", "litellm"])
def test_a_key_that_comes_back_is_found_nowhere(
    place: Place,
    fake: FakeLlm,
    label: Label,
    figures: Figures,
    caplog: pytest.LogCaptureFixture,
    flags: tuple[str, ...],
    status: int,
) -> None:
    fake.respond = lambda asked: replace(echo_key(asked, status), latency=0.0)
    with caplog.at_level(logging.DEBUG):
        outcome = label(*flags)
    assert fake.received
    assert {asked.key for asked in fake.received} == {CANARY}
    told = [outcome.out, outcome.err, caplog.text]
    leaks = [path.name for path in list_files(place.folder) if CANARY.encode() in path.read_bytes()]
    leaks += [
        where
        for where, text in zip(("stdout", "stderr", "log"), told, strict=True)
        if CANARY in text
    ]
    figures.note(f"key given back with a {status}", "found nowhere", f"{len(leaks)} places")
    assert not leaks
    assert place.out.exists()


@pytest.mark.parametrize("name", ["http", "litellm"])
@pytest.mark.parametrize("status", [302, 400, 401])
async def test_a_key_that_comes_back_is_in_no_traceback(
    fake: FakeLlm, figures: Figures, name: str, status: int
) -> None:
    fake.respond = lambda asked: replace(echo_key(asked, status), latency=0.0)
    with open_ledger(":memory:") as ledger:
        model = f"http:m@{fake.address}" if name == "http" else LITELLM[1]
        labeler = open_llm(model).with_ledger(ledger)
        with pytest.raises(LabelerError) as failed:
            await labeler.label(make_request())
        await labeler.aclose()
    fault = failed.value
    shown = "".join(traceback.format_exception(fault))
    assert fake.received
    figures.note(f"key given back with a {status}, traceback", "0 times", str(shown.count(CANARY)))
    assert CANARY not in shown + repr(fault) + repr(fault.details)


def list_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
