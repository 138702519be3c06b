"""`clerp group` over a labelled graph, and the way through frontends and back."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from tests.command_line import Outcome, assert_refused, make_runner
from tests.labelled_sample import name_labelled
from tests.tiny_graph import build_records, build_tiny_graph, write_graph, write_records
from tests.unit.test_viewer_address import HOSTILE, load_decoder

import clerp
from clerp.feature import FeatureId
from clerp.graph import read_graph
from clerp.graph.viewer_settings import read_pins, read_supernodes
from clerp.grouped import drop_own_groups
from clerp.ledger import open_ledger
from clerp.review.session import Choice, ReviewSession

Run = Callable[..., Outcome]
Document = dict[str, Any]
# In Save's order, as the handler of circuit-tracer's page lists them.
SAVED = ("pinnedIds", "supernodes", "linkType", "clickedId", "sg_pos", "pruningThreshold", "clerps")
BUNDLED = ("capital-of-france", "counting-to-six", "man-in-the-mirror")
TWICE = (FeatureId(0, 10), FeatureId(1, 11))


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    return make_runner(capsys, monkeypatch)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny labelled graph and its evidence; features 0_10 and 1_11 both fire on Dallas."""
    folder = tmp_path_factory.mktemp("labelled")
    records = build_records()
    for feature in TWICE:
        records[feature] = build_records([feature])[feature]
    features = write_records(folder / "features", records)
    graph = write_graph(folder / "graph.json", build_tiny_graph())
    labelled = clerp.label(graph, features=str(features), ledger=str(folder / "clerp.db"))
    labelled.write(folder / "graph.labeled.json")
    return folder


@pytest.fixture
def labelled(run: Run, made: Path) -> Path:
    Path("features").symlink_to(made / "features")
    return Path(shutil.copy(made / "graph.labeled.json", "graph.labeled.json"))


def read(path: Path) -> Document:
    return json.loads(path.read_text())


def list_groups(path: Path) -> list[list[str]]:
    return [[named.name, *named.node_ids] for named in read_supernodes(read_graph(path))]


def save_in_frontend(path: Path, address: str, **edited: str) -> None:
    """Do what the Save button of circuit-tracer's page and its server do.

    The page was opened under the address; on every load it writes `clerps` into that.
    """
    parameters = {key: unquote(value) for key, value in parse_qsl(urlsplit(address).query)}
    known = {**parameters, "clerps": "[]", **edited}
    graph = read(path)
    graph["qParams"] = {key: known.get(key) for key in SAVED}
    path.write_text(json.dumps(graph, indent=2))


def test_the_output_stands_beside_the_graph_and_differs_in_groups_alone(
    run: Run, labelled: Path
) -> None:
    outcome = run("group", labelled)
    assert outcome.code == 0, outcome
    assert outcome.err.endswith("Written: graph.grouped.json\n")
    before, after = read(labelled), read(Path("graph.grouped.json"))
    assert list_groups(Path("graph.grouped.json")) == [["Dallas", "0_10_1", "1_11_1"]]
    after["qParams"] |= {"supernodes": [], "pinnedIds": []}
    del after["metadata"]["clerp"]["grouping"]
    assert json.dumps(after) == json.dumps(before)


def test_the_table_has_groups_and_what_is_in_none(run: Run, labelled: Path) -> None:
    outcome = run("group", labelled, "--out", "out.json")
    first = next(line for line in outcome.out.splitlines() if line.startswith("Dallas"))
    assert first.split()[1:4] == ["2", "0-1", "Dallas"]
    assert "Feature nodes in no supernode: 6 of 8" in outcome.out
    assert outcome.err == "To see it: clerp open out.json\nWritten: out.json\n"


def test_an_address_is_told_where_the_frontend_finds_the_file(run: Run, labelled: Path) -> None:
    target = ("--target", "circuit-tracer")
    outcome = run("group", labelled, "--out", "out.json", "--json", *target)
    address = json.loads(outcome.out)["address"]
    assert address.startswith("http://localhost:8046/?slug=out&")
    assert f"In circuit-tracer's frontend: {address}\n" in outcome.err
    packed = run("group", labelled, "--out", "out file.json.gz", "--json")
    assert json.loads(packed.out)["address"] is None
    assert "To see it: clerp open 'out file.json.gz'\n" in packed.err


