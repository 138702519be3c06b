"""What fault tests measure, noted beside the figure that they aim at."""

import json
from collections.abc import Iterable
from dataclasses import astuple, dataclass

import pytest

_PROPERTY = "fault figure"


@dataclass(frozen=True, order=True)
class Figure:
    row: str
    target: str
    measured: str


@dataclass(frozen=True)
class Figures:
    """Keeps figures with the test that measures them, also in a worker of pytest-xdist."""

    test: pytest.Item

    def note(self, row: str, target: str, measured: str) -> None:
        figure = json.dumps(astuple(Figure(row, target, measured)))
        self.test.user_properties.append((_PROPERTY, figure))


def collect_figures(reports: Iterable[pytest.TestReport]) -> list[Figure]:
    """Return what tests noted that passed: what one did that failed is no figure of anything."""
    return sorted(
        Figure(*json.loads(str(written)))
        for report in reports
        for name, written in report.user_properties
        if report.passed and report.when == "call" and name == _PROPERTY
    )


def draw_table(figures: Iterable[Figure]) -> list[str]:
    rows = [("row", "target", "measured"), *map(astuple, figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
