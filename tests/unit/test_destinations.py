from pathlib import Path

import pytest

from clerp.destinations import check_destinations, choose_destinations, make_folder
from clerp.errors import OutputError, UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "there").mkdir()
    (tmp_path / "file.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    ("graph", "output"),
    [
        ("graph.json", "graph.labeled.json"),
        ("graph.json.gz", "graph.labeled.json"),
        ("graph.json.zst", "graph.labeled.json"),
        ("graph", "graph.labeled.json"),
        ("graph.labeled.json", "graph.labeled.json"),
        ("graph.labeled.json.gz", "graph.labeled.json"),
        ("v1.2.json", "v1.2.labeled.json"),
        ("labeled.json", "labeled.labeled.json"),
        (".json", ".labeled.json"),
        ("graph.JSON", "graph.JSON.labeled.json"),
    ],
)
def test_an_output_is_named_after_its_graph_and_lies_beside_it(graph: str, output: str):
    assert choose_destinations([Path("deep") / graph], None) == [Path("deep") / output]


def test_a_labelled_output_keeps_its_name_when_it_is_labelled_again():
    (first,) = choose_destinations([Path("graph.json.gz")], None)
    assert choose_destinations([first], None) == [first]


@pytest.mark.parametrize("out", ["new.json", "new.json.gz", "none/new.json", "file.json"])
def test_one_graph_goes_to_the_file_that_is_named(folder: Path, out: str):
    assert choose_destinations([Path("graph.json")], folder / out) == [folder / out]


@pytest.mark.parametrize("n", [1, 2])
def test_a_folder_that_is_there_takes_any_number_of_graphs(folder: Path, n: int):
    graphs = [Path(f"deep{i}/graph{i}.json") for i in range(n)]
    assert choose_destinations(graphs, folder / "there") == [
        folder / "there" / f"graph{i}.labeled.json" for i in range(n)
    ]


def test_several_graphs_go_to_a_folder_that_is_still_to_be_made(folder: Path):
    graphs = [Path("a.json"), Path("b.json")]
    destinations = choose_destinations(graphs, folder / "new")
    assert destinations == [folder / "new" / "a.labeled.json", folder / "new" / "b.labeled.json"]
    assert not (folder / "new").exists()


def test_several_graphs_lie_beside_themselves_without_a_folder():
    graphs = [Path("one/graph.json"), Path("two/graph.json")]
    assert choose_destinations(graphs, None) == [
        Path("one/graph.labeled.json"),
        Path("two/graph.labeled.json"),
    ]


def test_several_graphs_do_not_fit_into_a_file(folder: Path):
    with pytest.raises(UsageError, match="a folder is needed") as raised:
        choose_destinations([Path("a.json"), Path("b.json")], folder / "file.json")
    assert raised.value.where == str(folder / "file.json")
    assert raised.value.remedy


@pytest.mark.parametrize(
    ("graphs", "out"),
    [
        (["graph.json", "graph.json"], None),
        (["graph.json", "./graph.json"], None),
        (["graph.json", "graph.json.gz"], None),
        (["graph.json", "graph.labeled.json"], None),
        (["a/graph.json", "b/graph.json"], "there"),
        (["a/graph.json", "b/other.json", "c/graph.json.zst"], "new"),
    ],
)
def test_no_two_graphs_go_to_one_file(folder: Path, graphs: list[str], out: str | None):
    with pytest.raises(UsageError, match="two graphs would be written here") as raised:
        choose_destinations([Path(graph) for graph in graphs], folder / out if out else None)
    assert Path(raised.value.where).name == "graph.labeled.json"
    assert raised.value.remedy


def check(folder: Path, destination: str, *, out: str | None = None, target: bool = False) -> None:
    check_destinations(
        [folder / destination],
        None if out is None else folder / out,
        "circuit-tracer" if target else None,
    )


def test_a_place_that_takes_a_file_is_left_as_it_was(folder: Path):
    before = sorted(folder.rglob("*"))
    check(folder, "new.json", out="new.json")
    check(folder, "file.json", out="file.json")
    check(folder, "there/new.json", out="there")
    check(folder, "new/graph.labeled.json", out="new")
    check(folder, "new.json", target=True)
    assert sorted(folder.rglob("*")) == before
    assert (folder / "file.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("destination", "out", "named"),
    [
        ("there", None, "there"),
        ("none/new.json", "none/new.json", "none/new.json"),
        ("none/new/graph.labeled.json", "none/new", "none/new"),
        ("file.json/new.json", "file.json/new.json", "file.json/new.json"),
    ],
)
def test_a_place_that_takes_none_is_named(
    folder: Path, destination: str, out: str | None, named: str
):
    with pytest.raises(OutputError) as raised:
        check(folder, destination, out=out)
    assert raised.value.where == str(folder / named)
    assert raised.value.remedy


def test_every_output_is_checked(folder: Path):
    (folder / "there" / "b.json").mkdir()
    destinations = [folder / "there" / name for name in ("a.json", "b.json")]
    with pytest.raises(OutputError) as raised:
        check_destinations(destinations, folder / "there", None)
    assert raised.value.where == str(destinations[1])


def test_a_graph_whose_own_folder_is_missing_is_left_to_its_reader(folder: Path):
    before = sorted(folder.rglob("*"))
    check(folder, "none/graph.labeled.json")
    assert sorted(folder.rglob("*")) == before


def test_a_name_that_is_too_long_is_a_fault_of_the_output(folder: Path):
    name = "x" * 300
    assert choose_destinations([Path("graph.json")], folder / name) == [folder / name]
    with pytest.raises(OutputError, match="File name too long"):
        check(folder, name, out=name)


def test_the_list_of_graphs_is_checked_for_the_frontend_alone(folder: Path):
    (folder / "there" / "graph-metadata.json").write_text("[")
    check(folder, "there/new.json", out="there")
    with pytest.raises(OutputError, match="the list of graphs cannot be read"):
        check(folder, "there/new.json", out="there", target=True)


def test_a_folder_is_made_once(folder: Path):
    make_folder(folder / "new")
    make_folder(folder / "new")
    assert (folder / "new").is_dir()


@pytest.mark.parametrize(
    ("name", "fault"), [("file.json", "File exists"), ("none/new", "No such file")]
)
def test_a_folder_that_cannot_be_made_is_named(folder: Path, name: str, fault: str):
    with pytest.raises(OutputError, match=f"cannot be made: {fault}") as raised:
        make_folder(folder / name)
    assert raised.value.where == str(folder / name)


@pytest.mark.parametrize(
    ("target", "output"),
    [
        ("table", "graph.labeled.csv"),
        ("neuronpedia:gemma-2-2b", "graph.labeled.json"),
        ("circuit-tracer", "graph.labeled.json"),
    ],
)
def test_a_target_says_the_suffix_of_names_that_nobody_chose(target: str, output: str):
    assert choose_destinations([Path("graph.json.gz")], None, target=target) == [Path(output)]


@pytest.mark.parametrize("graph", ["g.json", "g.labeled.json", "g.grouped.json"])
def test_another_stage_ends_names_otherwise(graph: str):
    assert choose_destinations([Path(graph)], None, ending="grouped") == [Path("g.grouped.json")]


@pytest.mark.parametrize(
    ("target", "fault"), [("table", r"neither \.csv"), ("elsewhere", "there is no target")]
)
def test_a_name_that_the_target_does_not_open_is_refused_first(
    folder: Path, target: str, fault: str
):
    with pytest.raises(UsageError, match=fault):
        check_destinations([folder / "none" / "new.json"], folder / "none" / "new.json", target)
