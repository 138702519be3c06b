"""clerp's report in a browser: it asks nobody, complains of nothing and can be read."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect
from tests.browser.hostile import HOSTILE
from tests.browser.review_page import NARROW, OUTPUT, WIDE, Theme, make_context
from tests.browser.sample import BUNDLED
from tests.browser.scripts import NODE_MODULES
from tests.unit.report.html.test_report_page import make_hostile

from clerp.config import resolve_settings
from clerp.graph import read_graph
from clerp.progress import ignore_progress
from clerp.report.html.recorded import RecordedGraph, read_recorded
from clerp.report.html.writing import write_report
from clerp.report_command import read_labelled

THEMES: tuple[Theme, ...] = ("light", "dark")
GRAPHS = ("capital-of-france", "counting-to-six", "east-and-west")
GROUPS = 6
"""Supernodes that the first graph is given."""
PARTS = {"top": "h1", "layers": "#layers", "supernodes": "#supernodes", "features": "#features"}
_AXE = NODE_MODULES / "axe-core" / "axe.min.js"
_FITS = """() => {
  const { scrollWidth, clientWidth } = document.scrollingElement;
  return scrollWidth <= clientWidth;
}"""
_TELL_VIOLATIONS = """document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`violated: ${event.violatedDirective} by ${event.blockedURI}`));"""
# What neither the templates nor the figures make.
_FIND_FOREIGN = """() => [...document.querySelectorAll(
  "img, iframe, object, embed, form, base, audio, video, [style], [autofocus], [srcdoc], " +
  "script:not(body > script), style:not(head > style), a:not([href^='#'])"
)].map((found) => found.outerHTML)"""


@pytest.fixture(scope="module")
def recorded(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> list[RecordedGraph]:
    folder = tmp_path_factory.mktemp("labelled")
    subprocess.run(
        [
            *(Path(sys.executable).with_name("clerp"), "label", "--rows", "0"),
            *(BUNDLED.graph.with_name(f"{name}.json") for name in GRAPHS),
            *("--out", f"{folder}/", "--ledger", folder / "clerp.db"),
        ],
        check=True,
        capture_output=True,
    )
    paths = [folder / f"{name}.labeled.json" for name in GRAPHS]
    settings = resolve_settings({"features": str(BUNDLED.features)}).settings
    first, *others = read_labelled(paths, settings, ignore_progress)
    grouped = read_recorded(read_graph(add_supernodes(paths[0])))
    return [replace(grouped, known=first.known), *others]


def add_supernodes(path: Path) -> dict[str, Any]:
    document = json.loads(path.read_text("utf-8"))
    nodes = [node for node in document["nodes"] if node.get("clerp_status") == "labeled"]
    size = len(nodes) // GROUPS
    document["qParams"]["supernodes"] = [
        [
            f"{nodes[n * size]['clerp']} & more",
            *(node["node_id"] for node in nodes[n * size :][:size]),
        ]
        for n in range(GROUPS)
    ]
    return document


class ReportPage:
    """An open report, and what it should not have done."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.complaints: list[str] = []
        self._address = path.as_uri()
        page.add_init_script(_TELL_VIOLATIONS)
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: self._note_request(request.url))
        page.goto(self._address)

    def _note(self, message: ConsoleMessage) -> None:
        self.complaints.append(message.text)

    def _note_request(self, address: str) -> None:
        if address != self._address:
            self.complaints.append(f"asked: {address}")

    @property
    def rows(self) -> Locator:
        """The rows of the table of features, without what is behind them."""
        return self.page.locator("table.features tbody tr:not(.more)")

    def read_column(self, name: str) -> list[str]:
        heads = self.page.locator("table.features thead tr > *").all_text_contents()
        cells = f"table.features tbody tr:not(.more) > :nth-child({heads.index(name) + 1})"
        return self.page.locator(cells).all_text_contents()

    def sort(self, name: str) -> None:
        self.page.locator("table.features thead").get_by_role("button", name=name).click()


