"""A graph alone, labelled with examples that its own metadata leads to."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.command_line import Outcome, Run, make_runner
from tests.evidence_servers import COMMIT, make_row, serve_hub, serve_neuronpedia
from tests.loopback import Loopback, serve
from tests.tiny_graph import FEATURES, build_records, build_tiny_graph, write_bins, write_graph

pytest.importorskip("clerp_circuit_tracer")
pytest.importorskip("clerp_neuronpedia")

CLT = "mntss/clt-gemma-2-2b-2.5M"
NEURONPEDIA = "neuronpedia:gemma-2-2b/clt-hp"


class Place:
    """A graph without examples beside it, and servers that may have some."""

    def __init__(self, folder: Path, run: Run, hub: Loopback, neuronpedia: Loopback) -> None:
        self.folder = folder
        self.graph = folder / "graph.json"
        self.out = folder / "out.json"
        self.hub = hub
        self.neuronpedia = neuronpedia
        self._run = run

    def write_graph(self, **metadata: Any) -> None:
        document = build_tiny_graph()
        document["metadata"].update(metadata)
        write_graph(self.graph, document)

    def label(self, *flags: str) -> Outcome:
        ledger = self.folder / "clerp.db"
        return self._run("label", self.graph, "--out", self.out, "--ledger", ledger, *flags)

    @property
    def record(self) -> dict[str, Any]:
        return json.loads(self.out.read_text())["metadata"]["clerp"]


@pytest.fixture
def place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    monkeypatch.setenv("CLERP_CACHE", str(tmp_path / "cache"))
    with serve() as hub, serve() as neuronpedia:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setenv("NEURONPEDIA_URL", neuronpedia.address)
        yield Place(tmp_path, make_runner(capsys, monkeypatch), hub, neuronpedia)


def make_rows() -> list[dict[str, Any]]:
    return [
        make_row(feature, record, "gemma-2-2b", "clt-hp", f"feature {feature}", "something")
        for feature, record in build_records().items()
    ]


def test_the_scan_leads_to_the_hub_whose_commit_is_on_record(place: Place) -> None:
    place.write_graph(scan="owner/clt")
    place.hub.answer = serve_hub(write_bins(place.folder / "hub", build_records()), "owner/clt")

    outcome = place.label()

    assert outcome.code == 0, outcome
    assert "huggingface:owner/clt, because metadata.scan is owner/clt" in outcome.err
    assert place.record["source"] == f"huggingface:owner/clt@{COMMIT}"
    assert {f["status"] for f in place.record["features"].values()} == {"labeled"}


def test_offline_the_same_bytes_come_from_the_cache(place: Place) -> None:
    place.write_graph(scan="owner/clt")
    place.hub.answer = serve_hub(write_bins(place.folder / "hub", build_records()))
    place.label()
    written, n_asked = place.out.read_bytes(), len(place.hub.requests)

    outcome = place.label("--offline")

    assert outcome.code == 0, outcome
    assert "the cache of huggingface:owner/clt" in outcome.err
    assert place.out.read_bytes() == written
    assert len(place.hub.requests) == n_asked


def test_where_the_hub_has_none_neuronpedia_is_asked_and_its_labels_stay_its_own(
    place: Place,
) -> None:
    place.write_graph(scan=CLT)
    place.neuronpedia.answer = serve_neuronpedia(make_rows())

    outcome = place.label()

    assert outcome.code == 0, outcome
    hub, neuronpedia = outcome.err.index(f"huggingface:{CLT}"), outcome.err.index(NEURONPEDIA)
    assert hub < neuronpedia
    assert place.record["source"] == NEURONPEDIA
    assert len(place.neuronpedia.requests) == 1
    assert "others say" in outcome.out
    for written, feature in place.record["features"].items():
        assert [c["text"] for c in feature["candidates"]] == [f"feature {written}", "something"]
        assert feature["label"] not in ("", f"feature {written}", "something")


def test_neuronpedias_own_metadata_is_asked_before_anything_else(place: Place) -> None:
    place.write_graph(scan="gemma-2-2b", info={"neuronpedia_source_set": "clt-hp"})
    place.neuronpedia.answer = serve_neuronpedia(make_rows())

    assert place.label().code == 0
    assert place.record["source"] == NEURONPEDIA
    assert place.hub.requests == []


@pytest.mark.parametrize("flag", ["neuronpedia:gemma-2-2b/clt-hp", "huggingface:owner/clt@v1"])
def test_a_source_that_is_asked_for_is_the_only_one(place: Place, flag: str) -> None:
    place.write_graph(scan="another/clt")
    place.hub.answer = serve_hub(write_bins(place.folder / "hub", build_records()))
    place.neuronpedia.answer = serve_neuronpedia(make_rows())

    assert place.label("--features", flag).code == 0
    asked = place.hub if flag.startswith("hugging") else place.neuronpedia
    other = place.neuronpedia if asked is place.hub else place.hub
    assert asked.requests
    assert other.requests == []


def test_a_feature_that_the_source_lacks_waits_and_says_why(place: Place) -> None:
    place.write_graph(scan="gemma-2-2b", info={"neuronpedia_source_set": "clt-hp"})
    place.neuronpedia.answer = serve_neuronpedia(make_rows()[1:])

    assert place.label().code == 0
    lacking = place.record["features"][str(FEATURES[0])]
    assert lacking["status"] == "needs_review"
    assert "Neuronpedia" in lacking["reason"]


def test_nowhere_any_examples_is_one_line_with_all_that_was_tried(place: Place) -> None:
    place.write_graph(scan=CLT)
    place.neuronpedia.answer = serve_neuronpedia([])

    outcome = place.label()

    assert outcome.code == 1
    last = outcome.err.splitlines()[-1]
    for part in (str(place.folder / "features"), f"huggingface:{CLT}", NEURONPEDIA, "--features"):
        assert part in last
    assert not place.out.exists()


def test_a_server_that_is_down_is_exit_2_and_nothing_is_written(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    place.write_graph(scan="owner/clt")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")

    outcome = place.label()

    assert outcome.code == 2
    assert "Traceback" not in outcome.err
    assert not place.out.exists()
    assert place.neuronpedia.requests == []


def test_offline_without_a_cache_nobody_is_asked(place: Place) -> None:
    place.write_graph(scan=CLT)

    outcome = place.label("--offline")

    assert outcome.code == 1
    assert "without --offline" in outcome.err.splitlines()[-1]
    assert place.hub.requests == place.neuronpedia.requests == []
