"""One browser for all tests of this folder, one page and one network for each."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ViewportSize, expect, sync_playwright
from tests.browser.frontend import Frontend, Visit, serve_frontend
from tests.browser.hub import Hub
from tests.browser.review_page import Reviewers
from tests.browser.sample import BUNDLED, Sample, Source, label
from tests.browser.scripts import NODE_MODULES

_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    # What gets around the interception of requests finds no host either.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
# How long a page takes says how busy the machine is; what does not come is waited for in vain.
expect.set_options(timeout=30_000)
_VIEWPORT: ViewportSize = {"width": 1400, "height": 1000}


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if not os.environ.get("CLERP_BROWSER"):
        pytest.skip("takes minutes and a browser; run make browser")
    chromium = shutil.which("chromium")
    if chromium is None or not NODE_MODULES.is_dir():
        pytest.fail("chromium is from make system, the scripts of package.json from make browser")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=_QUIET)
        yield launched
        launched.close()


_SOURCES = [pytest.param(BUNDLED, id="bundled")]
if collected := os.environ.get("CLERP_COLLECTED"):
    _SOURCES.append(
        pytest.param(Source(BUNDLED.graph, Path(collected).resolve() / "features"), id="collected")
    )


@pytest.fixture(scope="package", params=_SOURCES)
def source(request: pytest.FixtureRequest) -> Source:
    """Every test runs on every graph and folder of records that stands here."""
    return request.param


@pytest.fixture(scope="package")
def sample(browser: Browser, source: Source, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return label(source, tmp_path_factory.mktemp("labelled"))


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Open pages, each as a new visitor, that must not complain nor ask anybody unknown."""
    opened: list[Frontend] = []
    with ExitStack() as stack:

        def visit(sample: Sample, published: Mapping[str, Path], **settings: str) -> Frontend:
            address = stack.enter_context(serve_frontend(sample.folder))
            context = stack.enter_context(browser.new_context(viewport=_VIEWPORT))
            opened.append(Frontend(context.new_page(), address, Hub(published)))
            opened[-1].open(sample.slug, **settings)
            return opened[-1]

        yield visit
    for frontend in opened:
        assert frontend.refused == []
        assert frontend.unexpected == []


@pytest.fixture
def reviewers(browser: Browser) -> Iterator[Reviewers]:
    """People whose pages must not complain, open windows nor ask anybody but their server."""
    with ExitStack() as stack:
        people = Reviewers(browser, stack)
        yield people
    for page in people.pages:
        assert page.unexpected == []
