"""matplotlib's pictures as inline SVG that follows the page: its colours, its font, its policy.

The page allows no inline style, so that properties become attributes; colours become variables of
the page, which has them light and dark; text stays text. Equal figures give equal text.
"""

import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from io import BytesIO
from types import MappingProxyType
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup, escape

from clerp.errors import UsageError

# matplotlib leaves open what most of its methods take and return.
Untyped = Any

INK, PAPER, RULE = "#16181d", "#fbfbfa", "#d9dbe0"
PLUS, MINUS = "#1d4f91", "#a3361f"
ROLE_COLOURS: Mapping[str, str] = MappingProxyType(
    {
        # Okabe and Ito's palette, which the colour-blind can tell apart.
        "input": "#0072b2",
        "cross": "#009e73",
        "output": "#d55e00",
        "obscure": "#8d929c",
        "artefact": "#c9ccd2",
    }
)
TIER_COLOURS: Mapping[int, str] = MappingProxyType({1: "#3b4d74", 2: "#8395ba", 3: "#ccd4e4"})
SHARE_COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "labelled features": "#17603a",
        "other features": "#9cc7ae",
        "token embeddings": "#c8cbd1",
        "error nodes": "#b8574a",
    }
)
VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        INK: "currentColor",
        PAPER: "var(--paper)",
        RULE: "var(--line)",
        PLUS: "var(--plus)",
        MINUS: "var(--minus)",
        **{colour: f"var(--{role})" for role, colour in ROLE_COLOURS.items()},
        **{colour: f"var(--tier{tier})" for tier, colour in TIER_COLOURS.items()},
        **{colour: f"var(--{name.split()[0]})" for name, colour in SHARE_COLOURS.items()},
    }
)
"""What stands for a colour in the page."""

WIDTH = 9.6
"""Of every figure, in inches."""

_SETTINGS: Mapping[str, object] = MappingProxyType(
    {
        "svg.hashsalt": "clerp",
        "svg.fonttype": "none",
        # Labels may hold dollar signs.
        "text.parse_math": False,
        "font.size": 9,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 9,
        "xtick.color": INK,
        "ytick.color": INK,
        "grid.color": RULE,
        "grid.linewidth": 0.6,
        "legend.frameon": False,
    }
)
_LINK = "{http://www.w3.org/1999/xlink}href"
_DROPPED = ("font-family", "font")


def draw(name: str, says: str, height: float, paint: Callable[[Untyped], None]) -> Markup:
    """Draw a figure.

    Args:
        name: Of the figure, for ids that no other figure has.
        says: What it shows, for those who do not see it.
        height: In inches.
        paint: Draws on an empty matplotlib figure.

    Raises:
        UsageError: matplotlib is not installed.
    """
    buffer = BytesIO()
    with _settled():
        figure = load("matplotlib.figure").Figure(figsize=(WIDTH, height), layout="constrained")
        paint(figure)
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return embed(buffer.getvalue(), name, says)


def load(name: str) -> Untyped:
    """Import a module of matplotlib.

    Raises:
        UsageError: It is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as missing:
        raise UsageError(
            f"a report needs the module {missing.name!r}, which is not installed",
            remedy="Run: pip install matplotlib",
        ) from missing


def embed(svg: bytes, name: str, says: str) -> Markup:
    """Make matplotlib's file a part of a page."""
    root = ElementTree.fromstring(svg)
    used = {link for element in root.iter() for link in _find_links(element)}
    attributes = {
        "class": "figure",
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-label": says,
        "fill": "currentColor",
        "stroke-linejoin": "round",
        "stroke-linecap": "butt",
    }
    content = "".join(_write(child, name, used) for child in root)
    return Markup(f"<svg{_join(attributes)}>{content}</svg>")


@contextmanager
def _settled() -> Generator[None]:
    """Draw alike whatever the user's own settings of matplotlib are."""
    matplotlib = load("matplotlib")
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Only its guess of a width needs a glyph: the reader's browser draws the text.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def _find_links(element: ElementTree.Element) -> Iterator[str]:
    if _LINK in element.attrib:
        yield element.attrib[_LINK].removeprefix("#")
    if "clip-path" in element.attrib:
        yield element.attrib["clip-path"].removeprefix("url(#").removesuffix(")")


def _write(element: ElementTree.Element, name: str, used: set[str]) -> str:
    tag = element.tag.rpartition("}")[2]
    if tag in ("metadata", "style"):
        return ""
    attributes = dict(_translate(element.attrib, name, used))
    text = str(escape(element.text)) if element.text and element.text.strip() else ""
    content = text + "".join(_write(child, name, used) for child in element)
    if tag == "defs" and not content:
        return ""
    if tag == "g" and not attributes:
        return content
    return f"<{tag}{_join(attributes)}>{content}</{tag}>"


def _translate(
    attributes: Mapping[str, str], name: str, used: set[str]
) -> Iterator[tuple[str, str]]:
    for key, value in attributes.items():
        match key:
            case "id":
                if value in used:
                    yield "id", f"{name}-{value}"
            case "style":
                yield from _read_style(value)
            case "clip-path":
                yield key, value.replace("#", f"#{name}-")
            case "d":
                yield key, " ".join(value.split())
            case _ if key == _LINK:
                yield "href", value.replace("#", f"#{name}-")
            case _:
                yield key, value


def _read_style(style: str) -> Iterator[tuple[str, str]]:
    for declaration in style.split(";"):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if key and key not in _DROPPED:
            yield key, VARIABLES.get(value, value)


def _join(attributes: Mapping[str, str]) -> str:
    return "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