def test_json_has_everything(run: Run, labelled: Path) -> None:
    (line,) = run("group", labelled, "--json").out.splitlines()
    record = json.loads(line)
    document = read(Path("graph.grouped.json"))
    assert {**document["metadata"]["clerp"]["grouping"]}.items() <= record.items()
    assert record["pins"] == document["qParams"]["pinnedIds"]
    assert record["graph"] == "graph.labeled"
    groups, _ = load_decoder()(record["address"])
    assert groups == {"Dallas": [(0, 1, 10), (1, 1, 11)]}


def test_grouping_twice_writes_the_same_bytes(run: Run, labelled: Path) -> None:
    run("group", labelled, "--out", "one.json")
    run("group", "one.json", "--out", "two.json")
    assert Path("one.json").read_bytes() == Path("two.json").read_bytes()


@pytest.mark.parametrize("grouper", ["name", "edges", "semantic"])
def test_every_grouper_can_be_asked_for(run: Run, labelled: Path, grouper: str) -> None:
    assert run("group", labelled, "--grouper", grouper, "--out", "out.json").code == 0
    assert read(Path("out.json"))["metadata"]["clerp"]["grouping"]["grouper"] == grouper


@pytest.mark.parametrize("name", HOSTILE)
def test_people_s_groups_are_kept_whatever_they_are_called(
    run: Run, labelled: Path, name: str
) -> None:
    document = read(labelled)
    document["qParams"] |= {"supernodes": [[name, "5_15_1", "6_16_1"]], "pinnedIds": ["E_0_0"]}
    labelled.write_text(json.dumps(document))
    outcome = run("group", labelled, "--out", "out.json", "--json")
    assert list_groups(Path("out.json"))[0] == [name, "5_15_1", "6_16_1"]
    assert read(Path("out.json"))["qParams"]["pinnedIds"][0] == "E_0_0"
    groups, _ = load_decoder()(json.loads(outcome.out)["address"])
    assert groups[name] == [(5, 1, 15), (6, 1, 16)]


def test_label_group_save_and_label_again_lose_nothing(run: Run, labelled: Path) -> None:
    target = ("--target", "circuit-tracer")
    outcome = run("group", labelled, "--out", "out.json", "--json", *target)
    grouped = read(Path("out.json"))
    address = json.loads(outcome.out)["address"]
    save_in_frontend(Path("out.json"), address, clickedId="27_0_1", pruningThreshold="0.6")
    saved = read(Path("out.json"))
    assert isinstance(saved["qParams"]["supernodes"], str)

    again = run("label", "out.json", "--features", "features", "--out", "again.json")
    assert again.code == 0, again
    after = read(Path("again.json"))
    assert after["nodes"] == grouped["nodes"]
    assert after["qParams"] == saved["qParams"]
    assert after["metadata"]["clerp"] == grouped["metadata"]["clerp"]
    assert list_groups(Path("again.json")) == grouped["qParams"]["supernodes"]
    assert list(read_pins(read_graph("again.json"))) == grouped["qParams"]["pinnedIds"]

    assert run("group", "again.json", "--out", "regrouped.json", *target).code == 0
    regrouped = read(Path("regrouped.json"))
    assert regrouped["metadata"]["clerp"] == grouped["metadata"]["clerp"]
    assert regrouped["qParams"]["supernodes"] == grouped["qParams"]["supernodes"]
    assert regrouped["qParams"]["pinnedIds"] == grouped["qParams"]["pinnedIds"]