@pytest.fixture(scope="module")
def reports(
    recorded: list[RecordedGraph], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    paths = {name: folder / f"{name}.html" for name in ("one", "several", "hostile")}
    write_report(recorded[:1], paths["one"], before=recorded[0])
    write_report(recorded, paths["several"])
    write_report([make_hostile(n, text) for n, text in enumerate(HOSTILE)], paths["hostile"])
    return paths


Show = Callable[..., ReportPage]


@pytest.fixture
def show(browser: Browser, reports: dict[str, Path]) -> Iterator[Show]:
    opened: list[ReportPage] = []
    with ExitStack() as stack:

        def show(name: str, theme: Theme = "light") -> ReportPage:
            context = stack.enter_context(make_context(browser, theme=theme, offline=True))
            opened.append(ReportPage(context.new_page(), reports[name]))
            return opened[-1]

        yield show
    assert [complaint for page in opened for complaint in page.complaints] == []


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", ["one", "several"])
def test_a_report_keeps_nobody_out_and_fits_its_window(show: Show, theme: Theme, name: str) -> None:
    page = show(name, theme).page
    page.locator("table.features [aria-controls]").first.click()
    for part, place in PARTS.items():
        page.locator(place).evaluate("(part) => part.scrollIntoView()")
        page.screenshot(path=OUTPUT / f"report-{name}-{part}-{theme}.png")
    # The table is long and its rows are alike: some say what all would.
    page.evaluate(
        "document.querySelectorAll('.features tbody:nth-of-type(n+12)').forEach(b => b.remove())"
    )
    page.evaluate(_AXE.read_text("utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    assert [f"{fault['id']}: {node['html']}" for fault in found for node in fault["nodes"]] == []
    for width, height in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(_FITS), width


def test_the_table_sorts_numbers_as_numbers_and_words_as_words(show: Show) -> None:
    report = show("one")
    shares = [float(share.rstrip("%")) for share in report.read_column("share")]
    assert shares == sorted(shares, reverse=True)
    report.sort("layer")
    layers = [int(layer) for layer in report.read_column("layer")]
    assert layers == sorted(layers, reverse=True)
    assert layers[0] > 9
    report.sort("layer")
    assert [int(layer) for layer in report.read_column("layer")] == layers[::-1]
    report.sort("feature")
    features = [tuple(map(int, name.split("_"))) for name in report.read_column("feature")]
    assert features == sorted(features)
    report.sort("role")
    roles = report.read_column("role")
    assert roles == sorted(roles)
    expect(report.page.locator("th[aria-sort]")).to_have_text("role")


def test_a_row_opens_by_the_keyboard_and_stays_with_its_feature(show: Show) -> None:
    report = show("one")
    first = report.page.locator("table.features tbody").first
    feature = first.locator("th").text_content()
    expect(first.locator(".more")).to_be_hidden()
    first.get_by_role("button").focus()
    report.page.keyboard.press("Enter")
    expect(first.locator(".more")).to_be_visible()
    expect(first.locator(".rows li")).to_have_count(3)
    report.sort("layer")
    opened = report.page.locator(
        "table.features tbody", has=report.page.locator(".more:not([hidden])")
    )
    expect(opened).to_have_count(1)
    assert opened.locator("th").text_content() == feature


@pytest.mark.parametrize("theme", THEMES)
def test_text_of_figures_can_be_read(show: Show, theme: Theme) -> None:
    page = show("one", theme).page
    read = "(found) => getComputedStyle(found).fill"
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for text in page.locator("svg text").all()[::20]:
        ink = text.evaluate(read)
        assert abs(brightness(ink) - brightness(paper)) > 400, (ink, paper)
    bars = {path.evaluate(read) for path in page.locator("#layers svg path[fill^=var]").all()[:40]}
    assert len(bars) > 1, "the figures' colours are not those of the page"


def brightness(colour: str) -> int:
    return sum(int(part) for part in colour.removeprefix("rgb(").rstrip(")").split(","))


def test_a_printed_report_is_light_and_has_every_feature(show: Show) -> None:
    report = show("one", "dark")
    report.page.emulate_media(media="print")
    paper = report.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert brightness(paper) > 3 * 200
    expect(report.rows).to_have_count(300)
    printed = report.page.pdf(print_background=True, format="A4")
    (OUTPUT / "report.pdf").write_bytes(printed)
    assert printed.startswith(b"%PDF")


def test_no_text_of_a_file_acts(show: Show) -> None:
    report = show("hostile")
    assert report.page.evaluate(_FIND_FOREIGN) == []
    for button in report.page.locator("[aria-controls]").all():
        button.click()
    seen = report.page.locator("body").inner_text()
    assert {char for char in seen if not char.isprintable()} <= {"\n", "\t"}
