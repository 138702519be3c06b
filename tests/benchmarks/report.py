"""The report on a graph of many features: how long it takes, how large it is, how soon it opens.

Copies of the bundled graphs' real features, with their real examples, fill one graph, with links at
random between them and supernodes over a tenth of them. Beside making the report stands parsing its
graph, and beside opening it opening a page of as many bytes that are all text. Reading examples is
timed on the sample, whose features are read from disk.

    python -m tests.benchmarks.report [FEATURES] [LINKS]
"""

import html
import json
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from playwright.sync_api import Browser, sync_playwright

from clerp.config import resolve_settings
from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.graph import read_graph
from clerp.progress import ignore_progress
from clerp.report.html.recorded import RecordedGraph, read_recorded
from clerp.report.html.writing import write_report
from clerp.report_command import read_labelled

SAMPLE = Path(__file__).parents[2] / "graphs" / "smollm2-135m"
GRAPHS = ("capital-of-france", "counting-to-six", "east-and-west", "man-in-the-mirror")
N_FEATURES, N_LINKS = 2_000, 200_000
N_GROUPS = 20
N_OPENED = 5
# Copies are numbered beyond all features of the sample's layers.
_APART = 100_000

Document = dict[str, Any]
Made = TypeVar("Made")


def main() -> None:
    n_features, n_links = (*map(int, sys.argv[1:]), *(N_FEATURES, N_LINKS)[len(sys.argv) - 1 :])
    with TemporaryDirectory() as folder:
        measure(Path(folder), n_features, n_links)


def measure(folder: Path, n_features: int, n_links: int) -> None:
    paths = label_sample(folder)
    settings = resolve_settings({"features": str(SAMPLE / "features")}).settings
    sample, _ = take(
        "read the sample, with examples", lambda: read_labelled(paths, settings, ignore_progress)
    )
    n_read = len({outcome.feature for one in sample for outcome in one.outcomes})
    print(f"features of the sample: {n_read:,}")
    document, known = fill(sample, n_features, n_links)
    graph, report = folder / "graph.json", folder / "report.html"
    graph.write_text(json.dumps(document))
    print(f"{n_features:,} features, {n_links:,} links, {graph.stat().st_size / 1e6:,.1f} MB")
    floor = take("parse the graph", lambda: json.loads(graph.read_bytes()))[1]
    recorded, _ = take("read it", lambda: read_recorded(read_graph(graph)), floor)
    filled = replace(recorded, known=known)
    take("write the report", lambda: write_report([filled], report), floor)
    size = report.stat().st_size
    print(f"report: {size / 1e6:.2f} MB, {size / n_features:,.0f} bytes a feature")
    print(f"memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB at most")
    plain = folder / "plain.html"
    plain.write_text(f"<!doctype html><pre>{html.escape(report.read_text('utf-8'))}</pre>")
    with opened_browser() as browser:
        pause = min(open_page(browser, plain) for _ in range(N_OPENED))
        shown = min(open_page(browser, report) for _ in range(N_OPENED))
        print(f"open it: {shown:.2f} s, {shown / pause:.1f} times as long as plain text")
        print(f"sort it: {sort_page(browser, report):.2f} s")


def take(what: str, make: Callable[[], Made], floor: float = 0.0) -> tuple[Made, float]:
    started = time.perf_counter()
    made = make()
    taken = time.perf_counter() - started
    ratio = f", {taken / floor:.1f} times as long as parsing" if floor else ""
    print(f"{what}: {taken:.2f} s{ratio}")
    return made, taken


def label_sample(folder: Path) -> list[Path]:
    subprocess.run(
        [
            *(Path(sys.executable).with_name("clerp"), "label", "--rows", "0"),
            *(SAMPLE / f"{name}.json" for name in GRAPHS),
            *("--out", f"{folder}/", "--ledger", folder / "clerp.db"),
        ],
        check=True,
        capture_output=True,
    )
    return [folder / f"{name}.labeled.json" for name in GRAPHS]


def fill(
    sample: list[RecordedGraph], n_features: int, n_links: int
) -> tuple[Document, dict[FeatureId, FeatureEvidence]]:
    """Build a graph of copies of the sample's features, and their evidence."""
    rng = random.Random(0)
    nodes: list[Document] = []
    records: Document = {}
    known: dict[FeatureId, FeatureEvidence] = {}
    for number, (one, feature) in zip(range(n_features), _list_endlessly(sample), strict=False):
        copy = FeatureId(feature.layer, _APART + number)
        place = one.graph.nodes_of(feature)[0].place.key
        nodes.append(
            {
                **one.graph.document["nodes"][place],
                "node_id": f"{copy.layer}_{copy.index}_1",
                "ctx_idx": 1,
                "influence": (number + 1) / n_features,
            }
        )
        records[str(copy)] = one.graph.document["metadata"]["clerp"]["features"][str(feature)]
        known[copy] = replace(one.known[feature], feature=copy)
    document = sample[0].graph.document
    metadata = document["metadata"]
    ids = [node["node_id"] for node in nodes]
    size = n_features // (10 * N_GROUPS)
    groups = [[f"group {n}", *ids[n * size : (n + 1) * size]] for n in range(N_GROUPS)]
    links = [
        {"source": rng.choice(ids), "target": rng.choice(ids), "weight": rng.gauss(0, 1)}
        for _ in range(n_links)
    ]
    return {
        "metadata": {**metadata, "clerp": {**metadata["clerp"], "features": records}},
        "qParams": {**document["qParams"], "supernodes": groups},
        "nodes": nodes,
        "links": links,
    }, known


def _list_endlessly(sample: list[RecordedGraph]) -> Iterator[tuple[RecordedGraph, FeatureId]]:
    while True:
        for one in sample:
            yield from ((one, outcome.feature) for outcome in one.outcomes)


@contextmanager
def opened_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        yield browser
        browser.close()


def open_page(browser: Browser, path: Path) -> float:
    """Return the seconds until a page is drawn."""
    page = browser.new_page()
    started = time.perf_counter()
    page.goto(path.as_uri())
    page.evaluate("new Promise(requestAnimationFrame)")
    taken = time.perf_counter() - started
    page.close()
    return taken


def sort_page(browser: Browser, path: Path) -> float:
    page = browser.new_page()
    page.goto(path.as_uri())
    started = time.perf_counter()
    page.locator("table.features thead").get_by_role("button", name="reason").click()
    page.evaluate("new Promise(requestAnimationFrame)")
    taken = time.perf_counter() - started
    page.close()
    return taken


if __name__ == "__main__":
    main()
