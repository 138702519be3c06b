import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clerp.errors import GraphError, PluginError, UsageError
from clerp.graph import AttributionGraph, read_graph
from clerp.targets.table import Table

Document = dict[str, Any]
Label = Callable[[Document], tuple[AttributionGraph, Document]]


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"))))


def test_a_node_is_a_row(label_graph: Label, document: Document, tmp_path: Path):
    path = tmp_path / "out.csv"
    Table().write(*label_graph(document), path)
    rows = read_csv(path)
    assert len(rows) == 3
    share = float(rows[0].pop("share"))
    assert share == pytest.approx(1 / 7)
    assert rows[0] == {
        "node": "0_10_1",
        "feature": "0_10",
        "layer": "0",
        "index": "10",
        "position": "1",
        "token": "Dallas",
        "role": "input",
        "tier": "1",
        "label": "Texas",
        "method": "counting",
        "status": "labeled",
        "supernode": "",
        "supernode_reason": "",
        "pinned": "0",
        "input_raw": "0.5",
        "input_z": "4.25",
        "input_p": "0.001",
        "output_raw": "-0.25",
        "output_z": "",
        "output_p": "",
    }


def test_parquet_has_the_same_values_with_types(
    label_graph: Label, document: Document, tmp_path: Path
):
    parquet = pytest.importorskip("pyarrow.parquet")
    labelled = label_graph(document)
    Table().write(*labelled, tmp_path / "out.parquet")
    Table().write(*labelled, tmp_path / "out.csv")
    rows = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert (rows[0]["layer"], rows[0]["input_z"], rows[0]["output_p"]) == (0, 4.25, None)
    texts = [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows]
    assert texts == read_csv(tmp_path / "out.csv")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\n=1", "'x", "＝1"])
def test_what_a_spreadsheet_would_run_is_text_in_csv_alone(
    label_graph: Label, document: Document, tmp_path: Path, text: str
):
    parquet = pytest.importorskip("pyarrow.parquet")
    document["metadata"]["prompt_tokens"][1] = text
    graph, labelled = label_graph(document)
    labelled["nodes"][0] = labelled["nodes"][0] | {"clerp": text}
    Table().write(graph, labelled, tmp_path / "out.csv")
    Table().write(graph, labelled, tmp_path / "out.parquet")
    row = read_csv(tmp_path / "out.csv")[0]
    assert row["label"] == f"'{text}"
    assert row["token"][:1] == "'"
    assert parquet.read_table(tmp_path / "out.parquet").to_pylist()[0]["label"] == text


def test_a_graph_that_clerp_did_not_label_has_its_labels_and_no_scores(
    document: Document, tmp_path: Path
):
    document["nodes"][0]["clerp"] = "Texas"
    Table().write(read_graph(document), document, tmp_path / "out.csv")
    rows = read_csv(tmp_path / "out.csv")
    assert [row["label"] for row in rows] == ["Texas", "", ""]
    assert (rows[0]["role"], rows[0]["tier"]) == ("", "")
    assert not [name for name in rows[0] if name.endswith("_raw")]


def test_equal_graphs_give_equal_bytes(label_graph: Label, document: Document, tmp_path: Path):
    pytest.importorskip("pyarrow")
    for name in ("a.csv", "b.csv", "a.parquet", "b.parquet"):
        Table().write(*label_graph(document), tmp_path / name)
    for suffix in ("csv", "parquet"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


@pytest.mark.parametrize("name", ["out.json", "out.xlsx", "out"])
def test_only_names_of_the_two_forms_are_taken(name: str):
    with pytest.raises(UsageError, match=r"is neither \.csv nor \.parquet"):
        Table().check_name(Path(name))


def test_supernodes_and_pins_are_told_with_their_reasons(
    label_graph: Label, document: Document, tmp_path: Path
):
    document["qParams"] = {
        "pinnedIds": "0_10_1",
        "supernodes": json.dumps([["places", "0_10_1", "1_11_1"], ["mine", "0_10_1"]]),
    }
    graph, labelled = label_graph(document)
    labelled["metadata"]["clerp"]["grouping"] = {
        "grouper": "semantic",
        "supernodes": [
            {"name": name, "origin": "clerp", "members": [{"node_id": node_id, "reason": reason}]}
            for name, node_id, reason in (
                ("places", "0_10_1", "names a place"),
                ("mine", "0_10_1", "a person's"),
                ("since renamed", "1_11_1", "of a group that is no more"),
            )
        ],
        "ungrouped": [{"node_id": "2_12_1", "reason": "no other like it"}],
    }
    Table().write(graph, labelled, tmp_path / "out.csv")
    rows = read_csv(tmp_path / "out.csv")
    assert [row["node"] for row in rows] == ["0_10_1", "1_11_1", "2_12_1"]
    assert [row["supernode"] for row in rows] == ["places; mine", "places", ""]
    assert [row["pinned"] for row in rows] == ["1", "0", "0"]
    reasons = [row["supernode_reason"] for row in rows]
    assert reasons == ["names a place; a person's", "", "no other like it"]


def test_a_semicolon_does_not_split_text(label_graph: Label, document: Document, tmp_path: Path):
    graph, labelled = label_graph(document)
    labelled["nodes"][0] = labelled["nodes"][0] | {"clerp": 'one; two "three"'}
    Table().write(graph, labelled, tmp_path / "out.csv")
    _, first, *_ = (tmp_path / "out.csv").read_text("utf-8-sig").splitlines()
    assert '"one; two ""three"""' in first
    assert first.startswith('"0_10_1","0_10",0,10,1,')


@pytest.mark.parametrize(("name", "start"), [("OUT.CSV", b"\xef\xbb\xbf"), ("o.Parquet", b"PAR1")])
def test_the_case_of_a_suffix_is_free(
    label_graph: Label, document: Document, tmp_path: Path, name: str, start: bytes
):
    pytest.importorskip("pyarrow")
    Table().write(*label_graph(document), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("clerp.targets.table.find_spec", lambda _: None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    Table().check_name(Path("out.csv"))
    with pytest.raises(PluginError, match="pyarrow") as raised:
        Table().check_name(Path("out.parquet"))
    assert "pip install pyarrow" in raised.value.remedy


def test_a_record_that_clerp_did_not_write_is_an_error(
    label_graph: Label, document: Document, tmp_path: Path
):
    graph, labelled = label_graph(document)
    labelled["metadata"]["clerp"]["features"]["0_10"]["scores"] = {"input": 7}
    with pytest.raises(GraphError, match=r"metadata\.clerp\.features"):
        Table().write(graph, labelled, tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == []
