import gzip
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError
from tests.opened_graph import read_version
from tests.unit.graph.conftest import build_graph

from clerp.errors import GraphError, OutputError, UsageError
from clerp.feature import FeatureId
from clerp.frontend.opened import OpenedGraph, ViewerSettings
from clerp.graph import read_graph
from clerp.graph.viewer_settings import read_pins, read_supernodes

Document = dict[str, Any]
MAX_BYTES = 2**20
CANTOR = str(FeatureId(0, 10).cantor)


def write(path: Path, **settings: object) -> Document:
    document = build_graph()
    for i, node in enumerate(document["nodes"][:3]):
        node["feature"] = FeatureId(i, 10 + i).cantor
    document["qParams"] |= settings
    path.write_text(json.dumps(document))
    return document


def open_graph(path: Path) -> OpenedGraph:
    return OpenedGraph(path, MAX_BYTES)


def save_to(opened: OpenedGraph, **settings: str | None) -> str:
    """Save as a page that was just opened."""
    return opened.save(ViewerSettings(**settings), read_version(opened))


def save(path: Path, **settings: str | None) -> Document:
    save_to(open_graph(path), **settings)
    return json.loads(path.read_text())


def test_the_address_has_supernodes_and_leaves_pins_to_the_file(tmp_path: Path):
    write(tmp_path / "g.json", pinnedIds=["0_10_1"], supernodes=[["a & b", "0_10_1"]])
    address = urlsplit(open_graph(tmp_path / "g.json").write_address())
    assert (address.scheme, address.netloc, address.path) == ("", "", "/index.html")
    given = parse_qs(address.query)
    assert given.keys() == {"slug", "supernodes", "clerp"}
    assert given["slug"] == ["g"]


def test_supernodes_that_do_not_fit_into_an_address_are_left_out_and_noted(tmp_path: Path):
    supernodes = [[f"name {i}", f"{i}_{i}_{i}"] for i in range(2_000)]
    write(tmp_path / "g.json", supernodes=supernodes)
    opened = open_graph(tmp_path / "g.json")
    assert opened.write_address().startswith("/index.html?slug=g&clerp=")
    (note,) = opened.list_notes()
    assert note.startswith("the supernodes are not shown")
    save_to(opened, pinnedIds="0_10_1")
    assert json.loads((tmp_path / "g.json").read_text())["qParams"]["supernodes"] == supernodes


def test_a_save_keeps_supernodes_that_did_not_fit_into_the_address(tmp_path: Path):
    path = tmp_path / "g.json"
    withheld = [[f"name {i}", f"{i}_{i}_{i}"] for i in range(2_000)]
    write(path, supernodes=withheld)
    opened = open_graph(path)
    version = read_version(opened)
    for own in (["mine", "0_10_1"], ["renamed", "0_10_1", "1_11_1"]):
        version = opened.save(ViewerSettings(supernodes=json.dumps([own])), version)
        found = [[named.name, *named.node_ids] for named in read_supernodes(read_graph(path))]
        assert found == [*withheld, own]
    version = opened.save(ViewerSettings(supernodes=""), version)
    opened.save(ViewerSettings(supernodes=None), version)
    assert len(read_supernodes(read_graph(path))) == len(withheld)


def test_a_page_saves_again_and_again(tmp_path: Path):
    write(tmp_path / "g.json", supernodes=[["a", "0_10_1"]])
    opened = open_graph(tmp_path / "g.json")
    version = opened.save(ViewerSettings(supernodes='[["b","0_10_1"]]'), read_version(opened))
    opened.save(ViewerSettings(supernodes="[]"), version)
    assert read_supernodes(read_graph(tmp_path / "g.json")) == ()


def test_a_page_from_before_the_settings_changed_does_not_save_over_them(tmp_path: Path):
    path = tmp_path / "g.json"
    write(path)
    opened = open_graph(path)
    version = read_version(opened)
    write(path, supernodes=[["of clerp group", "0_10_1"]])
    before = path.read_bytes()
    with pytest.raises(UsageError, match="changed since the page was opened") as raised:
        opened.save(ViewerSettings(supernodes="[]"), version)
    assert raised.value.remedy
    assert path.read_bytes() == before
    save_to(opened, supernodes='[["mine","0_10_1"]]')
    assert [named.name for named in read_supernodes(read_graph(path))] == ["mine"]


