from tests.unit.graph.conftest import build_graph

from clerp.graph import AttributionGraph, read_graph
from clerp.report.html.proposed import find_proposed
from clerp.report.html.recorded import RecordedGroup, RecordedGrouping

OWN = RecordedGroup("its", ("0_10_1", "1_11_1"), True, ("makes a cycle",))
GROWN = RecordedGroup("mine", ("2_12_1", "3_13_1"), False, ("spans 9 layers",))
RECORD = RecordedGrouping("semantic", (GROWN, OWN))


def make(*supernodes: list[str]) -> AttributionGraph:
    document = build_graph(n_features=6)
    document["qParams"]["supernodes"] = list(supernodes)
    return read_graph(document)


def test_supernodes_that_are_as_clerp_left_them_count_with_their_warnings():
    graph = make(["mine", *GROWN.node_ids], ["its", *OWN.node_ids], ["other", "4_14_1"])
    found = find_proposed(graph, RECORD)
    assert (found.grouper, found.n_own) == ("semantic", 1)
    assert found.warnings == (("mine", "spans 9 layers"), ("its", "makes a cycle"))


def test_supernodes_that_people_renamed_changed_or_removed_are_no_more_clerps():
    for changed in (["Its", *OWN.node_ids], ["its", "0_10_1"], ["its", *OWN.node_ids, "4_14_1"]):
        found = find_proposed(make(changed), RECORD)
        assert (found.n_own, found.warnings) == (0, ()), changed
    assert find_proposed(make(), RECORD).warnings == ()


def test_a_supernode_without_a_feature_of_the_graph_is_not_told_of():
    ghost = RecordedGroup("ghost", ("9_99_1",), True, ("empty",))
    found = find_proposed(make(["ghost", "9_99_1"]), RecordedGrouping("name", (ghost,)))
    assert (found.n_own, found.warnings) == (0, ())
