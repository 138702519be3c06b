"""What clerp's review page looks like over the bundled graph, to people and to their tools."""

import runpy
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, StorageState, expect
from tests.browser.review_page import (
    NARROW,
    WIDE,
    Reviewers,
    ReviewPage,
    Server,
    Theme,
    make_context,
    serve_review,
)
from tests.browser.review_queue import Made, decide, label_bundled, list_items
from tests.browser.sample import BUNDLED

from clerp.ledger import QueueItem
from clerp.ledger.decision import GivenRole
from clerp.ledger.queue import hash_key

THEMES: tuple[Theme, ...] = ("light", "dark")
GUIDELINE = "Say what the tokens at the peak share.\nOne to six words.\n" * 30
ROLES: tuple[tuple[GivenRole, GivenRole], ...] = (
    *(("input", "input"), ("input", "output"), ("cross", "cross"), ("obscure", "obscure")),
    *(("output", "output"), ("input", "cross")),
)
_FITS = """() => {
  const { scrollWidth, clientWidth } = document.scrollingElement;
  return scrollWidth <= clientWidth;
}"""


@dataclass(frozen=True)
class Screen:
    """A state of the page."""

    path: str
    """Or which feature: `labelled`, `unlabelled`, `disputed`."""
    press: str = ""
    then_type: str = ""
    shows: str = "h1"
    """What is there when it is all there."""
    queue: Literal["open", "done"] = "open"


SCREENS = {
    "label": Screen("labelled"),
    "no-label": Screen("unlabelled"),
    "dispute": Screen("disputed", shows=".stand"),
    "contexts": Screen("labelled", press="o", shows=".rows .whole"),
    "suggestions": Screen("labelled", press="e", then_type="a", shows="#suggestions li"),
    "keys": Screen("labelled", press="?", shows="dialog[open]"),
    "guideline": Screen("labelled", press="g", shows="dialog[open]"),
    "list": Screen("list"),
    "disputes": Screen("disputes", shows="main section"),
    "agreement": Screen("agreement", shows="table"),
    "done": Screen("", queue="done"),
    "error": Screen("item/none"),
}
FEATURES = ("label", "no-label", "dispute")


@dataclass(frozen=True)
class Office:
    """Servers that all tests here share, and what lets more than one browser in."""

    ledger: Path
    servers: dict[str, Server]
    cookies: StorageState
    paths: dict[str, str]


@pytest.fixture(scope="module")
def office(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("bundled")
    ledger = label_bundled(folder)
    items = list_items(ledger)
    named = [item for item in items if item.label]
    decide(ledger, disagree(named[1 : len(ROLES) + 1]))
    guideline = folder / "guideline.txt"
    guideline.write_text(GUIDELINE, "utf-8")
    shown = {
        "labelled": named[0],
        "disputed": named[1],
        "unlabelled": next(item for item in items if not item.label),
    }
    with ExitStack() as stack:
        servers = {
            queue: stack.enter_context(
                serve_review(ledger, "ada", "--review-cover", cover, "--guideline", guideline)
            )
            for queue, cover in (("open", "0.8"), ("done", "0"))
        }
        context = stack.enter_context(make_context(browser))
        for server in servers.values():
            context.new_page().goto(server.link)
        paths = {name: f"item/{hash_key(item.key)}" for name, item in shown.items()}
        yield Office(ledger, servers, context.storage_state(), paths)


def disagree(items: list[QueueItem]) -> Iterator[Made]:
    """Let two people give these features roles, and other names to the first."""
    for item, roles in zip(items, ROLES, strict=True):
        feature = str(item.key.feature)
        yield Made(feature, "accept", item.label, roles[0])
        label = "countries" if item is items[0] else item.label
        yield Made(feature, "edit", label, roles[1], "see the paper", annotator="bob")


def show(reviewers: Reviewers, office: Office, name: str, theme: Theme = "light") -> ReviewPage:
    screen = SCREENS[name]
    server = office.servers[screen.queue]
    desk = reviewers.open(server, theme=theme, storage_state=office.cookies)
    if name == "error":
        desk.expect_complaint("404 (Not Found)")
    desk.open(office.paths.get(screen.path, screen.path))
    if screen.press:
        desk.write(screen.press, screen.then_type)
    expect(desk.page.locator(screen.shows).first).to_be_visible()
    return desk


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_keeps_nobody_out(reviewers: Reviewers, office: Office, name: str) -> None:
    desk = show(reviewers, office, name)
    for theme in THEMES:
        desk.page.emulate_media(color_scheme=theme)
        assert desk.find_barriers() == [], theme


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_fits_the_width_of_its_window(
    reviewers: Reviewers, office: Office, name: str
) -> None:
    desk = show(reviewers, office, name)
    for theme, (width, height) in product(THEMES, (WIDE, NARROW)):
        desk.page.emulate_media(color_scheme=theme)
        desk.page.set_viewport_size({"width": width, "height": height})
        desk.photograph(f"{name}-{theme}-{width}")
        assert desk.page.evaluate(_FITS), (theme, width)


@pytest.mark.parametrize("name", FEATURES)
def test_what_one_decides_with_is_in_sight(reviewers: Reviewers, office: Office, name: str) -> None:
    desk = show(reviewers, office, name)
    buttons = desk.page.get_by_role("group", name="Decide").get_by_role("button")
    for part in (desk.proposal, desk.label, desk.comment_box, *buttons.all()):
        expect(part).to_be_in_viewport(ratio=1)
    expect(desk.page.locator(".rows li").nth(9)).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("theme", THEMES)
def test_the_theme_is_that_of_the_system_until_one_chooses(
    reviewers: Reviewers, office: Office, theme: Theme
) -> None:
    desk = show(reviewers, office, "label", theme)
    read = "getComputedStyle(document.body).backgroundColor"
    before = desk.page.evaluate(read)
    assert (sum(map(int, before[4:-1].split(", "))) < 3 * 128) is (theme == "dark")
    desk.press("t")
    chosen = desk.page.evaluate(read)
    assert chosen != before
    desk.open("list")
    assert desk.page.evaluate(read) == chosen


def test_the_picture_of_the_page_is_drawn_alike_each_time(browser: Browser, tmp_path: Path) -> None:
    draw = runpy.run_path(str(BUNDLED.graph.parents[1] / "draw_pages.py"))["draw_review"]
    assert draw(browser, tmp_path) == draw(browser, tmp_path)