@pytest.mark.parametrize("version", ["", "x", "-", "{}--1", "{}-٣", "{}", "0-0", "{}-0-0"])
def test_a_version_that_no_page_was_given_saves_nothing(tmp_path: Path, version: str):
    path = tmp_path / "g.json"
    write(path, supernodes=[["a", "0_10_1"]])
    before = path.read_bytes()
    opened = open_graph(path)
    given = version.format(read_version(opened).partition("-")[0])
    with pytest.raises(UsageError):
        opened.save(ViewerSettings(supernodes="[]"), given)
    assert path.read_bytes() == before


def test_what_the_page_cannot_show_is_noted(tmp_path: Path):
    document = write(tmp_path / "g.json")
    assert open_graph(tmp_path / "g.json").list_notes() == ()
    document["metadata"]["prompt_tokens"] = ["x"]
    (tmp_path / "g.json").write_text(json.dumps(document))
    (note,) = open_graph(tmp_path / "g.json").list_notes()
    assert note == "its frontend shows nothing of a prompt of one token"


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("g.json", "g"),
        ("a b#c?.json", "a-b-c-"),
        ("über.json", "-ber"),
        ("g.labeled.json", "g.labeled"),
    ],
)
def test_the_slug_can_stand_in_an_address(tmp_path: Path, name: str, slug: str):
    write(tmp_path / name)
    opened = open_graph(tmp_path / name)
    assert opened.slug == slug
    assert json.loads(opened.encode())["metadata"]["slug"] == slug
    (entry,) = json.loads(opened.encode_index())["graphs"]
    assert entry["slug"] == slug


def test_what_is_saved_is_what_the_frontends_own_server_writes(tmp_path: Path):
    path = tmp_path / "g.json"
    before = write(path)
    supernodes = '[["say “x”","0_10_1","1_11_1"]]'
    after = save(path, pinnedIds="0_10_1,1_11_1", supernodes=supernodes, linkType="input")
    assert after["qParams"] == {
        **before["qParams"],
        "pinnedIds": "0_10_1,1_11_1",
        "supernodes": supernodes,
        "linkType": "input",
    }
    assert json.dumps({**after, "qParams": None}) == json.dumps({**before, "qParams": None})
    graph = read_graph(path)
    assert read_pins(graph) == ("0_10_1", "1_11_1")
    assert [named.name for named in read_supernodes(graph)] == ["say “x”"]


def test_what_the_address_has_not_is_kept(tmp_path: Path):
    kept = {
        "pinnedIds": ["0_10_1"],
        "supernodes": [["a", "0_10_1"]],
        "gridsnap": [1],
        "sg_pos": "1",
    }
    before = write(tmp_path / "g.json", **kept)
    after = save(tmp_path / "g.json", pinnedIds=None, supernodes=None, clerps="[]")
    assert after == before


def test_pins_can_be_cleared(tmp_path: Path):
    write(tmp_path / "g.json", pinnedIds=["0_10_1"], supernodes=[["a", "0_10_1"]])
    save(tmp_path / "g.json", pinnedIds="", supernodes="[]")
    graph = read_graph(tmp_path / "g.json")
    assert (read_pins(graph), read_supernodes(graph)) == ((), ())


def test_labels_that_another_browser_keeps_are_not_lost(tmp_path: Path):
    path = tmp_path / "g.json"
    write(path, clerps=json.dumps([["1", "old"], [CANTOR, "before"]]))
    after = save(path, clerps=json.dumps([[CANTOR, "after"], ["5", "new — ü"]]))
    assert json.loads(after["qParams"]["clerps"]) == [
        ["1", "old"],
        [CANTOR, "after"],
        ["5", "new — ü"],
    ]


