import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.graph import InfluenceShares, NodePlace
from clerp.graph.influence import measure_shares
from clerp.graph.shape import NodeShape

TYPES = ["cross layer transcoder", "mlp reconstruction error", "embedding"]


def find_shares(*influences, kind=TYPES[0]) -> InfluenceShares:
    shares = measure(*influences, kind=kind)
    assert shares is not None
    return shares


def measure(*influences, kind=TYPES[0]):
    nodes = {
        NodePlace(i): NodeShape(f"0_{i}_0", kind, 0, influence=influence)
        for i, influence in enumerate(influences)
    }
    return measure_shares(nodes, "graph")


def test_a_share_is_the_step_from_the_more_important_node():
    shares = find_shares(0.8, 0.2, None, 0.4)
    assert shares.by_place == {
        NodePlace(1): pytest.approx(0.25),
        NodePlace(3): pytest.approx(0.25),
        NodePlace(0): pytest.approx(0.5),
    }


def test_equal_influences_divide_their_step():
    assert find_shares(0.4, 0.4).by_place == {NodePlace(0): 0.5, NodePlace(1): 0.5}


@pytest.mark.parametrize("influences", [(), (None, None), (0.0, 0.0)])
def test_without_influence_there_are_no_shares(influences):
    assert measure(*influences) is None


def test_shares_are_summed_by_what_the_node_is():
    assert find_shares(0.5, kind=TYPES[1]).errors == 1.0
    assert find_shares(0.5, kind="lorsa error").errors == 1.0
    assert find_shares(0.5, kind=TYPES[2]).embeddings == 1.0


@given(st.lists(st.floats(min_value=0, max_value=1), min_size=1), st.randoms())
def test_shares_sum_to_one_in_any_order(influences, rng):
    shares = measure(*influences)
    if shares is None:
        assert not any(influences)
        return
    assert sum(shares.by_place.values()) == pytest.approx(1)
    assert min(shares.by_place.values()) >= 0
    shuffled = rng.sample(influences, len(influences))
    assert sorted(find_shares(*shuffled).by_place.values()) == sorted(shares.by_place.values())