def test_what_a_person_does_in_the_frontend_is_kept(run: Run, labelled: Path) -> None:
    outcome = run("group", labelled, "--out", "out.json", "--json")
    address = json.loads(outcome.out)["address"]
    edited = [["my & own 100%", "0_10_1", "1_11_1"], ["tokens", "E_0_0", "2_12_1"]]
    save_in_frontend(Path("out.json"), address, supernodes=json.dumps(edited))
    run("label", "out.json", "--features", "features", "--out", "again.json")
    assert run("group", "again.json", "--out", "regrouped.json").code == 0
    assert list_groups(Path("regrouped.json"))[:2] == edited


@pytest.mark.parametrize("edited", [None, "Dallas and so on"])
def test_a_name_that_clerp_gave_follows_the_labels_and_one_that_a_person_gave_stays(
    run: Run, labelled: Path, made: Path, edited: str | None
) -> None:
    outcome = run("group", labelled, "--out", "out.json", "--json")
    members = ["0_10_1", "1_11_1"]
    assert list_groups(Path("out.json")) == [["Dallas", *members]]
    theirs = {"supernodes": json.dumps([[edited, *members]])} if edited else {}
    save_in_frontend(Path("out.json"), json.loads(outcome.out)["address"], **theirs)
    ledger = Path(shutil.copy(made / "clerp.db", "clerp.db"))
    for feature in TWICE:
        rename(ledger, feature, "big towns")

    assert run("label", "out.json", "--features", "features", "--out", "again.json").code == 0
    assert read_graph("again.json").document["nodes"][0]["clerp"] == "big towns"
    record = json.loads(run("group", "again.json", "--out", "regrouped.json", "--json").out)
    assert list_groups(Path("regrouped.json")) == [[edited or "big towns", *members]]
    assert [group["origin"] for group in record["supernodes"]] == ["person" if edited else "clerp"]


def rename(ledger: Path, feature: FeatureId, label: str) -> None:
    """Let a person give a feature another label."""
    with open_ledger(str(ledger)) as opened:
        session = ReviewSession(opened, Choice("ada"))
        listed = session.list_items(limit=100, offset=0)
        item = next(row.item for row in listed if row.feature == str(feature))
        session.decide(item, act="edit", seen=0, label=label)


def test_a_compressed_graph_and_a_folder(run: Run, labelled: Path) -> None:
    assert run("group", labelled, "--out", "out/").code == 0
    assert list_groups(Path("out/graph.grouped.json"))
    assert run("group", labelled, "--out", "graph.json.gz").code == 0
    assert list_groups(Path("graph.json.gz"))


def test_bad_usage_is_one_line(run: Run, labelled: Path) -> None:
    assert_refused(run("group", "nowhere.json"), "nowhere.json", "no such file")
    assert_refused(run("group", labelled, "--grouper", "nobody"), "no grouper 'nobody'")
    assert_refused(run("group", labelled, "--target", "nowhere"), "no target")
    assert_refused(run("group", labelled, "--out", "no/where.json"), "no/where.json", "mkdir")
    assert not Path("graph.grouped.json").exists()


def test_settings_that_cannot_be_read_are_named(run: Run, labelled: Path) -> None:
    document = read(labelled)
    document["qParams"]["supernodes"] = "[["
    labelled.write_text(json.dumps(document))
    assert_refused(run("group", labelled), "qParams.supernodes")
    assert not Path("graph.grouped.json").exists()


def test_who_groups_a_graph_without_labels_is_told_what_to_do(run: Run) -> None:
    graph = write_graph(Path("graph.json"), build_tiny_graph())
    outcome = run("group", graph)
    assert outcome.code == 0
    assert "no feature has a label: run clerp label first" in outcome.err
    assert read_supernodes(read_graph("graph.grouped.json")) == ()


@pytest.mark.parametrize("changes", [{"links": []}, {"qParams": {}}, {"qParams": None}])
def test_graphs_that_lack_something(run: Run, labelled: Path, changes: Document) -> None:
    labelled.write_text(json.dumps({**read(labelled), **changes}))
    assert run("group", labelled).code == 0


def test_markup_and_control_characters_of_a_file_are_only_text(run: Run, labelled: Path) -> None:
    document = read(labelled)
    name = "[red]x[/red]\x1b[31m\nEvil"
    document["qParams"]["supernodes"] = [[name, "5_15_1", "6_16_1"]]
    labelled.write_text(json.dumps(document))
    outcome = run("group", labelled)
    assert "[red]x[/red]" in outcome.out
    assert "\x1b" not in outcome.out + outcome.err


