"""Every plugin that is installed, held to the contract of its kind."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

import pytest
from tests.evidence_servers import make_row, serve_hub, serve_neuronpedia, write_export
from tests.fake_llm import GOOD_ANSWER, FakeLlm, chat, run_fake_llm
from tests.loopback import serve
from tests.tiny_graph import build_records
from tests.traced_graphs import change, trace_graph

from clerp.evidence import FeatureEvidence
from clerp.graph import read_graph
from clerp.plugins import Kind, Registered, find, list_registered
from clerp.router import MIN_EXAMPLES, Side
from clerp.testing import check_labeler, check_registered, make_request

GRAPHS = Path(__file__).parents[2] / "graphs" / "smollm2-135m"
FRANCE = read_graph(GRAPHS / "capital-of-france.json")
SOME_FEATURES = FRANCE.features[::40]

RECORDS = build_records()


@dataclass(frozen=True)
class Case:
    """What a plugin needs beyond its name."""

    argument: str = ""
    """What stands after the colon."""
    given: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What its check takes."""


def prepare_litellm(folder: Path) -> Case:
    return Case("openai/gpt-4o-mini")


def prepare_folder(folder: Path) -> Case:
    return Case(str(GRAPHS / "features"), {"features": SOME_FEATURES})


def prepare_hub(folder: Path) -> Case:
    return Case("owner/transcoders", {"features": SOME_FEATURES})


def prepare_neuronpedia(folder: Path) -> Case:
    return Case("model/set", {"features": list(RECORDS)})


def prepare_export(folder: Path) -> Case:
    for feature, record in RECORDS.items():
        write_export(folder / f"{feature.layer}-set", [make_row(feature, record, "model", "set")])
    return Case(str(folder), {"features": list(RECORDS)})


def prepare_saved_graph(folder: Path) -> Case:
    trace_graph(folder / "model").to_pt(str(folder / "traced.pt"))
    (folder / "broken.pt").write_bytes(b"no graph")
    return Case(given={"source": folder / "traced.pt", "unreadable": folder / "broken.pt"})


def prepare_live_graph(folder: Path) -> Case:
    graph = trace_graph(folder / "model")
    return Case(given={"source": graph, "unreadable": change(graph, active_features=None)})


def prepare_grouper(folder: Path) -> Case:
    return Case(given={"graph": FRANCE})


PREPARE: dict[tuple[str, str], Callable[[Path], Case]] = {
    ("groupers", "edges"): prepare_grouper,
    ("groupers", "name"): prepare_grouper,
    ("groupers", "semantic"): prepare_grouper,
    ("labelers", "litellm"): prepare_litellm,
    ("readers", ".pt"): prepare_saved_graph,
    ("readers", "circuit_tracer.graph.Graph"): prepare_live_graph,
    ("sources", "folder"): prepare_folder,
    ("sources", "huggingface"): prepare_hub,
    ("sources", "neuronpedia"): prepare_neuronpedia,
    ("sources", "neuronpedia-export"): prepare_export,
}

NLA_TESTS = Path(__file__).parents[2] / "plugins" / "clerp-nla" / "tests"
ELSEWHERE: dict[tuple[str, str], Path] = {
    ("verbalizers", "nla"): NLA_TESTS / "test_local.py",
    ("verbalizers", "nla-server"): NLA_TESTS / "test_backends_server.py",
    ("verbalizers", "neuronpedia-nla"): NLA_TESTS / "test_backends_neuronpedia.py",
    ("verbalizers", "recorded-nla"): NLA_TESTS / "test_backends_recorded.py",
}
"""Plugins that need servers or models of their own: the tests that hold them to their contract."""


@pytest.fixture(autouse=True)
def fake_provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLlm]:
    with run_fake_llm() as fake:
        monkeypatch.setenv("OPENAI_API_BASE", fake.address)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        fake.answers(*[chat({**GOOD_ANSWER, "evidence": ["0.0"]})] * 200)
        yield fake


@pytest.fixture(autouse=True)
def fake_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CLERP_CACHE", str(tmp_path / "cache"))
    rows = [make_row(feature, record, "model", "set") for feature, record in RECORDS.items()]
    with (
        serve(serve_hub(GRAPHS / "features")) as hub,
        serve(serve_neuronpedia(rows)) as neuronpedia,
    ):
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setenv("NEURONPEDIA_URL", neuronpedia.address)
        yield


PLUGINS = [
    plugin
    for plugin in list_registered()
    if plugin.kind != "commands" and (plugin.kind, plugin.name) not in ELSEWHERE
]


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda p: f"{p.kind}-{p.name}")
def test_it_keeps_the_contract(plugin: Registered, tmp_path: Path) -> None:
    prepare = PREPARE.get((plugin.kind, plugin.name))
    case = prepare(tmp_path / "given") if prepare else Case()
    name = f"{plugin.name}:{case.argument}" if case.argument else plugin.name
    check_registered(cast(Kind, plugin.kind), name, **case.given)


@pytest.mark.parametrize("named", ELSEWHERE, ids="-".join)
def test_what_is_held_to_its_contract_elsewhere_is(named: tuple[str, str]) -> None:
    assert named in {(plugin.kind, plugin.name) for plugin in list_registered()}
    written = ELSEWHERE[named].read_text("utf-8")
    assert re.search(r"^    .*\bcheck_(verbalizer|registered)\(", written, re.MULTILINE)


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
