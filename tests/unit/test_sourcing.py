from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.pools import make_texts
from tests.unit.graph.conftest import build_graph

from clerp.config import Settings
from clerp.errors import (
    EvidenceError,
    MissingEvidenceError,
    PluginError,
    RemoteError,
    UsageError,
)
from clerp.evidence import EvidenceGap
from clerp.feature import FeatureId
from clerp.graph import read_graph
from clerp.origins import Origin
from clerp.progress import Progress, ignore_progress
from clerp.sourcing import Sourced, choose_origins, read_evidence
from clerp.testing import make_evidence

GRAPH = read_graph(build_graph(n_features=2))
FIRST = Origin("first:a", "metadata.scan is a")
SECOND = Origin("second:b", "metadata.scan is b")

Answer = Callable[[FeatureId], Any]


def answer(feature: FeatureId) -> object:
    return make_evidence(make_texts(), feature=feature)


def lack(feature: FeatureId) -> object:
    return EvidenceGap(feature, "no record")


def failing(error: Exception) -> Answer:
    def fail(_: FeatureId) -> object:
        raise error

    return fail


@dataclass
class FakeSource:
    name: str
    answer: Answer = answer

    def read(self, features: Iterable[FeatureId]) -> Iterator[Any]:
        yield from map(self.answer, features)


@dataclass
class FakeRemote(FakeSource):
    kept: Answer = lack

    def offline(self) -> FakeSource:
        return FakeSource(self.name, self.kept)


@dataclass
class Installed:
    """Stands for the installed sources."""

    sources: dict[str, FakeSource] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def find(self, kind: str, name: str) -> FakeSource:
        assert kind == "sources"
        self.asked.append(name)
        if name not in self.sources:
            raise PluginError(f"there is no source {name!r}", remedy="Run: pip install x")
        return self.sources[name]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Installed:
    made = Installed({"first:a": FakeSource("first:a@1"), "second:b": FakeSource("second:b")})
    monkeypatch.setattr("clerp.sourcing.find", made.find)
    return made


ASKED_FOR = Origin("first:a", "it was asked for", is_certain=True)


def read(*origins: Origin, report: Any = ignore_progress, **settings: Any) -> Sourced:
    return read_evidence(origins, [GRAPH], "a/graph.json", Settings(**settings), report)


def test_the_first_place_that_has_examples_is_taken_and_says_why(installed: Installed):
    sourced = read(FIRST, SECOND)
    assert (sourced.source, sourced.because) == ("first:a@1", "metadata.scan is a")
    assert [item.feature for item in sourced.known] == list(GRAPH.features)
    assert installed.asked == ["first:a"]


@pytest.mark.parametrize("missing", [lack, failing(MissingEvidenceError("no features/ there"))])
def test_a_place_without_any_examples_leads_to_the_next(installed: Installed, missing: Answer):
    installed.sources["first:a"].answer = missing
    assert read(FIRST, SECOND).source == "second:b"


def test_a_source_that_is_not_installed_leads_to_the_next_and_that_is_said(installed: Installed):
    del installed.sources["first:a"]
    told: list[Progress] = []
    assert read(FIRST, SECOND, report=told.append).source == "second:b"
    assert "Run: pip install x" in "\n".join(progress.note for progress in told)


@pytest.mark.parametrize("fault", [RemoteError("is down"), EvidenceError("is broken")])
def test_a_place_that_cannot_be_read_is_never_replaced_by_another(
    installed: Installed, fault: EvidenceError
):
    installed.sources["first:a"].answer = failing(fault)
    with pytest.raises(type(fault)) as raised:
        read(FIRST, SECOND)
    assert raised.value is fault
    assert installed.asked == ["first:a"]


def test_where_no_place_has_examples_all_that_was_tried_is_listed(installed: Installed):
    installed.sources["first:a"].answer = lack
    installed.sources["second:b"].answer = failing(MissingEvidenceError("no such set"))
    with pytest.raises(MissingEvidenceError, match="no activation examples found") as raised:
        read(FIRST, SECOND)
    assert raised.value.where == "a/graph.json"
    for part in (str(Path("a/features")), "first:a: none of the 2", "second:b: no such set"):
        assert part in raised.value.remedy


def test_a_place_that_was_asked_for_speaks_for_itself(installed: Installed):
    installed.sources["first:a"].answer = failing(MissingEvidenceError("no such repository"))
    with pytest.raises(MissingEvidenceError, match="no such repository"):
        read(ASKED_FOR)
    with pytest.raises(PluginError, match="there is no source"):
        read(Origin("third:c", "it was asked for", is_certain=True))


