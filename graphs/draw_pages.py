"""Draw the pages that `clerp review` and `clerp open` show: `python graphs/draw_pages.py`.

The same graphs, evidence and version of clerp give the same bytes on one machine; fonts and
Chromium of another one draw otherwise, so that no test compares them.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

import clerp

GRAPHS = Path(__file__).parent
SAMPLE = GRAPHS / "smollm2-135m"
REVIEWED = SAMPLE / "counting-to-six.json"
GROUPED = SAMPLE / "capital-of-france.json"
CLICKED = "French"
"""A label, of whose nodes one is shown in detail."""
_MOST_PICTURES = 20

_PLACE = """(ids) => {
  const shown = [...document.querySelectorAll(".link-graph text.node")];
  const place = shown.find((node) => ids.includes(node.__data__.nodeId)).getScreenCTM();
  return { x: place.e, y: place.f };
}"""


def draw_review(browser: Browser, folder: Path) -> bytes:
    """Draw the page of the first feature of the queue, as PNG."""
    ledger = folder / "review.db"
    clerp.label(REVIEWED, ledger=ledger)
    with _visit(browser, 1280, 800, "review", "--ledger", ledger, "--as", "ada") as page:
        page.wait_for_url("**/item/*")
        return _take_picture(page)


def draw_supernodes(browser: Browser, folder: Path) -> bytes:
    """Draw a grouped graph in circuit-tracer's frontend, as PNG."""
    path = folder / "grouped.json"
    labeled = clerp.label(GROUPED, ledger=folder / "clerp.db")
    labeled.group().write(path)
    named = [node["node_id"] for node in labeled.to_records() if node["label"] == CLICKED]
    features = ("--features", SAMPLE / "features")
    with _visit(browser, 1400, 950, "open", path, *features) as page:
        page.locator(".subgraph .node-text-container span").first.wait_for()
        place = page.evaluate(_PLACE, named)
        page.mouse.click(place["x"], place["y"])
        page.locator(".feature-example-list .text-wrapper").first.wait_for()
        page.mouse.move(0, 0)
        return _take_picture(page)


def _take_picture(page: Page) -> bytes:
    """Take one that is like the one before; on a busy machine the first may be painted in part."""
    taken = page.screenshot()
    for _ in range(_MOST_PICTURES):
        before, taken = taken, page.screenshot()
        if taken == before:
            return taken
    raise RuntimeError(f"the page does not come to rest: {_MOST_PICTURES} pictures differ")


@contextmanager
def _visit(
    browser: Browser, width: int, height: int, command: str, *options: str | Path
) -> Iterator[Page]:
    with (
        _serve(command, *options) as link,
        browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="light",
            reduced_motion="reduce",
        ) as context,
    ):
        page = context.new_page()
        page.goto(link)
        yield page


@contextmanager
def _serve(command: str, *options: str | Path) -> Iterator[str]:
    started = [
        *(Path(sys.executable).with_name("clerp"), command, "--no-browser", "--port", "0"),
        *options,
    ]
    with subprocess.Popen(started, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            told = next(line for line in server.stderr if "/enter?" in line)
            yield told.split()[-1]
        finally:
            server.terminate()


def _main() -> None:
    pictures = {"review.png": draw_review, "supernodes.png": draw_supernodes}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        for name, draw in pictures.items():
            (GRAPHS / name).write_bytes(draw(browser, Path(folder)))
        browser.close()


if __name__ == "__main__":
    _main()
