"""One person, and two, at a queue."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from tests.unit.ledger.records import SET, make_item

from clerp.errors import ConflictError, UnknownItemError, UsageError
from clerp.ledger import Ledger, QueueItem, open_ledger
from clerp.ledger.decision import Act, GivenRole, Verdict
from clerp.ledger.queue import hash_key
from clerp.ledger.record import Shown, Snapshot
from clerp.ledger.review_reads import QueueFilter
from clerp.ledger.terms import ReviewTerms
from clerp.review.item import ReviewItem, Sight
from clerp.review.session import Choice, ReviewSession
from clerp.review.snapshot import (
    Content,
    FeatureSnapshot,
    GraphSnapshot,
    NeighbourView,
    NodeView,
    OccurrenceSnapshot,
    ProposalView,
    encode,
)

PROPOSAL = ProposalView(
    role="cross",
    tier=2,
    confidence="medium",
    route_reason="cross leads",
    steps=("cross leads",),
    scores={},
    margin=1.0,
    p=0.01,
    status="labeled",
    label="US geography",
    method="max-act-logits",
    model="m-2026",
    reason="places in the United States",
    hint="Texas | is | Austin",
    notes=(),
    candidates=(),
)


def keep(content: Content) -> Snapshot:
    return Snapshot(repr(content), lambda: encode(content))


NAMED = make_item(
    4, status="labeled", label="US geography", method="max-act-logits", uncertainty=0.5, share=0.2
)
ITEMS = [make_item(1, share=0.5), make_item(2, share=0.3), make_item(3, share=0.1), NAMED]
ARTEFACT = make_item(5, role="artefact", status="abstained", share=0.9)


def agree_on(ledger: Ledger, overlap: float = 1.0, annotators: int = 2) -> None:
    with ledger.reviewing() as writes:
        writes.agree_on(ReviewTerms(overlap, annotators))


def ident(item: QueueItem) -> str:
    return hash_key(item.key)


FIRST, SECOND, THIRD, FOURTH = (ident(item) for item in ITEMS)


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    features = {
        item.key: keep(FeatureSnapshot(replace(PROPOSAL, label=item.label)))
        for item in (*ITEMS, ARTEFACT)
    }
    neighbour = NeighbourView("feature", "3_4", 2.5)
    node = NodeView("3_1_2", 2, 7.5, 41.0, 0.5)
    occurrences = {(ITEMS[0].key, "dallas"): keep(OccurrenceSnapshot((node,), (neighbour,), ()))}
    graphs = {"dallas": keep(GraphSnapshot("dallas", ("The", " capital", " of")))}
    with open_ledger(":memory:") as opened:
        opened.queue_features(
            [*ITEMS, ARTEFACT],
            transcoders=SET,
            graphs=["dallas"],
            run_id="run",
            shown=Shown(features, occurrences, graphs),
        )
        yield opened


def sit(ledger: Ledger, annotator: str = "ada", **choice: object) -> ReviewSession:
    uids = count(1)
    given = Choice(annotator, cover=1.0)
    return ReviewSession(
        ledger,
        replace(given, **choice),
        now=lambda: 1_000.0,
        make_uid=lambda: f"{annotator}-{next(uids)}",
    )


def decide_and_show(session: ReviewSession, item: str, **decision: Any) -> ReviewItem:
    session.decide(item, **decision)
    return session.show(item)


def test_what_would_add_most_comes_first_and_artefacts_not_at_all(ledger: Ledger):
    session = sit(ledger)
    order: list[str] = []
    while (item := session.find_next()) is not None:
        order.append(item)
        session.decide(item, act="reject", seen=0)
    assert order == [FIRST, SECOND, THIRD, FOURTH]


def test_a_skipped_feature_comes_again_after_all_others(ledger: Ledger):
    session = sit(ledger)
    session.decide(FIRST, act="skip", seen=0)
    for item in (SECOND, THIRD, FOURTH):
        assert session.find_next() == item
        session.decide(item, act="reject", seen=0)
    assert session.find_next() == FIRST
    assert session.find_next(after=FIRST) == FIRST


def test_the_place_in_the_queue_outlives_the_session(ledger: Ledger):
    sit(ledger).decide(FIRST, act="edit", seen=0, label="Texas")
    assert sit(ledger).find_next() == SECOND


def test_the_stop_line_ends_the_queue(ledger: Ledger):
    session = sit(ledger, cover=0.5)
    session.decide(FIRST, act="reject", seen=0)
    assert session.find_next() is None
    assert session.place(FIRST).n_items == 1


def test_a_feature_is_shown_with_its_neighbours_names(ledger: Ledger):
    shown = sit(ledger).show(FIRST)
    assert shown.snapshot is not None
    assert shown.snapshot.proposal is not None
    (occurrence,) = shown.occurrences
    assert occurrence.graph.prompt_tokens == ("The", " capital", " of")
    assert occurrence.occurrence.nodes[0].act_pct == 41.0
    assert occurrence.names["3_4"].label == "US geography"
    assert occurrence.names["3_4"].item == FOURTH


def test_blind_shows_no_proposal_and_no_names_before_the_judgement(ledger: Ledger):
    session = sit(ledger, is_blind=True)
    before = session.show(FOURTH)
    assert before.is_blind
    assert before.snapshot is not None
    assert before.snapshot.proposal is None
    assert before.similar == ()
    assert {n.label for n in session.show(FIRST).occurrences[0].names.values()} == {""}
    assert "US geography" not in repr(session.list_items(limit=9, offset=0))
    after = decide_and_show(session, FOURTH, act="edit", seen=0, label="states")
    assert after.snapshot is not None
    assert after.snapshot.proposal is not None
    assert after.history[-1].is_blind


def test_accepting_takes_the_proposal_and_needs_one(ledger: Ledger):
    session = sit(ledger)
    accepted = decide_and_show(session, FOURTH, act="accept", seen=0, label="US geography")
    assert accepted.verdict is not None
    assert accepted.verdict.label == "US geography"
    with pytest.raises(UsageError, match="there is no label to accept"):
        session.decide(FIRST, act="accept", seen=0, label="")


def test_only_the_label_that_was_shown_can_be_accepted(ledger: Ledger):
    session = sit(ledger)
    now = replace(NAMED, label="Austin things")
    ledger.queue_features([*ITEMS[:3], now], transcoders=SET, graphs=["dallas"], run_id="next")
    with pytest.raises(ConflictError, match="clerp calls the feature 'Austin things' since"):
        session.decide(FOURTH, act="accept", seen=0, label="US geography")
    blind = sit(ledger, is_blind=True)
    with pytest.raises(UsageError, match="there is no label to accept"):
        blind.decide(FOURTH, act="accept", seen=0, label="Austin things")


def test_what_is_held_back_is_neither_suggested_nor_a_neighbours_name(ledger: Ledger):
    agree_on(ledger)
    ada = sit(ledger, "ada")
    sit(ledger, "bob").decide(FOURTH, act="edit", seen=0, label="bobs name")
    assert ada.suggest("bobs") == []
    assert ada.show(FIRST).occurrences[0].names["3_4"].label == "US geography"
    blind = sit(ledger, "cy", is_blind=True)
    assert blind.suggest("US") == []
    blind.decide(FIRST, act="reject", seen=0)
    assert blind.show(FIRST).occurrences[0].names["3_4"].label == ""


def test_who_has_seen_the_others_is_not_blind_again_after_an_undo(ledger: Ledger):
    session = sit(ledger, is_blind=True)
    session.decide(FOURTH, act="edit", seen=0, label="states")
    session.undo()
    shown = session.show(FOURTH)
    assert not shown.is_blind
    again = decide_and_show(session, FOURTH, act="edit", seen=shown.seen, label="US states")
    assert [d.is_blind for d in again.history if d.act == "edit"] == [True, False]


def test_a_comment_of_another_is_no_conflict(ledger: Ledger):
    sit(ledger, "bob").decide(FIRST, act="comment", seen=0, comment="hm")
    shown = decide_and_show(sit(ledger), FIRST, act="edit", seen=0, label="Texas")
    assert shown.own is not None
    assert shown.own.label == "Texas"


def test_a_label_is_kept_as_written_or_not_at_all(ledger: Ledger):
    session = sit(ledger)
    shown = decide_and_show(session, FIRST, act="edit", seen=0, label=" say  Austin\n")
    assert shown.own is not None
    assert shown.own.label == "say Austin"
    for label, left in (
        ("C++", "'C'"),
        ("say\u202e Austin", "'say Austin'"),
        ("<b>say Austin", "'bsay Austin'"),
        ("word " * 9, "…'"),
    ):
        with pytest.raises(UsageError, match=f"frontends would show .*{left}. Write it so"):
            session.decide(SECOND, act="edit", seen=0, label=label)
    with pytest.raises(UsageError, match="nothing is left"):
        session.decide(SECOND, act="edit", seen=0, label="\u200b \u202e")


def test_two_people_are_not_offered_the_same_feature(ledger: Ledger):
    ada, bob = sit(ledger, "ada"), sit(ledger, "bob")
    ada.show(FIRST)
    assert bob.find_next() == SECOND
    ada.decide(FIRST, act="reject", seen=0)
    assert ada.find_next() == SECOND


def test_who_opens_what_another_has_open_is_told(ledger: Ledger):
    ada, bob = sit(ledger, "ada"), sit(ledger, "bob")
    assert not ada.show(FIRST).is_open_elsewhere
    assert bob.show(FIRST).is_open_elsewhere
    assert not ada.show(FIRST).is_open_elsewhere


def test_what_another_decided_meanwhile_is_a_conflict_and_nothing_is_lost(ledger: Ledger):
    ada, bob = sit(ledger, "ada"), sit(ledger, "bob")
    seen = bob.show(FIRST).seen
    ada.decide(FIRST, act="edit", seen=0, label="Texas")
    with pytest.raises(ConflictError, match="ada decided meanwhile: edit 'Texas'"):
        bob.decide(FIRST, act="edit", seen=seen, label="Austin")
    again = bob.show(FIRST)
    assert [s.label for s in again.others] == ["Texas"]
    settled = decide_and_show(bob, FIRST, act="edit", seen=again.seen, label="Austin")
    assert settled.verdict is not None
    assert (settled.verdict.state, settled.verdict.label) == ("agreed", "Austin")


def test_on_the_overlap_people_are_blind_to_each_other_and_disagreements_are_listed(
    ledger: Ledger,
):
    agree_on(ledger)
    ada, bob = sit(ledger, "ada"), sit(ledger, "bob")
    ada.decide(FIRST, act="edit", seen=0, label="Texas")
    assert bob.find_next() == FIRST
    shown = bob.show(FIRST)
    assert (shown.others, shown.verdict, shown.disputed, shown.seen) == ((), None, (), 0)
    assert bob.list_disputes() == []
    bob.decide(FIRST, act="edit", seen=0, label="Austin")
    (dispute,) = bob.list_disputes()
    assert dispute.about == ("name",)
    assert [(s.annotator, s.label) for s in dispute.standings] == [
        ("ada", "Texas"),
        ("bob", "Austin"),
    ]
    both = bob.show(FIRST)
    assert both.disputed == ("name",)
    bob.decide(FIRST, act="edit", seen=both.seen, label="Texas")
    assert bob.list_disputes() == []


def test_on_the_overlap_nothing_is_locked_before_all_have_judged(ledger: Ledger):
    agree_on(ledger, annotators=3)
    people = [sit(ledger, name) for name in ("ada", "bob", "cy")]
    found = [decide_and_show(p, FIRST, act="edit", seen=0, label="Texas").verdict for p in people]
    assert [verdict and verdict.label for verdict in found] == [None, None, "Texas"]
    assert people[2].undo() == FIRST
    assert people[0].show(FIRST).verdict is None


def test_on_the_overlap_a_change_of_mind_settles_nothing_before_all_have_judged(ledger: Ledger):
    agree_on(ledger, annotators=3)
    ada, bob, cy = (sit(ledger, name) for name in ("ada", "bob", "cy"))
    for person, label in ((ada, "Texas"), (bob, "Austin")):
        person.decide(FIRST, act="edit", seen=0, label=label)
    assert ada.list_disputes() == []
    changed = decide_and_show(ada, FIRST, act="edit", seen=ada.show(FIRST).seen, label="Dallas")
    assert changed.verdict is None
    disputed = decide_and_show(cy, FIRST, act="edit", seen=0, label="Austin").verdict
    assert disputed is not None
    assert disputed.state == "disputed"
    settled = decide_and_show(
        ada, FIRST, act="edit", seen=ada.show(FIRST).seen, label="Austin"
    ).verdict
    assert settled is not None
    assert (settled.state, settled.label) == ("agreed", "Austin")


@pytest.mark.parametrize("act", ["comment", "flag", "skip"])
def test_what_says_nothing_neither_locks_nor_unlocks(ledger: Ledger, act: Act):
    ada, bob, cy = (sit(ledger, name) for name in ("ada", "bob", "cy"))
    ada.decide(FIRST, act="edit", seen=0, label="Texas")
    agree_on(ledger, annotators=3)
    for person in (ada, bob):
        shown = decide_and_show(person, FIRST, act=act, seen=person.show(FIRST).seen, comment="hm")
        assert ada.show(FIRST).verdict == Verdict("agreed", "Texas", "", ("ada",)), shown
    for person in (ada, bob):
        person.decide(SECOND, act="edit", seen=0, label="Texas")
        person.decide(SECOND, act=act, seen=person.show(SECOND).seen, comment="hm")
    assert ada.show(SECOND).verdict is None
    assert cy.find_next() == FIRST


def test_a_name_and_a_role_each_need_as_many_as_were_agreed(ledger: Ledger):
    agree_on(ledger)
    ada, bob = sit(ledger, "ada"), sit(ledger, "bob", task="roles")
    ada.decide(FIRST, act="edit", seen=0, label="Texas")
    assert decide_and_show(bob, FIRST, act="role", seen=0, role="output").verdict is None
    cy = decide_and_show(sit(ledger, "cy"), FIRST, act="edit", seen=0, label="Texas", role="output")
    assert cy.verdict == Verdict("agreed", "Texas", "output", ("ada", "bob", "cy"))


def test_what_waits_under_stricter_terms_is_offered_under_looser_ones(ledger: Ledger):
    agree_on(ledger)
    ada, bob = sit(ledger, "ada"), sit(ledger, "bob")
    ada.decide(FIRST, act="edit", seen=0, label="Texas")
    agree_on(ledger, overlap=0.0)
    assert bob.find_next() == FIRST
    again = decide_and_show(ada, FIRST, act="edit", seen=ada.show(FIRST).seen, label="Texas")
    assert again.verdict == Verdict("agreed", "Texas", "", ("ada",))
    assert bob.find_next() == SECOND


def test_people_whose_clocks_differ_settle_what_they_dispute(ledger: Ledger):
    agree_on(ledger)
    ada = ReviewSession(ledger, Choice("ada", cover=1.0), now=lambda: 10_000.0)
    bob = ReviewSession(ledger, Choice("bob", cover=1.0), now=lambda: 9_000.0)
    ada.decide(FIRST, act="edit", seen=0, label="Texas")
    bob.decide(FIRST, act="edit", seen=0, label="Austin")
    settled = decide_and_show(
        bob, FIRST, act="edit", seen=bob.show(FIRST).seen, label="Austin"
    ).verdict
    assert settled == Verdict("agreed", "Austin", "", ("bob",))


def test_terms_that_hide_more_hide_it_from_suggestions_at_once(ledger: Ledger):
    session = sit(ledger)
    assert session.suggest("US") == ["US geography"]
    with ledger.reviewing() as writes:
        writes.agree_on(ReviewTerms(is_blind=True))
    assert session.suggest("US") == []


def hold_back(ledger: Ledger, *, is_blind: bool = True, overlap: float = 0.0) -> None:
    with ledger.reviewing() as writes:
        writes.agree_on(ReviewTerms(overlap, is_blind=is_blind))


def test_what_was_on_screen_when_terms_were_tightened_was_not_judged_blind(ledger: Ledger):
    session = sit(ledger)
    sight = session.show(FOURTH).sight
    assert sight == Sight(proposal=True, others=False)
    hold_back(ledger)
    made = session.decide(FOURTH, act="accept", seen=0, label="US geography", sight=sight)
    assert not made.is_blind
    assert session.show(FIRST).sight == Sight(proposal=False, others=False)


@pytest.mark.parametrize("where", ["page", "list"])
def test_what_was_seen_before_is_not_judged_blind_on_a_page_that_hides_it(
    ledger: Ledger, where: str
):
    session = sit(ledger)
    if where == "page":
        session.show(FIRST)
    else:
        session.list_items(limit=1, offset=0)
    hold_back(ledger)
    for item, is_blind in ((FIRST, False), (SECOND, True)):
        shown = session.show(item)
        assert shown.is_blind
        made = session.decide(item, act="reject", seen=0, sight=shown.sight)
        assert made.is_blind is is_blind


def test_a_page_that_hid_the_proposal_was_judged_blind_whatever_the_terms_are_now(ledger: Ledger):
    hold_back(ledger)
    session = sit(ledger)
    sight = session.show(FOURTH).sight
    hold_back(ledger, is_blind=False)
    with pytest.raises(UsageError, match="no label to accept"):
        session.decide(FOURTH, act="accept", seen=0, label="US geography", sight=sight)
    made = session.decide(FOURTH, act="edit", seen=0, label="states", sight=sight)
    assert made.is_blind


def test_who_had_the_others_on_screen_when_terms_were_tightened_settles(ledger: Ledger):
    ada, bob, cy = (sit(ledger, name) for name in ("ada", "bob", "cy"))
    ada.decide(FIRST, act="edit", seen=0, label="Texas")
    pages = {person.annotator: person.show(FIRST) for person in (bob, cy)}
    assert pages["bob"].sight == Sight(proposal=True, others=True)
    hold_back(ledger, overlap=1.0)
    settled = bob.decide(
        FIRST, act="edit", seen=pages["bob"].seen, label="Austin", sight=pages["bob"].sight
    )
    assert settled.is_settling
    # Hers shows less than was decided since.
    with pytest.raises(ConflictError, match="bob decided meanwhile"):
        cy.decide(FIRST, act="reject", seen=pages["cy"].seen, sight=pages["cy"].sight)


def test_a_page_without_others_stays_blind_to_them_when_terms_are_tightened(ledger: Ledger):
    ada, bob = sit(ledger, "ada"), sit(ledger, "bob")
    bob.decide(FIRST, act="comment", seen=0, comment="hm")
    shown = ada.show(FIRST)
    assert shown.sight == Sight(proposal=True, others=False)
    hold_back(ledger, overlap=1.0)
    bob.decide(FIRST, act="edit", seen=1, label="Texas")
    made = decide_and_show(
        ada, FIRST, act="edit", seen=shown.seen, label="Austin", sight=shown.sight
    )
    assert not [d for d in made.history if d.is_settling]
    assert made.disputed == ("name",)


def test_a_role_that_is_pressed_when_a_feature_is_skipped_settles_nothing(ledger: Ledger):
    sit(ledger, "ada").decide(FIRST, act="edit", seen=0, label="Texas")
    bob = sit(ledger, "bob")
    skipped = bob.decide(FIRST, act="skip", seen=bob.show(FIRST).seen, role="output")
    assert (skipped.role, skipped.is_settling) == ("", False)


def test_what_others_have_open_is_offered_last(ledger: Ledger):
    bob = sit(ledger, "bob")
    for other, item in (("ada", FIRST), ("cy", SECOND)):
        sit(ledger, other).show(item)
    bob.decide(THIRD, act="skip", seen=0)
    assert bob.find_next() == FOURTH
    bob.decide(FOURTH, act="reject", seen=0)
    assert bob.find_next() == THIRD
    bob.decide(THIRD, act="reject", seen=bob.show(THIRD).seen)
    assert bob.find_next() == FIRST


def test_terms_hold_for_pages_that_are_open_and_not_for_what_was_decided(ledger: Ledger):
    ada, bob = sit(ledger, "ada"), sit(ledger, "bob")
    ada.decide(FIRST, act="edit", seen=0, label="Texas")
    agree_on(ledger)
    kept = ada.show(FIRST).verdict
    assert kept is not None
    assert kept.label == "Texas"
    assert bob.find_next() == FIRST
    assert decide_and_show(ada, SECOND, act="edit", seen=0, label="Austin").verdict is None


def test_undo_takes_back_what_was_decided_last_on_a_clock_that_is_behind(ledger: Ledger):
    uids = count(1)
    ada, bob = (
        ReviewSession(
            ledger,
            Choice(name, cover=1.0),
            now=lambda moment=moment: moment,
            make_uid=lambda: f"uid-{next(uids)}",
        )
        for name, moment in (("ada", 1_000.0), ("bob", 500.0))
    )
    ada.decide(FIRST, act="flag", seen=0)
    bob.decide(FIRST, act="comment", seen=1, comment="after hers")
    bob.decide(SECOND, act="comment", seen=0, comment="later still")
    assert [bob.undo(), bob.undo()] == [SECOND, FIRST]
    assert [bob.redo(), bob.redo()] == [FIRST, SECOND]


def test_undo_and_redo_name_the_feature(ledger: Ledger):
    session = sit(ledger)
    assert session.undo() is None
    session.decide(FIRST, act="edit", seen=0, label="Texas")
    assert session.undo() == FIRST
    own = session.show(FIRST).own
    assert own is not None
    assert (own.judgement, own.has_judged) == ("", True)
    assert session.find_next() == FIRST
    assert session.redo() == FIRST
    assert session.redo() is None
    assert session.find_next() == SECOND


def test_roles_are_a_task_of_their_own(ledger: Ledger):
    session = sit(ledger, task="roles")
    session.decide(FIRST, act="role", seen=0, role="cross")
    assert session.find_next() == SECOND
    assert sit(ledger, "ada").find_next() == FIRST
    with pytest.raises(UsageError, match="no role is given"):
        session.decide(SECOND, act="role", seen=0)


def test_agreement_is_measured_on_what_both_gave_blind(ledger: Ledger):
    agree_on(ledger)
    ada, bob = sit(ledger, "ada", task="roles"), sit(ledger, "bob", task="roles")
    given: dict[str, GivenRole] = {
        FIRST: "input",
        SECOND: "input",
        THIRD: "output",
        FOURTH: "output",
    }
    for item, role in given.items():
        ada.decide(item, act="role", seen=0, role=role)
        bob.decide(item, act="role", seen=0, role=role if item != FOURTH else "input")
    everything = ada.agreement()[0]
    assert (everything.annotators, everything.role, everything.n) == (("ada", "bob"), None, 4)
    assert everything.kappa == pytest.approx(0.5)
    by_role = {found.role: found for found in ada.agreement()}
    assert by_role["input"].kappa == pytest.approx(0.5)
    assert by_role["cross"].kappa is None


def test_roles_that_are_given_in_sight_of_the_proposal_are_measured_apart(ledger: Ledger):
    with ledger.reviewing() as writes:
        writes.agree_on(ReviewTerms(overlap=1.0, is_blind=True))
    ada, bob = sit(ledger, "ada", task="roles"), sit(ledger, "bob", task="roles")
    seen = {FIRST: Sight(proposal=True, others=False)}
    given: list[tuple[str, GivenRole, GivenRole]] = [
        (FIRST, "input", "input"),
        (SECOND, "input", "output"),
        (THIRD, "output", "output"),
    ]
    for item, hers, his in given:
        ada.decide(item, act="role", seen=0, role=hers, sight=seen.get(item))
        bob.decide(item, act="role", seen=0, role=his)
    found = [(a.is_blind, a.n) for a in ada.agreement() if a.role is None]
    assert found == [(True, 2), (False, 1)]


def test_progress_counts_what_is_judged_and_named(ledger: Ledger):
    session = sit(ledger)
    before = session.place(FIRST)
    assert (before.position, before.n_items, before.n_judged) == (1, 4, 0)
    assert before.share_named == pytest.approx(0.1 / 1.1)
    assert before.seconds_left is None
    session.decide(FIRST, act="edit", seen=0, label="Texas", seconds=20.0)
    after = session.place(SECOND)
    assert after.n_judged == 1
    assert after.share_named == pytest.approx(0.6 / 1.1)
    assert after.seconds_left == pytest.approx(60.0)


def test_labels_in_use_are_suggested(ledger: Ledger):
    assert sit(ledger).suggest("geo") == ["US geography"]
    assert sit(ledger).suggest("xyz") == []


def test_a_filter_limits_the_queue(ledger: Ledger):
    assert sit(ledger, wanted=QueueFilter(tiers=(2,))).find_next() is None
    assert sit(ledger, wanted=QueueFilter(layers=(3,), graphs=("dallas",))).find_next() == FIRST
    assert sit(ledger, wanted=QueueFilter(graphs=("oakland",))).find_next() is None
    assert sit(ledger, wanted=QueueFilter(reason="COHERENT")).find_next() == FIRST
    assert sit(ledger, wanted=QueueFilter(reason="%")).find_next() is None
    only_named = sit(ledger, wanted=QueueFilter(statuses=("labeled",)))
    assert only_named.find_next() == FOURTH
    artefacts = sit(ledger, wanted=QueueFilter(with_artefacts=True))
    assert len(artefacts.list_items(limit=10, offset=0)) == 5


def test_an_item_that_is_not_in_the_queue_is_an_error(ledger: Ledger):
    with pytest.raises(UnknownItemError):
        sit(ledger).show("0" * 64)


def test_a_run_that_ends_meanwhile_is_seen(ledger: Ledger):
    session = sit(ledger)
    assert session.find_next() == FIRST
    ledger.queue_features([ITEMS[1]], transcoders=SET, graphs=["dallas"], run_id="next")
    assert session.find_next() == SECOND
