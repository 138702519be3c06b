from datetime import datetime

import pytest

from clerp.feature import FeatureId
from clerp.ledger import FeatureKey, TranscoderSet
from clerp.ledger.decision import Act, Decision, Standing, Verdict
from clerp.review.item import Place
from clerp.review.web.wording import (
    say_decision,
    say_disputed,
    say_progress,
    say_share,
    say_standing,
    say_verdict,
)
from clerp.router import Role

_KEY = FeatureKey(TranscoderSet("set"), FeatureId(1, 2))
_MADE = datetime(2026, 1, 2)


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (None, ""),
        (0.0, "0 %"),
        (0.00041, "0.041 %"),
        (0.0123, "1.2 %"),
        (0.83, "83 %"),
        (0.0999, "10 %"),
        (1.0, "100 %"),
    ],
)
def test_shares_have_the_digits_they_need(share: float | None, said: str):
    assert say_share(share) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "3 of 9, 50 % of influence named"),
        (0.0, "3 of 9, 50 % of influence named"),
        (20.0, "3 of 9, 50 % of influence named, about 1 min left"),
        (2400.0, "3 of 9, 50 % of influence named, about 40 min left"),
        (9000.0, "3 of 9, 50 % of influence named, about 2.5 h left"),
    ],
)
def test_progress_tells_what_is_left(seconds: float | None, said: str):
    assert say_progress(Place(4, 9, 3, 0.5, seconds)) == said


def test_progress_without_influence_counts_features():
    assert say_progress(Place(0, 9, 3, None, None)) == "3 of 9"


@pytest.mark.parametrize(
    ("act", "label", "role", "said"),
    [
        ("accept", "say Austin", "output", "accepted say Austin, as output"),
        ("edit", "Texas", "", "wrote Texas"),
        ("reject", "", "obscure", "found that no name fits, as obscure"),
        ("role", "", "cross", "gave the role cross"),
        ("undo", "", "", "undid"),
        ("flag", "", "", "flagged it"),
    ],
)
def test_decisions_read_as_sentences(act: Act, label: str, role: Role, said: str):
    assert say_decision(Decision("u", _KEY, "ann", act, _MADE, label=label, role=role)) == said


def test_standings_tell_all_that_holds():
    assert say_standing(Standing("ann")) == "not judged"
    skipped = Standing("ann", "reject", role="obscure", is_skipped=True, is_flagged=True)
    assert say_standing(skipped) == "no name fits, obscure, skipped, flagged"


def test_verdicts_name_who_they_rest_on():
    assert say_verdict(Verdict("agreed", "Texas", "input", ("ann", "bob")), ()) == (
        "Locked: Texas (input), by ann, bob"
    )
    assert say_verdict(Verdict("agreed", "", "", ("ann",)), ()) == "Locked: no name fits, by ann"
    assert say_verdict(Verdict("disputed", None, "", ("ann", "bob")), ("role",)) == (
        "Disputed: ann, bob do not agree on the role"
    )


def test_a_dispute_tells_what_it_is_about():
    assert say_disputed(("name",)) == "the name"
    assert say_disputed(("name", "role")) == "the name and the role"
