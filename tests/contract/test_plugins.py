"""Every plugin that is installed, held to the contract of its kind."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from tests.fake_llm import GOOD_ANSWER, FakeLlm, chat, run_fake_llm

from clerp.evidence import FeatureEvidence
from clerp.graph import read_graph
from clerp.plugins import Registered, find, list_registered
from clerp.router import MIN_EXAMPLES, Side
from clerp.testing import check_labeler, check_registered, make_request

GRAPHS = Path(__file__).parents[2] / "graphs" / "smollm2-135m"
FRANCE = read_graph(GRAPHS / "capital-of-france.json")
SOME_FEATURES = FRANCE.features[::40]

# What a plugin needs beyond its name: the argument after the colon, and what its check is given.
ARGUMENTS = {
    ("sources", "folder"): str(GRAPHS / "features"),
    ("labelers", "litellm"): "openai/gpt-4o-mini",
}
GIVEN: dict[tuple[str, str], dict[str, Any]] = {
    ("sources", "folder"): {"features": SOME_FEATURES},
}


@pytest.fixture(autouse=True)
def fake_provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLlm]:
    with run_fake_llm() as fake:
        monkeypatch.setenv("OPENAI_API_BASE", fake.address)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        fake.answers(*[chat({**GOOD_ANSWER, "evidence": ["0.0"]})] * 200)
        yield fake


@pytest.mark.parametrize("plugin", list_registered(), ids=lambda p: f"{p.kind}-{p.name}")
def test_it_keeps_the_contract(plugin: Registered) -> None:
    key = (plugin.kind, plugin.name)
    argument = f":{ARGUMENTS[key]}" if key in ARGUMENTS else ""
    check_registered(plugin.kind, f"{plugin.name}{argument}", **GIVEN.get(key, {}))


def test_the_labeler_of_tier_1_keeps_the_contract_on_real_features() -> None:
    evidence = [
        item
        for item in find("sources", f"folder:{GRAPHS / 'features'}").read(SOME_FEATURES)
        if isinstance(item, FeatureEvidence) and len(item.top) >= MIN_EXAMPLES
    ]
    requests = [
        make_request(known, role, logit_edges=FRANCE.logit_edges(known.feature))
        for known in evidence
        for role in get_args(Side)
    ]
    assert len(requests) >= 10

    check_labeler(find("labelers", "token-frequency"), requests=requests)
