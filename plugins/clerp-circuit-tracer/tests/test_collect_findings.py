from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clerp.errors import EvidenceError
from clerp.feature import FeatureId
from clerp_circuit_tracer.collect.activity import Batch, LayerActivity, Row
from clerp_circuit_tracer.collect.batches import Mark, cut_batches
from clerp_circuit_tracer.collect.examples import choose_examples, choose_inactive
from clerp_circuit_tracer.collect.findings import Findings, read_margins
from clerp_circuit_tracer.collect.hashing import locate
from clerp_circuit_tracer.collect.pools import PooledWindow
from clerp_circuit_tracer.collect.settings import CollectSettings
from clerp_circuit_tracer.collect.wanted import sort_wanted

from .collect_reader import TableReader, make_rows
from .collect_reference import Spot, observe, rank_contexts, select

FEATURES = [FeatureId(2, 7), FeatureId(0, 3), FeatureId(0, 11)]
SMALL = CollectSettings(
    top_examples=6,
    interval_examples=3,
    inactive_examples=4,
    context=6,
    spacing=5,
    distinct=2,
    peak_sample=12,
    other_sample=8,
    batch_tokens=200,
    shard_rows=10,
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def gather(
    rows: Sequence[Row], reader: TableReader, chosen: CollectSettings = SMALL, prefix: int = 1
) -> Findings:
    findings = Findings(sort_wanted(reader.features, reader), chosen)
    for step in cut_batches(rows, chosen, start=Mark(rows[0].number), prefix=prefix):
        findings.add(step.batch, reader.read(step.batch))
    return findings


def list_places(windows: Sequence[PooledWindow]) -> list[tuple[int, int]]:
    places = [locate(window.place) for window in windows]
    return [(place.row, place.position) for place in places]


def list_spots(spots: Sequence[Spot]) -> list[tuple[int, int]]:
    return [(spot.row, spot.position) for spot in spots]


corpora = st.builds(
    make_rows,
    n_rows=st.integers(1, 30),
    longest=st.integers(3, 60),
    n_tokens=st.sampled_from([3, 6, 50]),
    seed=st.integers(0, 1000),
)
readers = st.builds(
    TableReader,
    features=st.just(FEATURES),
    shift=st.sampled_from([50.0, 1.0, 0.0, -50.0]),
    seed=st.integers(0, 1000),
)


@settings(deadline=None)
@given(rows=corpora, reader=readers, prefix=st.integers(0, 2))
def test_everything_is_as_if_the_whole_corpus_had_been_seen_at_once(
    rows: list[Row], reader: TableReader, prefix: int
) -> None:
    findings = gather(rows, reader, prefix=prefix)
    for number in range(len(FEATURES)):
        reference = observe(rows, reader, number, SMALL, prefix)
        found = findings.tallies.describe(number)
        assert findings.n_tokens == reference.n_tokens
        assert found.n_positive == len(reference.positive)
        if found.n_positive:
            ends = (reference.positive.min(), reference.positive.max())
            assert (found.act_min, found.act_max) == ends
            assert (found.edges[-1], found.quantiles[-1]) == ends
        assert sum(found.histogram) == found.n_positive

        followed = [spot for spot in reference.peaks if spot.followed]
        unfollowed = [spot for spot in reference.peaks if not spot.followed]
        n_kept = 2 * SMALL.top_examples
        ranked = [*rank_contexts(followed, n_kept), *rank_contexts(unfollowed, n_kept)]
        groups = choose_examples(findings, number, found, SMALL)
        top = groups[0].windows if groups else []
        expected = select(ranked, SMALL.top_examples, SMALL.spacing)
        assert list_places(top) == list_spots(expected)
        assert [window.tokens.tolist() for window in top] == [list(s.window) for s in expected]

        missed = rank_contexts(reference.near_misses, 2 * SMALL.inactive_examples)
        inactive = choose_inactive(findings, number, SMALL)
        expected = select(missed, SMALL.inactive_examples, SMALL.spacing)
        assert list_places(inactive.near_misses) == list_spots(expected)
        ranks = np.array([window.rank for window in inactive.near_misses], dtype=np.int64)
        assert read_margins(ranks).tolist() == [spot.value for spot in expected]
        off = {(spot.row, spot.window) for spot in reference.off_windows}
        assert {
            (locate(window.place).row, tuple(window.tokens.tolist())) for window in inactive.random
        } <= off
        assert bool(inactive.random or inactive.near_misses) == bool(off)


@settings(deadline=None)
@given(rows=corpora, reader=readers)
def test_examples_of_an_interval_are_inside_it_and_lie_apart(
    rows: list[Row], reader: TableReader
) -> None:
    findings = gather(rows, reader)
    for number in range(len(FEATURES)):
        found = findings.tallies.describe(number)
        groups = choose_examples(findings, number, found, SMALL)
        places = [place for group in groups for place in list_places(group.windows)]
        for (row, position), (other_row, other) in combinations(places, 2):
            assert row != other_row or abs(position - other) >= SMALL.spacing
        windows = [window.tokens.tobytes() for group in groups for window in group.windows]
        assert len(windows) == len(set(windows))
        for group, high, low in zip(groups[1:], found.edges, found.edges[1:], strict=False):
            for window in group.windows:
                assert low <= window.activations[window.peak] <= high


@settings(deadline=None)
@given(
    rows=corpora,
    batch_tokens=st.integers(1, 400),
    shard_rows=st.integers(1, 30),
    order=st.randoms(use_true_random=False),
)
def test_batches_and_their_order_make_no_difference(
    rows: list[Row], batch_tokens: int, shard_rows: int, order
) -> None:
    reader = TableReader(FEATURES)
    other = SMALL.model_copy(update={"batch_tokens": batch_tokens, "shard_rows": shard_rows})
    batches = [step.batch for step in cut_batches(rows, other, start=Mark(), prefix=1)]
    order.shuffle(batches)
    findings = Findings(sort_wanted(FEATURES, reader), SMALL)
    for batch in batches:
        findings.add(batch, reader.read(batch))
    assert describe(findings) == describe(gather(rows, reader))


def describe(findings: Findings) -> list[object]:
    pools = (
        findings.followed,
        findings.unfollowed,
        findings.peaks,
        findings.others,
        findings.random,
        findings.near_misses,
    )
    return [
        (
            findings.tallies.describe(number),
            [
                (w.rank, w.place, w.peak, w.tokens.tolist(), w.activations.tolist())
                for pool in pools
                for w in pool.list_best(number)
            ],
        )
        for number in range(len(FEATURES))
    ]


SAMPLED_ROWS = make_rows(60, shortest=30, longest=60)
SAMPLED = TableReader(FEATURES, shift=0.5)
N_SEEDS = 400


@pytest.fixture(scope="module")
def drawn_rows() -> dict[str, Counter[int]]:
    """Rows that the pools of the first feature draw, over all seeds."""
    drawn: dict[str, Counter[int]] = {name: Counter() for name in ("peaks", "others", "random")}
    for seed in range(N_SEEDS):
        seeded = SMALL.model_copy(update={"seed": seed, "batch_tokens": 2000, "shard_rows": 60})
        findings = gather(SAMPLED_ROWS, SAMPLED, seeded)
        for name, counts in drawn.items():
            windows = getattr(findings, name).list_best(0)
            counts.update(locate(window.place).row for window in windows)
    return drawn


@pytest.mark.parametrize("pool", ["peaks", "others", "random"])
def test_samples_are_uniform(pool: str, drawn_rows: dict[str, Counter[int]]) -> None:
    reference = observe(SAMPLED_ROWS, SAMPLED, 0, SMALL, 1)
    spots = {
        "peaks": reference.peaks,
        "others": reference.others,
        "random": reference.off_windows,
    }[pool]
    drawn = drawn_rows[pool]
    n_drawn = drawn.total()
    chances = Counter(spot.row for spot in spots)
    expected = {row: n_drawn * chance / len(spots) for row, chance in chances.items()}
    statistic = sum((drawn[row] - mean) ** 2 / mean for row, mean in expected.items())
    degrees = len(expected) - 1
    assert min(expected.values()) > 5
    assert len(spots) > 4 * n_drawn / N_SEEDS
    # Five standard deviations of a chi-square variable.
    assert statistic < degrees + 5 * (2 * degrees) ** 0.5


def test_two_features_draw_different_places() -> None:
    findings = gather(make_rows(100), TableReader(FEATURES))
    first, second = (set(list_places(findings.random.list_best(n))) for n in (0, 1))
    assert len(first & second) < len(first) / 2


def test_memory_does_not_grow_with_the_corpus() -> None:
    reader = TableReader(FEATURES)
    few, many = (gather(make_rows(n), reader) for n in (5, 400))
    sizes = [{name: a.nbytes for name, a in f.arrays.items()} for f in (few, many)]
    assert sizes[0] == sizes[1]


def test_a_feature_takes_about_200_kilobytes() -> None:
    reader = TableReader(FEATURES)
    findings = Findings(sort_wanted(FEATURES, reader), CollectSettings())
    assert sum(a.nbytes for a in findings.arrays.values()) / len(FEATURES) < 205_000


def test_of_duplicated_documents_each_context_comes_once() -> None:
    rows = make_rows(20, shortest=40)
    copies = [Row(number, rows[number % 20].tokens) for number in range(100)]
    reader = TableReader(FEATURES)
    once, five_times = gather(rows, reader), gather(copies, reader)
    for number in range(len(FEATURES)):
        tops = [
            choose_examples(f, number, f.tallies.describe(number), SMALL)[0]
            for f in (once, five_times)
        ]
        assert list_places(tops[0].windows) == list_places(tops[1].windows)
        windows = five_times.random.list_best(number)
        chosen = choose_inactive(five_times, number, SMALL).random
        texts = [window.tokens.tobytes() for window in chosen]
        assert len(texts) == len(set(texts))
        assert len(windows) >= len(texts)


def test_a_feature_that_is_as_strong_everywhere_shows_one_place_a_row() -> None:
    reader = TableReader(FEATURES, n_tokens=1, shift=50.0)
    tokens = torch.zeros(100, dtype=torch.long)
    findings = gather([Row(number, tokens) for number in range(3)], reader)
    # The first token has none before it, and from the second on all are equal.
    assert len(findings.peaks.list_best(0)) <= 6
    assert findings.tallies.describe(0).n_positive == 3 * 99


def test_an_activation_that_is_not_finite_is_an_error() -> None:
    reader = TableReader(FEATURES)
    reader.given[7, 1] = torch.nan
    with pytest.raises(EvidenceError, match=r"rows 0 to 9 .*0_11 is not finite.*float32"):
        gather(make_rows(10), reader, SMALL.model_copy(update={"batch_tokens": 10_000}))


def test_a_layer_that_the_model_left_out_is_an_error() -> None:
    class Forgetful(TableReader):
        def read(self, batch: Batch):
            return (layer for layer in super().read(batch) if layer.layer != 2)

    with pytest.raises(EvidenceError, match=r"no activations of the layers \[2\]"):
        gather(make_rows(10), Forgetful(FEATURES))


def test_activations_of_another_shape_are_an_error() -> None:
    class Narrow(TableReader):
        def read(self, batch: Batch):
            for layer in super().read(batch):
                narrow = layer.activations[..., :1], layer.margins[..., :1]
                yield LayerActivity(layer.layer, *narrow)

    with pytest.raises(EvidenceError, match="activations of layer 0 have the shape"):
        gather(make_rows(10), Narrow(FEATURES))
