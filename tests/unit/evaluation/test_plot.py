import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.unit.evaluation.annotated import EMBEDDER, ROLES, make_known, read_twice

from clerp.errors import OutputError, UsageError
from clerp.evaluation import RolesReport, evaluate_roles
from clerp.evaluation.plot import check_plot, write_plot
from clerp.router import find_rule
from clerp.windows import DEFAULT_WINDOWS


@pytest.fixture(scope="module")
def report() -> RolesReport:
    truth = read_twice([(role, "input") for role in ROLES])
    rules = [find_rule("calibrated")]
    return evaluate_roles(make_known(), truth, rules, DEFAULT_WINDOWS, EMBEDDER)


def test_a_picture_of_another_format_is_bad_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="SVG or PNG") as caught:
        check_plot(tmp_path / "roles.pdf")
    assert ".svg or .png" in caught.value.remedy


def test_without_matplotlib_the_way_to_get_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match="need the module") as caught:
        check_plot(tmp_path / "roles.svg")
    assert "pip install matplotlib" in caught.value.remedy


def test_a_place_that_takes_no_file_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        check_plot(tmp_path / "nosuch" / "roles.svg")


def test_a_picture_names_every_rule_target_and_measure(report: RolesReport, tmp_path: Path) -> None:
    write_plot(report, tmp_path / "roles.svg")
    text = " ".join(ElementTree.parse(tmp_path / "roles.svg").getroot().itertext())
    standings = report.comparisons[0].standings
    names = ("accuracy", "macro-F1", "kappa", "pass 1, n = 12", "pass 2, n = 12")
    for name in (*names, *(standing.name for standing in standings)):
        assert name in text


@pytest.mark.parametrize("name", ["roles.svg", "roles.PNG"])
def test_equal_reports_give_equal_pictures(report: RolesReport, tmp_path: Path, name: str) -> None:
    first, second = (tmp_path / part / name for part in "ab")
    for path in (first, second):
        path.parent.mkdir()
        write_plot(report, path)
    content = first.read_bytes()
    assert content == second.read_bytes()
    assert content.startswith(b"\x89PNG" if name.endswith("PNG") else b"<?xml")
    assert len(content) < 500_000
