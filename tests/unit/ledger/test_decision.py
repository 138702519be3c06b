"""What decisions come to, whoever made them and in whatever order they were taken back."""

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from clerp.feature import FeatureId
from clerp.ledger import FeatureKey, TranscoderSet
from clerp.ledger.decision import (
    Decision,
    Verdict,
    drop_undone,
    find_standings,
    find_verdict,
    list_disputed,
)

KEY = FeatureKey(TranscoderSet("owner/transcoders"), FeatureId(3, 7))
NOON = datetime(2026, 1, 2, 12)


def decide(annotator: str, act: str, label: str = "", **more: object) -> Decision:
    decision = Decision("", KEY, annotator, act, NOON, label=label)  # pyright: ignore[reportArgumentType]
    return replace(decision, **more)


def number(*decisions: Decision) -> list[Decision]:
    return [
        replace(d, uid=d.uid or f"u{n}", number=n, made_at=NOON + timedelta(minutes=n))
        for n, d in enumerate(decisions, 1)
    ]


def test_the_last_judgement_of_a_person_counts():
    made = number(decide("ada", "edit", "one"), decide("ada", "edit", "two"))
    assert find_verdict(made) == Verdict("agreed", "two", "", ("ada",))


def test_names_that_differ_only_in_case_agree():
    made = number(decide("ada", "edit", "US states"), decide("bob", "edit", "us States"))
    assert find_verdict(made) == Verdict("agreed", "US states", "", ("ada", "bob"))


def test_a_name_and_none_disagree():
    made = number(decide("ada", "edit", "cities"), decide("bob", "reject"))
    assert find_verdict(made) == Verdict("disputed", None, "", ("ada", "bob"))


def test_one_who_rejects_says_that_no_name_fits():
    assert find_verdict(number(decide("ada", "reject"))) == Verdict("agreed", "", "", ("ada",))


def test_roles_disagree_although_names_agree():
    made = number(
        decide("ada", "edit", "Texas", role="input"), decide("bob", "edit", "Texas", role="output")
    )
    assert find_verdict(made) == Verdict("disputed", None, "", ("ada", "bob"))


def test_it_is_said_whether_the_name_or_the_role_is_disputed():
    first = decide("ada", "edit", "Texas", role="input")
    for label, role, about in (
        ("texas", "input", ()),
        ("Texas", "", ()),
        ("Austin", "input", ("name",)),
        ("Texas", "output", ("role",)),
        ("", "output", ("name", "role")),
    ):
        second = decide("bob", "edit" if label else "reject", label, role=role)
        assert list_disputed(number(first, second)) == about
    assert list_disputed([]) == ()


def test_a_settled_name_leaves_the_role_disputed():
    made = number(
        decide("ada", "edit", "Texas", role="input"),
        decide("bob", "edit", "Austin", role="output"),
        decide("bob", "edit", "Dallas", is_settling=True),
    )
    assert list_disputed(made) == ("role",)
    assert find_verdict(made) == Verdict("disputed", None, "", ("ada", "bob"))


def test_a_role_alone_says_nothing_of_the_label():
    assert find_verdict(number(decide("ada", "role", role="cross"))) == Verdict(
        "agreed", None, "cross", ("ada",)
    )


def test_who_settles_has_the_last_word_until_it_is_taken_back():
    made = number(
        decide("ada", "edit", "one"),
        decide("bob", "edit", "two"),
        decide("bob", "edit", "three", is_settling=True, uid="settled"),
    )
    assert find_verdict(made) == Verdict("agreed", "three", "", ("bob",))
    back = number(*made, decide("bob", "undo", target="settled"))
    assert find_verdict(back) == Verdict("disputed", None, "", ("ada", "bob"))


def test_who_judges_blind_after_a_settlement_reopens_it():
    made = number(
        decide("ada", "edit", "one"),
        decide("bob", "edit", "two", is_settling=True),
        decide("cy", "edit", "three"),
    )
    assert find_verdict(made) == Verdict("disputed", None, "", ("bob", "cy"))


def test_the_last_settlement_is_the_same_in_every_ledger():
    one = number(
        decide("ada", "edit", "one", is_settling=True),
        decide("bob", "edit", "two", is_settling=True),
    )
    assert find_verdict(one[::-1]) == find_verdict(one) == Verdict("agreed", "two", "", ("bob",))


def test_nobody_takes_back_what_another_decided():
    made = number(decide("ada", "edit", "Texas", uid="hers"), decide("bob", "undo", target="hers"))
    assert find_verdict(made) == Verdict("agreed", "Texas", "", ("ada",))


def test_who_took_a_judgement_back_has_judged_all_the_same():
    made = number(
        decide("ada", "edit", "Texas", uid="hers"),
        decide("ada", "undo", target="hers"),
        decide("bob", "comment", comment="hm"),
    )
    ada, bob = find_standings(made)
    assert (ada.judgement, ada.has_judged) == ("", True)
    assert not bob.has_judged


def test_skips_flags_and_comments_judge_nothing():
    made = number(
        decide("ada", "skip"), decide("ada", "flag", comment="odd"), decide("ada", "comment")
    )
    assert find_verdict(made) is None
    (standing,) = find_standings(made)
    assert (standing.is_skipped, standing.is_flagged) == (True, True)
    assert standing.comments == ("odd",)


def test_a_judgement_ends_a_skip():
    made = number(decide("ada", "skip"), decide("ada", "accept", "Texas"))
    (standing,) = find_standings(made)
    assert not standing.is_skipped


def test_an_undo_that_was_taken_back_takes_nothing_back():
    made = number(
        decide("ada", "edit", "Texas", uid="first"),
        decide("ada", "undo", target="first", uid="back"),
        decide("ada", "redo", target="back"),
    )
    assert drop_undone(made) == [made[0]]


@given(st.lists(st.sampled_from(["edit", "undo", "redo"]), max_size=12))
def test_undo_and_redo_walk_a_line(acts: list[str]):
    """Beside a plain list of what was done and taken back."""
    made: list[Decision] = []
    done: list[Decision] = []
    undone: list[Decision] = []
    undos: list[Decision] = []
    for n, act in enumerate(acts):
        if act == "edit":
            made.append(decide("ada", "edit", f"label {n}", uid=f"u{n}"))
            done.append(made[-1])
            undone.clear()
            undos.clear()
        elif act == "undo" and done:
            undone.append(done.pop())
            made.append(decide("ada", "undo", target=undone[-1].uid, uid=f"u{n}"))
            undos.append(made[-1])
        elif act == "redo" and undone:
            done.append(undone.pop())
            made.append(decide("ada", "redo", target=undos.pop().uid, uid=f"u{n}"))
    assert drop_undone(made) == done