def test_labels_of_single_occurrences_are_not_lost(tmp_path: Path):
    path = tmp_path / "g.json"
    given = [["0_65_1", "by neuronpedia"]]
    write(path, clerps=given)
    assert save(path, clerps="[]")["qParams"]["clerps"] == given
    after = save(path, clerps=json.dumps([[CANTOR, "mine"]]))
    assert json.loads(after["qParams"]["clerps"]) == [*given, [CANTOR, "mine"]]


def test_labels_of_schema_0_are_saved_by_the_number_of_the_file(tmp_path: Path):
    path = tmp_path / "g.json"
    document = write(path)
    del document["metadata"]["schema_version"]
    for i, node in enumerate(document["nodes"][:3]):
        node["feature"] = 10 + i + i * 10**5
    path.write_text(json.dumps(document))
    after = save(path, clerps=json.dumps([[str(FeatureId(1, 11).cantor), "mine"]]))
    assert json.loads(after["qParams"]["clerps"]) == [["100011", "mine"]]


def test_a_file_that_changed_is_shown_and_saved_as_it_is_now(tmp_path: Path):
    path = tmp_path / "g.json"
    document = write(path)
    opened = open_graph(path)
    document["nodes"][0]["clerp"] = "labelled meanwhile"
    path.write_text(json.dumps(document))
    assert json.loads(opened.encode())["nodes"][0]["clerp"] == "labelled meanwhile"
    save_to(opened, pinnedIds="0_10_1")
    assert json.loads(path.read_text())["nodes"][0]["clerp"] == "labelled meanwhile"


def test_a_file_that_is_gone_or_broken_is_not_made_anew(tmp_path: Path):
    path = tmp_path / "g.json"
    write(path)
    opened = open_graph(path)
    version = read_version(opened)
    path.write_text("{")
    with pytest.raises(GraphError):
        opened.save(ViewerSettings(pinnedIds=""), version)
    assert path.read_text() == "{"
    path.unlink()
    with pytest.raises(GraphError, match="no such file"):
        opened.save(ViewerSettings(pinnedIds=""), version)
    assert not path.exists()


def test_packed_files_stay_packed(tmp_path: Path):
    document = write(tmp_path / "g.json")
    path = tmp_path / "g.json.gz"
    path.write_bytes(gzip.compress(json.dumps(document).encode()))
    opened = open_graph(path)
    assert opened.slug == "g"
    save_to(opened, pinnedIds="0_10_1")
    assert json.loads(gzip.decompress(path.read_bytes()))["qParams"]["pinnedIds"] == "0_10_1"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_takes_nothing_leaves_the_file(tmp_path: Path):
    path = tmp_path / "g.json"
    write(path)
    before = path.read_bytes()
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError):
            save(path, pinnedIds="0_10_1")
    finally:
        tmp_path.chmod(0o700)
    assert path.read_bytes() == before


def test_a_link_is_not_replaced(tmp_path: Path):
    write(tmp_path / "g.json")
    (tmp_path / "link.json").symlink_to(tmp_path / "g.json")
    with pytest.raises(OutputError, match="symbolic link"):
        save(tmp_path / "link.json", pinnedIds="0_10_1")
    assert (tmp_path / "link.json").is_symlink()


def test_what_a_plugin_reads_cannot_be_saved_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path / "g.json")
    opened = open_graph(tmp_path / "g.json")
    opened.path = tmp_path / "g.pt"
    (tmp_path / "g.pt").write_bytes(b"weights")
    monkeypatch.setattr("clerp.frontend.opened.find_reader", lambda _: object())
    with pytest.raises(UsageError, match="not JSON"):
        opened.save(ViewerSettings(pinnedIds=""), "")
    assert (tmp_path / "g.pt").read_bytes() == b"weights"


@pytest.mark.parametrize(
    "settings",
    [
        {"supernodes": "{"},
        {"supernodes": '[["a", 1]]'},
        {"supernodes": "7"},
        {"supernodes": "[[]]"},
        {"clerps": '[["a"]]'},
        {"clerps": "nothing"},
        {"pinnedIds": ["0_10_1"]},
        {"pinnedIds": 7},
        {"nodes": "[]"},
    ],
)
def test_settings_that_the_page_does_not_post_are_refused(settings: Document):
    with pytest.raises(ValidationError):
        ViewerSettings(**settings)
