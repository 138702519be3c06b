"""JSON that is no graph, or a broken one."""

import json

import pytest
from tests.command_line import assert_refused, take_stock
from tests.integration.bad_input.workplace import (
    AGAIN,
    CHECK,
    GOOD,
    Change,
    Workplace,
    drop,
    set_to,
)
from tests.tiny_graph import FEATURES, Document, build_tiny_graph, write_graph


def repeat_node(document: Document) -> None:
    document["nodes"].append(document["nodes"][2])


def rename_node(name: str) -> Change:
    def change(document: Document) -> None:
        document["nodes"][0]["node_id"] = name
        document["links"] = []

    return change


def keep_only_errors(document: Document) -> None:
    errors = [n for n in document["nodes"] if n["feature_type"] == "mlp reconstruction error"]
    document.update(nodes=errors, links=[])


NEWER = {"schema_version": 99, "features": "of another shape"}
BROKEN_GRAPHS = {
    "empty": (lambda d: d.clear(), ": ", "missing required field `metadata`", CHECK),
    "no nodes": (drop("nodes"), ": ", "missing required field `nodes`", CHECK),
    "nodes: object": (set_to({"a": 1}, "nodes"), ", nodes: ", "expected `array`", CHECK),
    "nodes: null": (set_to(None, "nodes"), ", nodes: ", "expected `array`", CHECK),
    "node: number": (set_to(7, "nodes", 3), ", nodes[3]: ", "expected `object`", CHECK),
    "position below 0": (set_to(-1, "nodes", 0, "ctx_idx"), ", nodes[0].ctx_idx: ", "0", CHECK),
    "metadata: list": (set_to([], "metadata"), ", metadata: ", "expected `object`", CHECK),
    "links: null": (set_to(None, "links"), ", links: ", "expected `array`", CHECK),
    "no links": (drop("links"), ": ", "missing required field `links`", CHECK),
    "link: text": (set_to("a", "links", 1), ", links[1]: ", "expected `object`", CHECK),
    "weight: text": (
        set_to("1", "links", 1, "weight"),
        ", links[1].weight: ",
        "expected `float`, got `str`",
        CHECK,
    ),
    "link to nowhere": (
        set_to("9_9_9", "links", 2, "target"),
        ", links[2]: ",
        "1 of 24 links name nodes that are not in the graph, first '9_9_9'",
        AGAIN,
    ),
    "twins": (
        repeat_node,
        ", nodes[14]: ",
        "node_id '2_12_1' is already that of the feature nodes[2]",
        AGAIN,
    ),
    "id beyond 64 bits": (
        rename_node(f"0_{2**63}_1"),
        ", nodes[0]: ",
        f"the id '0_{2**63}_1' has a number beyond 64 bits",
        AGAIN,
    ),
    "id of 10,000 digits": (
        rename_node(f"0_{'9' * 10_000}_1"),
        ", nodes[0]: ",
        "beyond 64 bits",
        AGAIN,
    ),
    "feature beyond 64 bits": (
        set_to(2**64, "nodes", 0, "feature"),
        ", nodes[0].feature: ",
        f"expected `int` <= {2**63 - 1}",
        CHECK,
    ),
    "id of no feature": (
        rename_node("Dallas"),
        ", nodes[0]: ",
        "the id 'Dallas' of a feature node names no feature",
        "layer_index_position",
    ),
    "influence of 4": (
        set_to(4.0, "nodes", 0, "influence"),
        ", nodes[0].influence: ",
        "cumulative influence 4.0 is not between 0 and 1",
        AGAIN,
    ),
    "no features": (
        keep_only_errors,
        ": ",
        "no feature nodes among 2 nodes (types: mlp reconstruction error)",
        "Export the graph with a higher node_threshold",
    ),
    "newer clerp": (
        set_to(NEWER, "metadata", "clerp"),
        ", metadata.clerp: ",
        "labelled by a newer clerp (schema 99, this one reads 1)",
        "Run: pip install --upgrade clerp",
    ),
    "broken record": (
        set_to({"schema_version": 1, "features": []}, "metadata", "clerp"),
        ", metadata.clerp.features: ",
        "expected `object`, got `array`",
        CHECK,
    ),
}


@pytest.mark.parametrize(
    ("change", "spot", "what", "remedy"), BROKEN_GRAPHS.values(), ids=BROKEN_GRAPHS
)
def test_a_broken_graph_is_named_with_the_place_in_it(
    place: Workplace, change: Change, spot: str, what: str, remedy: str
) -> None:
    document = build_tiny_graph()
    change(document)
    write_graph(place.graph, document)

    place.assert_label_refused(f"clerp: {place.graph}{spot}", what, remedy)


@pytest.mark.parametrize("command", [["route"], ["why", FEATURES[0]]])
def test_every_command_that_reads_a_graph_refuses_it_alike(
    place: Workplace, command: list[object]
) -> None:
    place.graph.write_bytes(b"[]")
    before = take_stock(place.folder)
    name, *more = command

    assert_refused(place.run(name, place.graph, *more), f"clerp: {place.graph}: ", CHECK)
    assert take_stock(place.folder) == before


def test_one_bad_graph_of_several_keeps_all_from_being_written(place: Workplace) -> None:
    broken = place.folder / "broken.json"
    broken.write_bytes(b"[]")
    before = take_stock(place.folder)

    outcome = place.run("label", place.graph, broken, "--ledger", place.ledger)

    assert_refused(outcome, f"clerp: {broken}: not an attribution graph", CHECK)
    assert take_stock(place.folder) == before


def test_of_two_equal_keys_the_last_counts_as_for_every_reader_of_json(place: Workplace) -> None:
    place.graph.write_bytes(GOOD.rstrip()[:-1] + b', "links": []}')

    assert place.label().code == 0
    assert json.loads(place.out.read_bytes())["links"] == []
    assert {f["status"] for f in place.read_features().values()} == {"labeled"}


def test_names_of_files_and_nodes_stay_on_one_line_and_cannot_steer_a_terminal(
    place: Workplace,
) -> None:
    graph = place.folder / "a\n\x1b[31mb.json"
    document = build_tiny_graph()
    rename_node("\x1b]0;x\x07\nDallas")(document)
    write_graph(graph, document)

    outcome = place.label(graph=graph)

    assert_refused(outcome, "of a feature node names no feature")
    assert outcome.err.rstrip("\n").isprintable()
