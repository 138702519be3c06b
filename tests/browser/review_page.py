"""clerp's review page in a browser: its server, and what one person sees and presses."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Locator,
    Page,
    Request,
    expect,
)
from tests.browser.scripts import NODE_MODULES

WIDE = (1280, 800)
NARROW = (400, 800)

OUTPUT = Path(__file__).parent / "output"
"""Pictures for people to look at."""

_AXE = NODE_MODULES / "axe-core" / "axe.min.js"
_ANNOUNCED = "Review: "
_WAIT_SECONDS = 30
# Reports also what the console of a page leaves out.
_TELL_VIOLATIONS = """document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`violated: ${event.violatedDirective} by ${event.blockedURI}`));"""

_MISBEHAVE = """() => new Promise((notice) => {
  document.addEventListener("securitypolicyviolation", notice, { once: true });
  %s;
}).then(() => null)"""
_READ = """(places) => Object.fromEntries(places.map((place) => [
  place, [...document.querySelectorAll(place)].map((found) => found.textContent).join("\\n")
]))"""
# What the page's templates never make.
_FIND_FOREIGN = """() => {
  const acting = [
    "img, picture, video, audio, source, iframe, object, embed, math, form, style, base, template",
    "[autofocus], [srcdoc], [style], meta[http-equiv], svg *:not(rect)",
    "link:not([rel=icon][href^='/static/'], [rel=stylesheet][href^='/static/'])",
    "script:not([src^='/static/'], [type='application/json'])",
    "a:not([href='/'], [href^='/item/'], [href^='/list'], [href='/disputes'], [href='/agreement'])",
  ].join(", ");
  const isHandler = (name) => name.startsWith("on");
  return [...document.querySelectorAll("*")]
    .filter((found) => found.matches(acting) || found.getAttributeNames().some(isHandler))
    .map((found) => found.outerHTML);
}"""


@dataclass(frozen=True)
class Server:
    """`clerp review` as a process of its own."""

    process: subprocess.Popen[str]
    link: str
    """Lets one browser in, once."""

    @property
    def address(self) -> str:
        return self.link.partition("enter?")[0]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(_WAIT_SECONDS)


@contextmanager
def serve_review(ledger: Path, annotator: str, *options: str | Path) -> Iterator[Server]:
    """Run `clerp review` on a free port until it is no longer needed."""
    command = [
        *(Path(sys.executable).with_name("clerp"), "review", "--no-browser", "--port", "0"),
        *("--ledger", ledger, "--as", annotator, *options),
    ]
    with subprocess.Popen(command, cwd=ledger.parent, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            lines = iter(process.stderr.readline, "")
            told = next((line for line in lines if line.startswith(_ANNOUNCED)), "")
            assert told, "clerp review ended before it told its address"
            yield Server(process, told.removeprefix(_ANNOUNCED).strip())
        finally:
            process.terminate()
            _, rest = process.communicate(timeout=_WAIT_SECONDS)
    assert "Traceback" not in rest, rest


class ReviewPage:
    """One person's open page.

    Args:
        page: A fresh one, alone in its context.
        server: What it may ask, and nobody else.
    """

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        self.server = server
        self.complaints: list[str] = []
        """Errors on the console, violations of the policy, dialogs, windows, other hosts."""
        self._expected: list[str] = []
        page.add_init_script(_TELL_VIOLATIONS)
        page.on("console", self._note_error)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._dismiss)
        page.on("popup", lambda window: self.complaints.append(f"window: {window.url}"))
        page.on("websocket", lambda socket: self.complaints.append(f"asked: {socket.url}"))
        page.context.on("request", self._note_stranger)

    def open(self, path: str = "") -> str:
        """Open a page of the server, and return what it sent."""
        answer = self.page.goto(f"{self.server.address}{path}")
        assert answer is not None
        return answer.text()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def go(self, key: str) -> None:
        """Press a key that leads to another page, or to this one again."""
        # A key that comes before the script of the next page is there is lost.
        with self.page.expect_navigation(wait_until="load", timeout=_WAIT_SECONDS * 1000):
            self.press(key)

    def write(self, key: str, text: str) -> None:
        """Press the key of a box and type into it."""
        self.press(key)
        self.page.keyboard.insert_text(text)

    def comment(self, text: str) -> None:
        """Save a comment."""
        self.write("c", text)
        self.go("Enter")

    def expect_at(self, feature: str) -> None:
        expect(self.page.locator("h1 .feature")).to_have_text(feature)

    def read(self, *places: str) -> dict[str, str]:
        """Return what these parts of the page say, by selector, exactly as it stands there."""
        return self.page.evaluate(_READ, places)

    def find_foreign(self) -> list[str]:
        """Return elements that act and are not the page's own, and characters that are not seen."""
        hidden = {char for char in self.read("body")["body"] if not char.isprintable()}
        return [*self.page.evaluate(_FIND_FOREIGN), *sorted(hidden - {"\n"})]

    def find_barriers(self) -> list[str]:
        """Return what axe-core finds that keeps people out."""
        self.page.evaluate(_AXE.read_text("utf-8"))
        found = self.page.evaluate("axe.run()")["violations"]
        return [f"{fault['id']}: {node['html']}" for fault in found for node in fault["nodes"]]

    def photograph(self, name: str) -> None:
        """Keep a picture of what is in sight."""
        self.page.screenshot(path=OUTPUT / f"{name}.png")

    def misbehave(self, script: str) -> None:
        """Do something that the policy of the page forbids, until it says so."""
        self.page.evaluate(_MISBEHAVE % script)

    def expect_complaint(self, part: str) -> None:
        """Let errors pass that hold this text, however many there are."""
        self._expected.append(part)

    @property
    def feature(self) -> str:
        return self.page.locator("h1 .feature").text_content() or ""

    @property
    def item(self) -> str:
        """Path of the feature's page."""
        found = re.search("item/[0-9a-f]{64}$", self.page.url)
        assert found is not None, self.page.url
        return found[0]

    @property
    def proposal(self) -> Locator:
        return self.page.locator("h1 .label")

    @property
    def label(self) -> Locator:
        """The box for a label."""
        return self.page.get_by_role("combobox", name="Label")

    @property
    def comment_box(self) -> Locator:
        return self.page.get_by_role("textbox", name="Comment")

    @property
    def suggestions(self) -> Locator:
        return self.page.get_by_role("option")

    @property
    def status(self) -> Locator:
        return self.page.locator("#status")

    @property
    def own(self) -> Locator:
        """What the person has decided."""
        return self.page.locator(".stand")

    @property
    def others(self) -> Locator:
        """What others have decided."""
        return self.page.locator(".side section", has_text="Others decided")

    @property
    def conflict(self) -> Locator:
        return self.page.get_by_role("alert")

    @property
    def unexpected(self) -> list[str]:
        """Complaints that no test expects."""
        return [
            complaint
            for complaint in self.complaints
            if not any(part in complaint for part in self._expected)
        ]

    def _note_error(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def _note_stranger(self, request: Request) -> None:
        if not request.url.startswith(self.server.address):
            self.complaints.append(f"asked: {request.url}")

    def _dismiss(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()


Theme = Literal["light", "dark"]


def make_context(
    browser: Browser, size: tuple[int, int] = WIDE, theme: Theme = "light", **settings: Any
) -> BrowserContext:
    """Open what shares no cookies with others."""
    width, height = size
    return browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=theme,
        reduced_motion="reduce",
        **settings,
    )


class Reviewers:
    """People at queues, each with a server and a context of the browser of her own.

    Args:
        browser: Where they look.
        stack: Closes what they opened.
    """

    def __init__(self, browser: Browser, stack: ExitStack) -> None:
        self.pages: list[ReviewPage] = []
        self._browser = browser
        self._stack = stack

    def sit(self, ledger: Path, annotator: str = "ada", *options: str | Path) -> ReviewPage:
        """Start a server and open its link."""
        page = self.open(self._stack.enter_context(serve_review(ledger, annotator, *options)))
        page.page.goto(page.server.link)
        # What lets the browser in goes on to the queue by itself.
        page.page.wait_for_url(lambda url: "/enter" not in url)
        return page

    def open(self, server: Server, **settings: Any) -> ReviewPage:
        """Open a page in a context of its own, as `make_context` does."""
        context = self._stack.enter_context(make_context(self._browser, **settings))
        self.pages.append(ReviewPage(context.new_page(), server))
        return self.pages[-1]
