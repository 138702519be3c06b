"""How much of the queue is enough."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.ledger.review_reads import QueueEntry
from clerp.ledger.terms import ReviewTerms
from clerp.review.order import QueueOrder


def order(*entries: tuple[float, float], cover: float) -> QueueOrder:
    made = [QueueEntry(f"{n:064x}", *entry) for n, entry in enumerate(entries)]
    return QueueOrder(made, cover)


@pytest.mark.parametrize(
    ("cover", "enough"), [(0.0, 0), (0.5, 1), (0.6, 2), (0.8, 2), (0.9, 3), (1.0, 4)]
)
def test_the_stop_line_is_where_names_cover_enough(cover: float, enough: int):
    found = order((0.5, 1.0), (0.3, 1.0), (0.15, 1.0), (0.05, 1.0), cover=cover)
    assert found.n_within == enough


def test_labels_that_are_there_count_as_far_as_they_are_certain():
    entries = (0.2, 1.0), (0.8, 0.25)
    assert order(*entries, cover=0.6).n_within == 0
    assert order(*entries, cover=0.8).n_within == 1
    assert order(*entries, cover=0.9).n_within == 2


def test_without_influence_everything_is_within():
    assert order((0.0, 1.0), (0.0, 1.0), cover=0.5).n_within == 2


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1))), st.floats(0, 1))
def test_no_feature_too_many(entries: list[tuple[float, float]], cover: float):
    found = order(*entries, cover=cover)
    added = [e.share * e.uncertainty for e in found.entries]
    wanted = cover * found.total - found.covered
    assert sum(added[: found.n_within]) >= wanted - 1e-8 or found.n_within == len(entries)
    if found.n_within > 0 and found.total > 0:
        assert sum(added[: found.n_within - 1]) < wanted


def test_the_overlap_is_the_same_for_everybody_and_of_the_size_asked_for():
    items = [f"{n * 2654435761 % 2**32:08x}{n:056x}" for n in range(2_000)]
    terms = ReviewTerms(0.2, 3)
    drawn = [item for item in items if terms.is_shared(item)]
    assert len(drawn) == pytest.approx(400, rel=0.1)
    assert {terms.count_wanted(item) for item in drawn} == {3}
    assert set(drawn) < {item for item in items if ReviewTerms(0.5).is_shared(item)}
    assert not any(ReviewTerms().is_shared(item) for item in items)
    assert all(ReviewTerms(1.0).is_shared(item) for item in items)
