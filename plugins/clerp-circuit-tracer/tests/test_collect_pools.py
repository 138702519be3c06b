from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from clerp_circuit_tracer.collect.drive import Windows
from clerp_circuit_tracer.collect.pools import Entries, Pool, Ranking, Sample

N_FEATURES = 3
SIZE = 4

Entry = tuple[int, int, int]
"""Feature, rank, context; its number is its place."""

streams = st.lists(
    st.lists(
        st.tuples(st.integers(0, N_FEATURES - 1), st.integers(-5, 5), st.integers(0, 6)), max_size=9
    ),
    max_size=9,
)


def pour(pool: Pool, parts: Sequence[Sequence[tuple[int, Entry]]]) -> None:
    for part in parts:
        if part:
            offer(pool, part)


def offer(pool: Pool, part: Sequence[tuple[int, Entry]]) -> None:
    places = np.array([place for place, _ in part])
    feature, rank, context = np.array([entry for _, entry in part]).T
    admission = pool.admit(Entries(feature, rank, places, context))
    stored = places[admission.entries]
    windows = Windows(
        tokens=np.stack([stored, stored], 1).astype(np.int32),
        activations=np.stack([stored, -stored], 1).astype(np.float32),
        peak=stored.astype(np.int32),
    )
    pool.store(admission.slots, windows)


def number(stream: Sequence[Sequence[Entry]]) -> list[list[tuple[int, Entry]]]:
    places = iter(range(1000))
    return [[(next(places), entry) for entry in part] for part in stream]


@settings(deadline=None)
@given(streams)
def test_a_ranking_keeps_the_best_entry_of_the_best_contexts(
    stream: list[list[Entry]],
) -> None:
    pool = Ranking(N_FEATURES, SIZE, 2)
    numbered = number(stream)
    pour(pool, numbered)
    for feature in range(N_FEATURES):
        best: dict[int, int] = {}
        everything = [item for part in numbered for item in part if item[1][0] == feature]
        for place, (_, _, context) in sorted(everything, key=lambda item: (item[1][1], item[0])):
            best.setdefault(context, place)
        kept = pool.list_best(feature)
        assert [window.place for window in kept] == list(best.values())[:SIZE]
        assert [window.tokens.tolist() for window in kept] == [[w.place] * 2 for w in kept]
        assert [window.peak for window in kept] == [window.place for window in kept]


@settings(deadline=None)
@given(streams)
def test_a_sample_keeps_the_lowest_numbers(stream: list[list[Entry]]) -> None:
    # Ranks of a sample are all different.
    parts = [
        [(place, (feature, 1000 * rank + place, 0)) for place, (feature, rank, _) in part]
        for part in number(stream)
    ]
    pool = Sample(N_FEATURES, SIZE, 2)
    pour(pool, parts)
    for feature in range(N_FEATURES):
        ranks = sorted(e[1] for part in parts for _, e in part if e[0] == feature)
        kept = pool.list_best(feature)
        assert [window.rank for window in kept] == ranks[:SIZE]
        assert [window.tokens.tolist() for window in kept] == [[w.place] * 2 for w in kept]


def test_beyond_the_worst_rank_nothing_comes_in() -> None:
    pool = Sample(N_FEATURES, 2, 2)
    offer(pool, [(0, (1, 5, 0)), (1, (1, 9, 0)), (2, (1, 7, 0))])
    assert pool.worst[1] == 7
    assert pool.worst[0] == np.iinfo(np.int64).max
    assert pool.admit(Entries(*(np.array([n]) for n in (1, 8, 3, 0)))).entries.size == 0
