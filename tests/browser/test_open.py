"""Graphs in circuit-tracer's own page as `clerp open` serves it: nothing is intercepted."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Locator, Page, Request, expect
from tests.browser.frontend import Frontend, serve_frontend
from tests.browser.hub import Hub
from tests.browser.review_page import OUTPUT
from tests.opened_graph import OpenedSite, serve_opened
from tests.unit.graph.conftest import build_graph

from clerp.graph import AttributionGraph, NodeAnnotation, annotate, read_graph, write_document
from clerp.graph.viewer_settings import read_pins, read_supernodes
from clerp.local_page.entry import announce
from clerp.targets import find_target

BUNDLED = Path(__file__).parents[2] / "graphs" / "smollm2-135m"
BUNDLED_GRAPHS = sorted(
    path.stem for path in BUNDLED.glob("*.json") if '"nodes"' in path.read_text("utf-8")
)
DATA = Path(os.environ.get("CLERP_TEST_DATA", "/nonexistent")) / "real-graphs"
REAL_GRAPHS = sorted(path.stem for path in DATA.glob("*.json"))
NAMES = ("say Paris", "Dallas & Texas", 'a "quoted" #1 + 50% <b>', "capital · première 🇫🇷")
"""Of supernodes; people write anything."""

_CENTRE_OF_NODE = """(id) => {
  const shown = [...document.querySelectorAll(".link-graph text.node")];
  const place = shown.find((node) => node.__data__.nodeId === id).getScreenCTM();
  return { x: place.e, y: place.f };
}"""
_NODE_IDS = """() => [...document.querySelectorAll(".link-graph text.node")]
  .map((node) => node.__data__.nodeId)"""
_TELL_VIOLATIONS = """document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`violated: ${event.violatedDirective} by ${event.blockedURI}`));"""


class OpenPage:
    """One open page, and all that it complains of or asks for."""

    def __init__(self, page: Page, site: OpenedSite) -> None:
        self.page = page
        self.site = site
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        page.add_init_script(_TELL_VIOLATIONS)
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._note_dialog)
        page.on("request", self._note_request)
        page.on("websocket", lambda socket: self.foreign.append(socket.url))

    def open(self) -> None:
        self.page.goto(self.site.link)
        expect(self.page.locator(".link-graph text.node").first).to_be_visible()

    def hover(self, node_id: str) -> None:
        place = self.page.evaluate(_CENTRE_OF_NODE, node_id)
        self.page.mouse.move(place["x"], place["y"])

    def click(self, node_id: str) -> None:
        place = self.page.evaluate(_CENTRE_OF_NODE, node_id)
        self.page.mouse.click(place["x"], place["y"])

    def picture(self, name: str) -> None:
        OUTPUT.mkdir(exist_ok=True)
        self.page.screenshot(path=OUTPUT / f"open-{name}.png")

    def save(self) -> None:
        self.page.locator(".save-button").click()
        expect(self.page.locator(".save-button")).to_have_text("Saved!")

    @property
    def node_ids(self) -> list[str]:
        return self.page.evaluate(_NODE_IDS)

    @property
    def logits(self) -> Locator:
        """Texts of the axis above the graph."""
        return self.page.locator(".link-graph g.axis > g > g > text")

    @property
    def tooltip(self) -> Locator:
        return self.page.locator(".tooltip:not(.tooltip-hidden)")

    @property
    def boxes(self) -> Locator:
        """Labels of the boxes of the subgraph."""
        return self.page.locator(".subgraph .node-text-container span")

    @property
    def examples(self) -> Locator:
        return self.page.locator(".feature-example-list .text-wrapper")

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def _note_dialog(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith((self.site.address, "data:")):
            self.foreign.append(request.url)


Open = Callable[..., OpenPage]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Open graphs, each as a new visitor, whose page must neither complain nor ask others."""
    pages: list[OpenPage] = []
    with ExitStack() as stack:

        def open_page(path: Path, features: Path | None = None) -> OpenPage:
            site = stack.enter_context(serve_opened(path, features))
            context = stack.enter_context(
                browser.new_context(viewport={"width": 1400, "height": 1000})
            )
            pages.append(OpenPage(context.new_page(), site))
            pages[-1].open()
            return pages[-1]

        yield open_page
    for page in pages:
        assert page.foreign == []
        assert page.complaints == []


