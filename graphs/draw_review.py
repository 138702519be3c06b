"""Draw the page that `clerp review` opens: `python graphs/draw_review.py`.

The same graph, evidence and version of clerp give the same bytes on one machine; fonts and Chromium
of another one draw otherwise, so that no test compares them.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

import clerp

GRAPHS = Path(__file__).parent
GRAPH = GRAPHS / "smollm2-135m" / "counting-to-six.json"
PICTURE = GRAPHS / "review.png"

_WIDTH, _HEIGHT = 1280, 800
_ANNOUNCED = "Review: "


def draw_review(browser: Browser, ledger: Path) -> bytes:
    """Draw the page of the first feature of the queue, as PNG.

    Args:
        browser: Which draws.
        ledger: That of a run over `GRAPH`.
    """
    with (
        _serve(ledger) as link,
        browser.new_context(
            viewport={"width": _WIDTH, "height": _HEIGHT},
            color_scheme="light",
            reduced_motion="reduce",
        ) as context,
    ):
        page = context.new_page()
        page.goto(link)
        return page.screenshot()


@contextmanager
def _serve(ledger: Path) -> Iterator[str]:
    command = [
        *(Path(sys.executable).with_name("clerp"), "review", "--no-browser", "--port", "0"),
        *("--ledger", ledger, "--as", "ada"),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            told = next(line for line in server.stderr if line.startswith(_ANNOUNCED))
            yield told.removeprefix(_ANNOUNCED).strip()
        finally:
            server.terminate()


def _main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        ledger = Path(folder) / "clerp.db"
        clerp.label(GRAPH, ledger=ledger)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        PICTURE.write_bytes(draw_review(browser, ledger))
        browser.close()


if __name__ == "__main__":
    _main()
