"""How much of the queue is enough, and what is left of it for one person."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.ledger.decision import Judgement, Verdict
from clerp.ledger.review_reads import QueueEntry, StandingEntry
from clerp.ledger.terms import ReviewTerms
from clerp.review.order import Judged, QueueOrder, QueueProgress


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


def stand(
    annotator: str,
    item: str = "a",
    judgement: Judgement = "",
    role: str = "",
    *,
    is_skipped: bool = False,
) -> StandingEntry:
    return StandingEntry(
        item, annotator, judgement, role, is_skipped, is_flagged=False, has_judged=True
    )


def test_a_feature_is_finished_by_oneself_or_by_as_many_as_are_wanted():
    judged = Judged("ada", by_role=False)
    both = ReviewTerms(1.0, 2)
    agreed = Verdict("agreed", "Texas", "", ("bob",))
    judged.update([stand("bob", judgement="edit")], {"a": agreed})
    assert judged.is_finished("a", ReviewTerms())
    assert not judged.is_finished("a", both)
    judged.update([stand("bob", judgement="edit"), stand("cy", judgement="edit")], {"a": agreed})
    assert judged.is_finished("a", both)
    judged.update([stand("ada", item="b", judgement="reject")], {})
    assert judged.is_finished("b", both)
    assert (judged.has_own("a"), judged.has_own("b")) == (False, True)
    assert [judged.is_named(item) for item in "ab"] == [True, False]
    assert not judged.is_finished("never touched", ReviewTerms())


def test_what_is_taken_back_is_open_again_and_was_judged_all_the_same():
    judged = Judged("ada", by_role=False)
    judged.update([stand("ada", judgement="edit")], {"a": Verdict("agreed", "x", "", ("ada",))})
    judged.update([stand("ada", is_skipped=True)], {})
    assert (judged.has_own("a"), judged.ever_judged("a"), judged.is_skipped("a")) == (
        False,
        True,
        True,
    )
    assert not judged.is_finished("a", ReviewTerms())
    assert not judged.is_named("a")
    assert list(judged.list_touched()) == ["a"]


def test_where_roles_are_asked_for_a_name_does_not_count():
    judged = Judged("ada", by_role=True)
    judged.update([stand("ada", judgement="edit")], {})
    assert not judged.has_own("a")
    judged.update([stand("ada", judgement="edit", role="input")], {})
    assert judged.has_own("a")


def follow(found: QueueOrder, judged: Judged) -> QueueProgress:
    return QueueProgress(found, judged, ReviewTerms())


def test_names_count_for_what_they_add_and_only_in_this_queue():
    found = order((0.5, 1.0), (0.3, 0.5), (0.2, 0.0), cover=1.0)
    judged = Judged("ada", by_role=False)
    progress = follow(found, judged)
    assert progress.share_named == pytest.approx(0.35)
    named = Verdict("agreed", "Texas", "", ("ada",))
    for item, share in ((found.entries[1].item, 0.5), ("f" * 64, 0.5), (found.entries[0].item, 1)):
        progress.update(judged.update([stand("ada", item, "edit")], {item: named}))
        assert progress.share_named == pytest.approx(share)
    assert follow(order((0.0, 1.0), cover=1.0), judged).share_named is None


def test_only_what_is_before_the_stop_line_is_open():
    found = order((0.5, 1.0), (0.3, 1.0), (0.2, 1.0), cover=0.8)
    items = [entry.item for entry in found.entries]
    judged = Judged("ada", by_role=False)
    progress = follow(found, judged)
    assert (list(progress.list_open()), progress.n_open) == (items[:2], 2)
    assert [progress.is_open(item) for item in (*items, "f" * 64)] == [True, True, False, False]
    for item in (items[0], items[2]):
        progress.update(judged.update([stand("ada", item, "reject")], {}))
    assert (list(progress.list_open()), progress.n_open) == ([items[1]], 1)
    assert not progress.is_open(items[0])
    # Taken back.
    progress.update(judged.update([stand("ada", items[0])], {}))
    assert list(progress.list_open()) == items[:2]


@given(st.lists(st.tuples(st.integers(0, 7), st.sampled_from(("", "edit", "reject"))), max_size=30))
def test_progress_is_the_same_step_by_step_and_at_once(steps: list[tuple[int, Judgement]]):
    found = order(*((0.1 * n, 0.9) for n in range(1, 7)), cover=0.9)
    items = [entry.item for entry in found.entries] + ["e" * 64, "f" * 64]
    judged = Judged("ada", by_role=False)
    progress = follow(found, judged)
    for n, judgement in steps:
        verdict = Verdict("agreed", "x" if judgement == "edit" else "", "", ("ada",))
        changed = judged.update(
            [stand("ada", items[n], judgement)], {items[n]: verdict} if judgement else {}
        )
        progress.update(changed)
    whole = follow(found, judged)
    assert list(progress.list_open()) == list(whole.list_open())
    assert progress.share_named == whole.share_named
    waiting = [i for i in items[: found.n_within] if not judged.has_own(i)]
    assert list(progress.list_open()) == waiting