def test_ten_thousand_pins_are_kept_and_told_of(run: Run, labelled: Path) -> None:
    document = read(labelled)
    pins = [f"9_{number}_1" for number in range(10_000)]
    document["qParams"]["pinnedIds"] = pins
    labelled.write_text(json.dumps(document))
    outcome = run("group", labelled)
    assert read(Path("graph.grouped.json"))["qParams"]["pinnedIds"][:10_000] == pins
    assert "members are not pinned" in outcome.err
    assert "servers take 65,536" in outcome.err


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_graphs_get_groups_of_two_nodes_or_more(
    run: Run, labelled_sample: Path, name: str
) -> None:
    outcome = run("group", name_labelled(labelled_sample, name), "--out", "out.json")
    assert outcome.code == 0, outcome
    groups = list_groups(Path("out.json"))
    members = [node_id for _, *ids in groups for node_id in ids]
    assert len(groups) > 5
    assert min(len(ids) for _, *ids in groups) >= 2
    assert len({group for group, *_ in groups}) == len(groups)
    assert len(set(members)) == len(members)
    assert set(members) <= {node.node_id for node in read_graph("out.json").feature_nodes}


def change_settings(document: Document) -> dict[str, Document]:
    """What people may have left in a graph before clerp groups it."""
    ids = [node["node_id"] for node in document["nodes"]]
    features = dict.fromkeys(str(node["feature"]) for node in document["nodes"][:400])
    return {
        "places": {"sg_pos": "795 581 617 850", "pinnedIds": ids[:2]},
        "200 pins": {"pinnedIds": ids[-200:]},
        "saved labels": {"clerps": json.dumps([[key, "Zanzibar"] for key in list(features)[:9]])},
    }


@pytest.mark.parametrize("case", ["places", "200 pins", "saved labels"])
def test_a_bundled_graph_comes_back_from_groups_and_a_save(
    run: Run, labelled_sample: Path, case: str
) -> None:
    document = read(name_labelled(labelled_sample, "capital-of-france"))
    document["qParams"] |= change_settings(document)[case]
    Path("given.json").write_text(json.dumps(document))
    outcome = run("group", "given.json", "--out", "out.json", "--json")
    grouped = read(Path("out.json"))
    assert drop_own_groups(read_graph("out.json")).document == document
    given = grouped["qParams"].get("clerps") or "[]"
    save_in_frontend(Path("out.json"), json.loads(outcome.out)["address"], clerps=given)
    assert run("group", "out.json", "--out", "again.json").code == 0
    again = read(Path("again.json"))
    for setting in ("supernodes", "pinnedIds"):
        assert again["qParams"][setting] == grouped["qParams"][setting]
    assert again["metadata"] == grouped["metadata"]
    assert [name for name, *_ in list_groups(Path("again.json")) if "Zanzibar" in name] == (
        ["Zanzibar"] if case == "saved labels" else []
    )


def test_a_group_that_somebody_renamed_stays_as_visible_as_it_was(
    run: Run, labelled_sample: Path
) -> None:
    outcome = run(
        "group", name_labelled(labelled_sample, "capital-of-france"), "--out", "out.json", "--json"
    )
    grouped = read(Path("out.json"))
    (_, *ids), *others = sorted(grouped["qParams"]["supernodes"], key=len, reverse=True)
    edited = json.dumps([["mine", *ids], *others])
    save_in_frontend(Path("out.json"), json.loads(outcome.out)["address"], supernodes=edited)
    run("group", "out.json", "--out", "again.json")
    again = read(Path("again.json"))
    shown = set(ids) & set(grouped["qParams"]["pinnedIds"])
    assert shown
    assert shown <= set(again["qParams"]["pinnedIds"])
    assert again["qParams"]["supernodes"][0][: len(ids) + 1] == ["mine", *ids]
