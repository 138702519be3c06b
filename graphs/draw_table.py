"""Draw the table that `clerp label` prints: `python graphs/draw_table.py`.

The same graph, evidence and version of clerp give the same bytes, so that a test can tell when the
picture no longer shows what clerp prints.
"""

import io
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme

import clerp
from clerp.labeled import LabeledGraph
from clerp.report.occurrence import list_occurrences
from clerp.report.table import render_features, render_summary

GRAPHS = Path(__file__).parent
GRAPH = GRAPHS / "smollm2-135m" / "capital-of-france.json"
PICTURE = GRAPHS / "capital-of-france.svg"

_COLUMNS = 100
_FEATURES = 15

# The picture brings its own background, so that it reads on a white and on a dark page.
_BACKGROUND, _FOREGROUND = (13, 17, 23), (230, 237, 243)
_ANSI = [
    (72, 79, 88),
    (255, 123, 114),
    (63, 185, 80),
    (210, 153, 34),
    (88, 166, 255),
    (188, 140, 255),
    (57, 197, 207),
    (177, 186, 196),
]
_THEME = TerminalTheme(_BACKGROUND, _FOREGROUND, _ANSI, _ANSI)

# rich's own format fetches a font from the web.
_FORMAT = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>The table and the coverage that clerp prints for a graph</title>
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px;
  line-height: {line_height}px;
  white-space: pre;
}}
.{unique_id}-title {{ font-size: 18px; font-family: ui-monospace, Menlo, Consolas, monospace; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def draw_table(labeled: LabeledGraph) -> str:
    """Draw what is printed of a labelled graph, as SVG."""
    # An empty environment keeps variables of the terminal (COLUMNS, NO_COLOR) out of the picture.
    console = Console(
        file=io.StringIO(),
        record=True,
        width=_COLUMNS,
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
        _environ={},
    )
    places = list_occurrences(labeled.graph)
    console.print(render_features(labeled.features, places, limit=_FEATURES))
    console.print(render_summary(labeled.summary))
    return console.export_svg(
        title=f"clerp label {GRAPH.name}", theme=_THEME, code_format=_FORMAT, unique_id="clerp"
    )


if __name__ == "__main__":
    picture = draw_table(clerp.label(GRAPH, ledger=":memory:"))
    PICTURE.write_text(picture, encoding="utf-8", newline="\n")