@pytest.fixture(scope="module")
def labelled(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every bundled graph as `clerp label` writes it."""
    folder = tmp_path_factory.mktemp("labelled")
    run_label(folder, *(BUNDLED / f"{name}.json" for name in BUNDLED_GRAPHS))
    return folder


@pytest.fixture(scope="module")
def grouped(labelled: Path) -> Path:
    """The same as `clerp group` writes it."""
    for name in BUNDLED_GRAPHS:
        run_clerp("group", labelled / f"{name}.labeled.json", "--out", labelled / f"{name}.json")
    return labelled


def run_label(folder: Path, *graphs: Path) -> None:
    flags = ["--features", BUNDLED / "features", "--out", f"{folder}/", "--ledger", folder / "db"]
    run_clerp("label", *graphs, *flags)


def run_clerp(*arguments: str | Path) -> None:
    command = [Path(sys.executable).with_name("clerp"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def annotate_all(graph: AttributionGraph) -> dict[str, Any]:
    """Return what `clerp label` would write if it knew every feature that nobody has named."""
    labels = {n.place: n.foreign_label or f"name of {n.feature}" for n in graph.feature_nodes}
    notes = {
        place: NodeAnnotation(label, "input", 1, "counting", "labeled", None, None, None)
        for place, label in labels.items()
    }
    return annotate(graph, notes, {"schema_version": 1, "features": {}})


def copy_with(source: Path, to: Path, **settings: object) -> Path:
    """Write a copy of a graph that has these viewer settings."""
    document = json.loads(source.read_text("utf-8"))
    document["qParams"] |= settings
    to.write_text(json.dumps(document), "utf-8")
    return to


def list_shown(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the nodes that the page does not prune."""
    threshold = document["metadata"].get("node_threshold")
    return [
        node
        for node in document["nodes"]
        if threshold is None
        or node["feature_type"] in ("embedding", "logit")
        or (node["influence"] or 0) <= threshold
    ]


def list_logits(document: dict[str, Any]) -> list[str]:
    logits = [node for node in document["nodes"] if node["feature_type"] == "logit"]
    return sorted(node["clerp"].split('"')[1] for node in logits)


def pick_labelled(path: Path) -> list[dict[str, Any]]:
    """Return the first, the middle and the last shown feature node with a label and own id."""
    document = json.loads(path.read_text("utf-8"))
    shown = list_shown(document)
    ids = [node["node_id"] for node in shown]
    features = {node.node_id for node in read_graph(path).feature_nodes}
    named = [
        node
        for node in shown
        if node["node_id"] in features and node["clerp"] and ids.count(node["node_id"]) == 1
    ]
    return [named[0], named[len(named) // 2], named[-1]]


def list_shown_labels(path: Path) -> dict[str, str]:
    """Return labels by node id; the page puts the name of a node's supernode before its own."""
    graph = read_graph(path)
    labels = {node["node_id"]: node["clerp"] for node in graph.document["nodes"]}
    pinned = set(read_pins(graph))
    shown = dict(labels)
    for named in read_supernodes(graph):
        members = [node_id for node_id in named.node_ids if node_id in pinned & labels.keys()]
        if [labels[node_id] for node_id in members] != [named.name]:
            for node_id in members:
                own = "" if labels[node_id] == named.name else f" {labels[node_id]}"
                shown[node_id] = f"[{named.name}]{own}"
    return shown


def assert_shows_graph(page: OpenPage, path: Path) -> None:
    """Assert that nodes, labels and the logit axis are those of a file."""
    document = json.loads(path.read_text("utf-8"))
    ids = {node["node_id"] for node in list_shown(document)}
    assert set(page.node_ids) == ids
    assert sorted(page.logits.all_text_contents()) == list_logits(document)
    labels = list_shown_labels(path)
    for node in pick_labelled(path):
        page.hover(node["node_id"])
        expect(page.tooltip).to_have_text(labels[node["node_id"]])


@pytest.mark.parametrize("name", BUNDLED_GRAPHS)
def test_a_bundled_graph_shows_its_labels_and_examples(
    open_page: Open, labelled: Path, name: str
) -> None:
    path = labelled / f"{name}.labeled.json"
    page = open_page(path, BUNDLED / "features")
    assert_shows_graph(page, path)
    node = pick_labelled(path)[1]
    page.click(node["node_id"])
    expect(page.page.locator(".feature-detail .pp-clerp")).to_have_text(node["clerp"])
    expect(page.examples.first).to_be_visible()
    page.picture(name)


@pytest.mark.parametrize("name", REAL_GRAPHS)
def test_a_public_graph_shows_its_labels(open_page: Open, tmp_path: Path, name: str) -> None:
    graph = read_graph(DATA / f"{name}.json")
    path = tmp_path / "real.labeled.json"
    write_document(annotate_all(graph), path)
    page = open_page(path)
    assert_shows_graph(page, path)
    node = pick_labelled(path)[1]
    page.click(node["node_id"])
    expect(page.page.locator(".feature-example-list")).to_contain_text("No activation examples")
    supernodes = [named for named in read_supernodes(graph) if len(named.node_ids) > 1]
    for named in supernodes:
        expect(page.boxes.get_by_text(named.name, exact=True)).to_have_count(1)
    page.picture(name)


def group_by_hand(path: Path, to: Path) -> tuple[Path, list[list[str]]]:
    """Write a copy with four supernodes of three shown nodes each, all of them pinned."""
    document = json.loads(path.read_text("utf-8"))
    ids = [node["node_id"] for node in list_shown(document)]
    features = {node.node_id for node in read_graph(path).feature_nodes}
    members = [i for i in ids if i in features and ids.count(i) == 1][: 3 * len(NAMES)]
    supernodes = [[name, *members[3 * i : 3 * i + 3]] for i, name in enumerate(NAMES)]
    return copy_with(path, to, supernodes=supernodes, pinnedIds=members), supernodes


@pytest.mark.parametrize("name", BUNDLED_GRAPHS)
def test_proposed_supernodes_are_boxes(open_page: Open, grouped: Path, name: str) -> None:
    path = grouped / f"{name}.json"
    graph = read_graph(path)
    page = open_page(path)
    shown = set(page.node_ids)
    names = [named.name for named in read_supernodes(graph) if shown & set(named.node_ids)]
    assert len(names) > 3
    for supernode in names:
        expect(page.boxes.get_by_text(supernode, exact=True)).to_have_count(1)
    expect(page.page.locator(".link-graph text.node.pinned")).to_have_count(
        len(shown & set(read_pins(graph)))
    )
    page.click(pick_labelled(path)[1]["node_id"])
    page.picture(f"{name}-grouped")


@pytest.mark.parametrize("name", BUNDLED_GRAPHS)
def test_label_group_save_and_label_again_lose_nothing(
    open_page: Open, grouped: Path, tmp_path: Path, name: str
) -> None:
    path = tmp_path / f"{name}.json"
    shutil.copyfile(grouped / f"{name}.json", path)
    shutil.copyfile(grouped / "db", tmp_path / "db")
    before = read_graph(path)
    open_page(path).save()
    run_label(tmp_path, path)
    again = read_graph(tmp_path / f"{name}.labeled.json")
    assert read_supernodes(again) == read_supernodes(before)
    assert read_pins(again) == read_pins(before)
    assert again.document["nodes"] == before.document["nodes"]
    # The four were labelled together, so the run and its graphs are others.
    record, kept = (graph.document["metadata"]["clerp"] for graph in (again, before))
    assert {key for key in record if record[key] != kept.get(key)} <= {"run_id", "graphs"}
    assert record.keys() == kept.keys()
    assert "grouping" in record


def test_supernodes_of_the_file_are_shown(open_page: Open, labelled: Path, tmp_path: Path) -> None:
    grouped, _ = group_by_hand(labelled / "capital-of-france.labeled.json", tmp_path / "g.json")
    page = open_page(grouped)
    expect(page.boxes).to_have_count(len(NAMES))
    assert sorted(page.boxes.all_text_contents()) == sorted(NAMES)
    page.picture("supernodes")


def test_the_printed_address_shows_supernodes_in_the_frontends_own_server(
    browser: Browser, labelled: Path, tmp_path: Path
) -> None:
    source, supernodes = group_by_hand(
        labelled / "capital-of-france.labeled.json", tmp_path / "grouped.json"
    )
    graph = read_graph(source)
    target = find_target("circuit-tracer")
    target.write(graph, graph.document, tmp_path / "shown.json")
    (note,) = target.list_notes(graph, graph.document, tmp_path / "shown.json")
    query = note.partition("?")[2]
    with serve_frontend(tmp_path) as address, browser.new_context() as context:
        frontend = Frontend(context.new_page(), address, Hub({}))
        frontend.page.goto(f"{address}index.html?{query}")
        expect(frontend.pinned).to_have_count(len(supernodes))
        assert sorted(frontend.pinned.all_text_contents()) == sorted(NAMES)
        assert frontend.complaints == []


def test_saving_changes_nothing_but_how_settings_are_spelled(
    open_page: Open, labelled: Path, tmp_path: Path
) -> None:
    source = labelled / "capital-of-france.labeled.json"
    path, supernodes = group_by_hand(source, tmp_path / "by-hand.json")
    before = json.loads(path.read_text("utf-8"))
    page = open_page(path)
    expect(page.boxes).to_have_count(len(NAMES))
    page.save()
    saved = json.loads(path.read_text("utf-8"))
    assert {**saved, "qParams": None} == {**before, "qParams": None}
    graph = read_graph(path)
    assert [[n.name, *n.node_ids] for n in read_supernodes(graph)] == supernodes
    assert list(read_pins(graph)) == before["qParams"]["pinnedIds"]


def test_what_a_person_groups_and_names_is_shown_again(
    open_page: Open, labelled: Path, tmp_path: Path
) -> None:
    path = tmp_path / "g.json"
    shutil.copyfile(labelled / "capital-of-france.labeled.json", path)
    node = pick_labelled(path)[1]
    page = open_page(path)
    page.click(node["node_id"])
    page.page.locator(".edit-clerp-button").click()
    page.page.locator(".clerp-edit input").fill("my own name")
    page.page.locator(".clerp-edit input").press("Enter")
    expect(page.page.locator(".feature-detail .pp-clerp")).to_have_text("my own name")
    page.page.locator(".feature-detail .feature-title").click(modifiers=["Control"])
    expect(page.boxes).to_have_count(1)
    page.save()
    # As a new visitor, whose browser keeps nothing.
    other = open_page(path)
    other.hover(node["node_id"])
    expect(other.tooltip).to_have_text("my own name")
    expect(other.boxes).to_have_text("my own name")


def make_odd_graphs() -> dict[str, Any]:
    graphs = {
        name: build_graph()
        for name in ("no edges", "pins", "nulls", "no settings", "no influence", "supernodes")
    }
    graphs["no edges"]["links"] = []
    graphs["pins"]["qParams"]["pinnedIds"] = ["0_10_1", *(f"{i}_{i}_9" for i in range(10_000))]
    graphs["supernodes"]["qParams"]["supernodes"] = [[f"{i}", f"{i}_0_9"] for i in range(9_000)]
    for node in graphs["nulls"]["nodes"][3:]:
        node["feature"] = None
    graphs["nulls"]["nodes"][-1]["clerp"] = "Austin"
    del graphs["no settings"]["qParams"]
    for node in graphs["no influence"]["nodes"]:
        del node["influence"]
    one = build_graph(n_features=1, n_errors=0, n_embeddings=0, n_logits=0)
    return {**graphs, "one node": one | {"links": []}}


@pytest.mark.parametrize(("name", "document"), make_odd_graphs().items(), ids=make_odd_graphs())
def test_odd_graphs_are_shown(
    open_page: Open, tmp_path: Path, name: str, document: dict[str, Any]
) -> None:
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps(document), "utf-8")
    page = open_page(path)
    threshold = document["metadata"]["node_threshold"]
    kept = [n["node_id"] for n in document["nodes"] if (n.get("influence") or 0) <= threshold]
    assert {"0_10_1"} <= set(page.node_ids) <= set(kept)
    page.hover("0_10_1")
    page.save()
    settings = json.loads(path.read_text("utf-8"))["qParams"]
    for key, value in (document.get("qParams") or {}).items():
        assert settings[key] == value or key in ("clickedId", "supernodes", "sg_pos")


def test_what_the_command_opens_leads_to_the_graph(
    browser: Browser, labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr("webbrowser.open", started.append)
    with ExitStack() as stack:
        site = stack.enter_context(serve_opened(labelled / "capital-of-france.labeled.json"))
        announce("Graph", site.link, tmp_path, opens=True)
        context = stack.enter_context(browser.new_context())
        page = context.new_page()
        page.goto(started[0])
        expect(page.locator(".link-graph text.node").first).to_be_visible()
    assert started[0].startswith("file://")


MARKUP = (
    '<meta http-equiv="refresh" content="0;url=http://evil.example/x">',
    "<img src=x onerror=alert(1)><script>alert(2)</script>",
    '<div><link rel="preconnect" href="http://evil.example"></div>',
    "a <b> c & d</div>",
)


@pytest.mark.parametrize("markup", MARKUP)
def test_markup_in_a_label_of_the_file_is_shown_as_text(
    open_page: Open, labelled: Path, tmp_path: Path, markup: str
) -> None:
    source = labelled / "capital-of-france.labeled.json"
    node = pick_labelled(source)[1]
    document = json.loads(source.read_text("utf-8"))
    for other in document["nodes"]:
        if other["node_id"] == node["node_id"]:
            other["clerp"] = markup
            other["vis_link"] = f'"></a>{markup}'
    path = tmp_path / "hostile.json"
    path.write_text(json.dumps(document), "utf-8")
    page = open_page(path)
    page.hover(node["node_id"])
    expect(page.tooltip).to_have_text(markup)
    page.click(node["node_id"])
    expect(page.page.locator(".feature-detail .pp-clerp")).to_have_text(markup)
    expect(page.page.locator(".cg meta, .cg link, .tooltip *")).to_have_count(0)
    # What a refresh takes at least.
    page.page.wait_for_timeout(500)
    assert page.page.url.startswith(page.site.address)
    if "<img" in markup:
        # What the page says of the node's link is markup; the policy keeps it from being run.
        refused = [s for s in page.complaints if "violated" in s or "Content Security" in s]
        assert page.complaints == refused
        page.complaints.clear()


def test_the_tooltip_lists_values_while_a_meta_key_is_down(open_page: Open, labelled: Path) -> None:
    path = labelled / "capital-of-france.labeled.json"
    node = pick_labelled(path)[1]
    page = open_page(path)
    page.page.keyboard.down("Meta")
    page.hover(node["node_id"])
    expect(page.tooltip).to_contain_text(f"ctx_idx: {node['ctx_idx']}")
    assert "<" not in page.tooltip.inner_text()


def test_supernodes_that_the_address_cannot_hold_survive_a_save(
    open_page: Open, labelled: Path, tmp_path: Path
) -> None:
    source = labelled / "capital-of-france.labeled.json"
    ids = [node.node_id for node in read_graph(source).feature_nodes]
    supernodes = [["名" * 40 + str(i), *ids[i : i + 3]] for i in range(200)]
    path = copy_with(source, tmp_path / "many.json", supernodes=supernodes, pinnedIds=ids[:6])
    page = open_page(path)
    for _ in range(2):
        page.page.evaluate(
            """(supernode) =>
          util.params.set("supernodes", JSON.stringify([supernode]))""",
            ["mine", ids[0]],
        )
        page.save()
        found = [[named.name, *named.node_ids] for named in read_supernodes(read_graph(path))]
        assert found == [*supernodes, ["mine", ids[0]]]
        expect(page.page.locator(".save-button")).to_have_text("Save")


def test_a_page_does_not_save_over_what_changed_meanwhile(
    open_page: Open, labelled: Path, tmp_path: Path
) -> None:
    path = tmp_path / "g.json"
    shutil.copyfile(labelled / "capital-of-france.labeled.json", path)
    page = open_page(path)
    group_by_hand(labelled / "capital-of-france.labeled.json", path)
    before = path.read_bytes()
    # Also not when it is loaded again with what its address still holds.
    for _ in range(2):
        page.page.locator(".save-button").click()
        expect(page.page.locator(".save-button")).to_have_text("Error!")
        page.page.reload()
        expect(page.page.locator(".link-graph text.node").first).to_be_visible()
    assert path.read_bytes() == before
    assert ["changed since the page was opened" in said for said in page.site.told] == [True, True]
    assert [said for said in page.complaints if "409" not in said] == []
    page.complaints.clear()
    page.page.goto(page.site.address)
    expect(page.boxes).to_have_count(len(NAMES))
    page.save()
