from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.grouping.clustering import NEVER, cluster


def symmetric(n: int, pairs: dict[tuple[int, int], float], default: float = 0.0):
    matrix = np.full((n, n), default)
    for (one, other), value in pairs.items():
        matrix[one, other] = matrix[other, one] = value
    return matrix


@st.composite
def similarities(draw: st.DrawFn):
    n = draw(st.integers(0, 8))
    # No two averages of such numbers are equal, so that there is one right answer.
    values = np.random.default_rng(draw(st.integers(0, 2**32))).random(n * (n - 1) // 2)
    never = draw(st.sets(st.integers(0, max(len(values) - 1, 0))))
    pairs = enumerate(combinations(range(n), 2))
    return symmetric(n, {pair: NEVER if i in never else values[i] for i, pair in pairs})


def merge_by_hand(similarity: np.ndarray, threshold: float) -> set[frozenset[int]]:
    clusters = [frozenset({i}) for i in range(len(similarity))]
    while len(clusters) > 1:
        one, other = max(
            combinations(clusters, 2),
            key=lambda pair: similarity[np.ix_(sorted(pair[0]), sorted(pair[1]))].mean(),
        )
        if similarity[np.ix_(sorted(one), sorted(other))].mean() < threshold:
            break
        clusters = [c for c in clusters if c not in (one, other)] + [one | other]
    return set(clusters)


@given(similarities(), st.sampled_from([0.2503, 0.5003, 0.7503]))
def test_clusters_are_those_of_average_linkage(similarity: np.ndarray, threshold: float):
    found = cluster(similarity, threshold)

    assert set(map(frozenset, found)) == merge_by_hand(similarity, threshold)


@given(similarities())
def test_every_node_is_in_one_cluster_and_no_cluster_holds_a_forbidden_pair(
    similarity: np.ndarray,
):
    found = cluster(similarity, 0.3)

    assert sorted(node for each in found for node in each) == list(range(len(similarity)))
    for each in found:
        assert all(similarity[pair] > NEVER for pair in combinations(each, 2))


def test_a_chain_of_likes_is_no_cluster():
    chain = symmetric(4, {(0, 1): 0.6, (1, 2): 0.55, (2, 3): 0.6})

    assert cluster(chain, 0.5) == ((0, 1), (2, 3))


def test_of_equal_pairs_the_first_is_merged():
    ties = symmetric(3, {(0, 1): 0.5, (1, 2): 0.5})

    assert cluster(ties, 0.5) == ((0, 1), (2,))


@pytest.mark.parametrize("n", [0, 1])
def test_few_nodes_are_clusters_of_their_own(n: int):
    assert cluster(np.zeros((n, n)), 0.5) == tuple((i,) for i in range(n))


def test_what_is_given_is_not_changed():
    given_matrix = symmetric(3, {(0, 1): 0.9})
    before = given_matrix.copy()

    cluster(given_matrix, 0.5)

    assert (given_matrix == before).all()


def test_an_average_that_is_the_threshold_is_enough():
    thirds = symmetric(4, {(0, 2): 2 / 3, (0, 3): 1 / 3, (1, 2): 0.5, (1, 3): 5 / 6, (2, 3): 1 / 6})

    assert cluster(thirds, 0.25) == ((0, 1, 2, 3),)