def test_a_source_that_breaks_its_contract_is_never_replaced_by_another(installed: Installed):
    installed.sources["first:a"].answer = lambda feature: feature
    with pytest.raises(PluginError, match="answered FeatureId when asked for"):
        read(FIRST, SECOND)


def test_a_graph_that_leads_nowhere_says_what_to_do(installed: Installed):
    with pytest.raises(MissingEvidenceError) as raised:
        read()
    assert "--features FOLDER" in raised.value.remedy
    assert "clerp collect" in raised.value.remedy


def test_who_is_asked_is_told_before_it_is_asked(installed: Installed):
    told: list[tuple[str, int]] = []

    installed.sources["first:a"].answer = lambda feature: (
        read_one.append(feature) or answer(feature)
    )
    read_one: list[FeatureId] = []

    def report(progress: Progress) -> None:
        if progress.note:
            told.append((progress.note, len(read_one)))

    read(FIRST, report=report)
    assert told == [("Activation examples: first:a, because metadata.scan is a", 0)]


def test_that_a_place_has_none_is_told_before_the_next_is_asked(installed: Installed):
    installed.sources["first:a"].answer = failing(MissingEvidenceError("no features/ there"))
    told: list[str] = []
    read(FIRST, SECOND, report=lambda progress: told.append(progress.note))
    assert [note for note in told if note] == [
        "Activation examples: first:a, because metadata.scan is a",
        "first:a: no features/ there",
        "Activation examples: second:b, because metadata.scan is b",
    ]


@pytest.mark.parametrize(("is_certain", "n_notes"), [(True, 0), (False, 1)])
def test_a_folder_is_worth_a_note_where_the_graph_led_to_it(
    installed: Installed, is_certain: bool, n_notes: int
):
    installed.sources["folder:x"] = FakeSource("folder")
    told: list[Progress] = []
    read(Origin("folder:x", "metadata.scan is x", is_certain), report=told.append)
    assert sum(bool(progress.note) for progress in told) == n_notes


def test_a_folder_beside_the_graph_is_never_replaced_by_another_place(installed: Installed):
    installed.sources["folder:x"] = FakeSource("folder", lack)
    beside = Origin("folder:x", "it lies beside the graph", is_certain=True)
    with pytest.raises(MissingEvidenceError, match="none of the 2 features"):
        read(beside, SECOND)


def test_a_place_that_the_graph_names_wrongly_leads_to_the_next(installed: Installed):
    def refuse(kind: str, name: str) -> FakeSource:
        if name == "first:a":
            raise UsageError("'a' is no source set")
        return installed.sources[name]

    told: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clerp.sourcing.find", refuse)
        found = read(FIRST, SECOND, report=lambda progress: told.append(progress.note))
        assert found.source == "second:b"
        assert "first:a: 'a' is no source set" in told
        with pytest.raises(UsageError):
            read(ASKED_FOR)


def test_offline_a_remote_source_answers_from_what_it_kept(installed: Installed):
    remote = FakeRemote("first:a@1", failing(RemoteError("asked the network")), kept=answer)
    installed.sources["first:a"] = remote
    assert read(FIRST, offline=True).source == "first:a@1"


def test_offline_where_nothing_was_kept_the_way_out_is_told(installed: Installed):
    for name in ("first:a", "second:b"):
        installed.sources[name] = FakeRemote(name, failing(RemoteError("asked the network")))
    with pytest.raises(MissingEvidenceError) as raised:
        read(FIRST, SECOND, offline=True)
    assert "without --offline" in raised.value.remedy


def test_what_is_asked_for_comes_alone_then_what_lies_beside_then_what_the_graph_names(
    tmp_path: Path,
):
    graph = read_graph(build_graph() | {"metadata": {"slug": "x", "scan": "owner/clt"}})
    path = tmp_path / "graph.json"

    def choose(**settings: Any) -> list[str]:
        return [origin.source for origin in choose_origins(path, graph, Settings(**settings))]

    assert choose(features="neuronpedia:m/s") == ["neuronpedia:m/s"]
    assert choose(features="some/folder") == ["folder:some/folder"]
    assert choose() == ["huggingface:owner/clt"]
    assert choose(transcoder_sets={"owner/clt": ["folder:mine"]}) == ["folder:mine"]
    assert choose(transcoder_sets={"owner/clt@v1": ["/data/mine"]}) == ["folder:/data/mine"]
    (tmp_path / "features").mkdir()
    assert choose() == [f"folder:{tmp_path / 'features'}"]
    assert choose_origins({}, graph, Settings())[0].source == "huggingface:owner/clt"
