from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from tests.unit.evaluation.people_grouped import FakeGrouper, build_people_grouped, write

from clerp.evaluation.group_baselines import BASELINES
from clerp.evaluation.group_tables import render_groups
from clerp.evaluation.group_truth import read_true_groups
from clerp.evaluation.groups import evaluate_groups
from clerp.graph import read_graph
from clerp.grouped import group_graph

AS_PEOPLE = FakeGrouper({"a": (0, 1, 2), "b": (3, 4), "c": (5, 6)}, "as [b]people")


def show(folder: Path, *documents: dict[str, object]) -> list[str]:
    paths = [write(folder, document, f"{n}.json") for n, document in enumerate(documents)]
    truths = [read_true_groups(path, 2**20) for path in paths]
    report = evaluate_groups(truths, {AS_PEOPLE.name: AS_PEOPLE})
    console = Console(file=StringIO(), width=160, color_system=None)
    console.print(render_groups(report))
    return console.file.getvalue().splitlines()  # pyright: ignore[reportAttributeAccessIssue]


def test_every_entrant_has_a_row_with_counts_figures_and_the_difference(tmp_path: Path) -> None:
    lines = show(tmp_path, build_people_grouped())
    first, exact = lines[2], next(line for line in lines if line.startswith("(exact name)"))
    assert " ".join(first.split()) == f"as [b]people 3 7{' 1.00 [1.00, 1.00]' * 3}"
    assert exact.split()[2:4] == ["3", "6"]
    assert exact.count("[") == 4
    assert exact.split()[-3].startswith("+")
    for name in BASELINES:
        assert len([line for line in lines if line.startswith(f"({name}) ")]) == 1


def test_one_graph_has_no_mean_and_two_have_one_without_counts(tmp_path: Path) -> None:
    assert not [line for line in show(tmp_path, build_people_grouped()) if "Mean" in line]
    lines = show(tmp_path, build_people_grouped(), build_people_grouped({"x": (0, 5)}))
    mean = lines.index("Mean over 2 graphs")
    assert lines[mean + 2].split()[:3] == ["as", "[b]people", "0.50"]


@pytest.mark.parametrize("shared", [False, True])
def test_nodes_in_several_supernodes_are_told_of(tmp_path: Path, shared: bool) -> None:
    groups = {"a": (0, 1, 2), "b": (2, 3) if shared else (3, 4)}
    lines = show(tmp_path, build_people_grouped(groups))
    assert ("1 nodes that are in several" in "\n".join(lines)) == shared


@pytest.mark.parametrize("renamed", [False, True])
def test_proposals_that_somebody_renamed_are_told_of(tmp_path: Path, renamed: bool) -> None:
    document = group_graph(read_graph(build_people_grouped({})), AS_PEOPLE).document
    names = ("mine", "b", "c") if renamed else ("a", "b", "c")
    groups = zip(names, document["qParams"]["supernodes"], strict=True)
    document["qParams"]["supernodes"] = [[name, *ids] for name, (_, *ids) in groups]
    theirs = build_people_grouped({"theirs": (7, 0)})["qParams"]["supernodes"]
    document["qParams"]["supernodes"] += theirs
    told = "1 supernodes that are mostly what clerp proposed there do not count"
    assert (told in show(tmp_path, document)) == renamed
