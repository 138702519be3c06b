import json
from dataclasses import replace
from datetime import datetime
from html import unescape
from typing import Any

import pytest
from tests.outcomes import FIRST
from tests.unit.review.web.review_session import (
    FakeSession,
    make_example,
    make_item,
    make_occurrence,
    make_proposal,
    make_snapshot,
    name_item,
)
from tests.unit.review.web.visitor import SHOWN, Visitor, find_text, serve_session
from tests.verbalizations import make_said, make_verbalization

from clerp.errors import LedgerBusyError, LedgerError, UsageError
from clerp.ledger.decision import Decision, Standing, Verdict
from clerp.report.verbalized import view_verbalization
from clerp.review.item import Namesake, Sight
from clerp.review.snapshot import CandidateView
from clerp.review.web.pages import build_item_page
from clerp.verbalizers.outcome import FeatureVerbalization

ITEM = f"/item/{name_item(0)}"
_NASTY = "</script><script>alert(1)</script>\"' onload=x \u202e\x00\ud800"


def _show(session: FakeSession, visitor: Visitor, **changed: Any) -> str:
    session.items[name_item(0)] = make_item(0, **changed)
    answer = visitor.get(ITEM)
    assert answer.status_code == 200
    return answer.text


def _post(visitor: Visitor, **body: Any) -> Any:
    return visitor.post(f"{ITEM}/decision", {**SHOWN, **body})


def test_the_page_opens_at_what_is_next(session: FakeSession, visitor: Visitor):
    assert visitor.get("/").headers["location"] == ITEM
    assert _post(visitor, act="skip").json()["next"] == f"/item/{name_item(1)}"
    assert visitor.get("/").headers["location"] == f"/item/{name_item(1)}"


def test_a_page_tells_what_is_proposed_and_why(session: FakeSession, visitor: Visitor):
    text = find_text(_show(session, visitor))
    for said in (
        "14_2268 say Austin",
        "output tier 2 medium confidence labeled litellm 1.2 % of influence org/set",
        "In 18 of 20 examples the next word is Austin or another capital. — model-2026-01-01",
        "The tokens after the peak are alike: z 4.1 against 2.6.",
        "output 0.48 4.1 0.0004 20",
        "Holds only at the top of the range.",
        "np_max-act-logits · other-model Texas cities",
        "#1 · 0 of 5, 83 % of influence named, about 40 min left",
        "0.1 – 8 · fires on 0.31 % of tokens",
        "Set aside: 3 repeated context",
        "18_311 say a capital",
        "Neighbours in capital-of-texas",
    ):
        assert said in text, said


def test_nothing_of_what_is_proposed_is_in_a_page_that_is_judged_blind(
    session: FakeSession, visitor: Visitor
):
    held_back = make_item(
        0,
        is_blind=True,
        others=(),
        verdict=Verdict("agreed", "secret verdict", "output", ("bob",)),
        similar=(),
        occurrences=(make_occurrence("g", names={}),),
        snapshot=make_snapshot(
            proposal=make_proposal(
                label="secret label",
                hint="secret hint",
                verbalized=view_verbalization(make_verbalization(proposal="secret proposal")),
            )
        ),
    )
    session.items[name_item(0)] = held_back
    page = visitor.get(ITEM).text
    assert "secret" not in page
    for part in ("tier 2", "z 4.1", "model-2026", "Texas cities", "litellm", "Accept", "NLA"):
        assert part not in page, part
    assert "judged blind" in page


def test_what_an_nla_says_is_shown_with_its_signals_and_as_nothing_that_was_checked(
    session: FakeSession, visitor: Visitor
):
    said = make_verbalization(proposal="say 'Rome'", method="baez")
    proposal = make_proposal(label="", verbalized=view_verbalization(said))
    page = _show(session, visitor, snapshot=make_snapshot(proposal=proposal))
    text = unescape(find_text(page))
    for part in (
        "What an NLA says experimental",
        "org/nla-small@0123456789ab of org/small, layer 3",
        "suggestive all agree; thresholds checked on a toy",
        "Made of it, no label: say 'Rome' baez",
        "0.0 at ' Paris', activation 8.25 It names \"Paris\" at the end.",
        "so : predicted, not quoted.",
        "2 more texts of the same",
        "cut off at 200 tokens",
        "Said where it fires and not where it is off: A city is named. made at 4 of 5, of inactive "
        "0 of 8",
        "1 of places where it is off 0.0-3 at ' the' A recipe.",
        "reconstruction explains 0.62 of the variance",
        "with residuals that the texts are not about -0.75",
        "rank its own residual ranks 2 of 64",
        "one control was left out",
    ):
        assert part in text, part
    assert '<span class="predicted" title="predicted, not quoted">&#34;Paris&#34;</span>' in page
    assert '<span class="predicted" title="predicted, not quoted">&#39;Rome&#39;</span>' in page
    # What it says can be typed by a person and not be accepted.
    assert 'data-act="accept"' not in page


def test_where_no_nla_was_asked_or_none_fits_the_page_says_so(
    session: FakeSession, visitor: Visitor
):
    assert "NLA" not in _show(session, visitor)
    said = FeatureVerbalization.decline(FIRST, "example", "it was made for another model")
    proposal = make_proposal(verbalized=view_verbalization(said))
    text = find_text(_show(session, visitor, snapshot=make_snapshot(proposal=proposal)))
    assert "not available: it was made for another model" in text
    assert "predicted" not in text


def test_a_feature_without_anything_kept_has_a_page(session: FakeSession, visitor: Visitor):
    page = _show(session, visitor, snapshot=None, occurrences=(), share=None, similar=())
    assert "Label its graphs again with this ledger" in find_text(page)
    assert "Accept" not in page


def test_a_feature_without_a_label_has_nothing_to_accept(session: FakeSession, visitor: Visitor):
    unnamed = make_proposal(label="", method="", model="", status="needs_review", reason="")
    page = _show(session, visitor, snapshot=make_snapshot(proposal=unnamed))
    assert "Accept" not in page
    assert "no label" in find_text(page)
    assert "Hint: capital | Austin | Austin, Texas" in find_text(page)


def test_examples_are_shown_by_quantile_and_the_rest_is_folded(
    session: FakeSession, visitor: Visitor
):
    page = build_item_page(make_item(0))
    assert page.evidence is not None
    shown = [(g.title, len(g.shown), len(g.more)) for g in page.evidence.groups]
    assert shown == [
        ("Top activations", 20, 1),
        ("Lower quantile 1", 5, 3),
        ("Lower quantile 2", 5, 3),
        ("Lower quantile 3", 5, 3),
    ]
    html = _show(session, visitor)
    assert html.count('class="open"') == 45
    assert html.count("<summary>3 more</summary>") == 3


def test_prompts_mark_where_the_feature_fires(session: FakeSession, visitor: Visitor):
    html = _show(session, visitor)
    assert html.count('<mark class="fires h5" title="token 8') == 2
    assert "token 9, activation 5.2, 64 % of its range, 3 % of influence" in html


def test_neighbours_with_a_name_lead_to_their_page(session: FakeSession, visitor: Visitor):
    html = _show(session, visitor)
    assert (
        f'<a href="/item/{name_item(1)}">9_101</a></th><td class="near" title="Texas">Texas' in html
    )
    assert "-0.12" in find_text(html)


def test_more_graphs_are_folded(session: FakeSession, visitor: Visitor):
    views = tuple(make_occurrence(f"graph-{i}") for i in range(5))
    text = find_text(_show(session, visitor, occurrences=views))
    assert "Also in 3 more graphs graph-2 token 8" in text


def test_what_people_said_is_shown(session: FakeSession, visitor: Visitor):
    key = make_item(0).key
    made = datetime(2026, 1, 2, 3, 4)
    history = (
        Decision("u1", key, "bob", "edit", made, label="Texas", role="input", comment="why <b>"),
        Decision("u2", key, "ann", "role", made, role="cross"),
    )
    text = find_text(
        _show(
            session,
            visitor,
            own=Standing("ann", role="cross", is_flagged=True, comments=("hm",)),
            others=(Standing("bob", "edit", "Texas", "input"), Standing("cy", "reject")),
            verdict=Verdict("disputed", None, "", ("bob", "cy")),
            disputed=("name", "role"),
            history=history,
        )
    )
    for said in (
        "You: cross, flagged · hm",
        "Disputed: bob, cy do not agree on the name and the role",
        "bob Texas, input",
        "cy no name fits",
        "bob wrote Texas, as input · why &lt;b&gt; 2026-01-02 03:04 UTC",
        "ann gave the role cross",
    ):
        assert said in text, said


def test_whatever_graphs_models_and_people_say_is_shown_as_text(
    session: FakeSession, visitor: Visitor
):
    example = replace(make_example(0), tokens=(_NASTY,) * 50)
    proposal = make_proposal(
        label=_NASTY,
        method=_NASTY,
        model=_NASTY,
        reason=_NASTY,
        route_reason=_NASTY,
        steps=(_NASTY,),
        notes=(_NASTY,),
        hint=_NASTY,
        candidates=(CandidateView(_NASTY, _NASTY, _NASTY),),
        scores={},
        verbalized=view_verbalization(
            make_verbalization(
                pair=_NASTY,
                said=(make_said(_NASTY, _NASTY, token=_NASTY, quotes=((0, 9),)),),
                kept_claims=(_NASTY,),
                proposal=_NASTY,
                notes=(_NASTY,),
            )
        ),
    )
    snapshot = make_snapshot(
        proposal=proposal,
        examples=(example,),
        promoted=(_NASTY,),
        suppressed=(_NASTY,),
        set_aside=((_NASTY, 1),),
    )
    html = _show(
        session,
        visitor,
        snapshot=snapshot,
        occurrences=(make_occurrence(_NASTY, {"9_101": Namesake(name_item(1), "9_101", _NASTY)}),),
        similar=(Namesake(name_item(1), "9_101", _NASTY),),
        own=Standing(_NASTY, "edit", _NASTY, comments=(_NASTY,)),
        others=(Standing(_NASTY, "edit", _NASTY, comments=(_NASTY,)),),
        verdict=Verdict("agreed", _NASTY, "", (_NASTY,)),
    )
    assert "alert(1)" in html
    assert "<script>alert" not in html
    assert "\u202e" not in html
    assert "\x00" not in html
    # Three scripts of the page's own: data, theme, keys.
    assert html.count("<script") == html.count("</script>") == 3


def test_a_judgement_is_recorded_as_it_was_given(session: FakeSession, visitor: Visitor):
    given = {"act": "edit", "label": "say Austin", "role": "output", "comment": "sure"}
    answer = _post(visitor, **given, seconds=4.5)
    assert answer.json()["next"] == f"/item/{name_item(1)}"
    assert session.decided == [{"item": name_item(0), "seconds": 4.5, **given}]


@pytest.mark.parametrize("is_blind", [False, True])
@pytest.mark.parametrize("is_decided", [False, True])
def test_a_decision_tells_what_the_page_showed(
    session: FakeSession, visitor: Visitor, is_blind: bool, is_decided: bool
):
    others = (Standing("bob", "edit", "Texas"),) if is_decided else ()
    page = _show(session, visitor, is_blind=is_blind, others=others)
    data = json.loads(page.split('id="page-data">')[1].split("</script>")[0])
    told = {name: data[name] for name in ("seen", "saw_proposal", "saw_others")}
    assert _post(visitor, act="reject", **told).status_code == 200
    assert session.sights == [Sight(proposal=not is_blind, others=is_decided)]


@pytest.mark.parametrize("act", ["flag", "comment"])
def test_flags_and_comments_leave_the_feature_open(visitor: Visitor, act: str):
    assert _post(visitor, act=act, comment="look").json()["next"] == ITEM


def test_the_last_decision_leads_to_the_end(session: FakeSession, visitor: Visitor):
    for item in list(session.items)[1:]:
        visitor.post(f"/item/{item}/decision", {**SHOWN, "act": "accept"})
    assert _post(visitor, act="accept").json()["next"] == "/"
    assert "All done" in find_text(visitor.get("/").text)


def test_skipping_the_only_one_left_leads_to_the_list(
    session: FakeSession, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(session, "find_next", lambda after=None: name_item(0))
    assert _post(visitor, act="skip").json()["next"] == "/list"


def test_who_decides_after_somebody_else_is_told_and_asked(session: FakeSession, visitor: Visitor):
    answer = _post(visitor, act="accept", seen=7)
    assert answer.status_code == 409
    assert answer.json() == {"conflict": "bob wrote \\u202esay Dallas <b>", "url": ITEM}
    assert session.decided == []


@pytest.mark.parametrize(
    "changed",
    [
        {"act": "undo"},
        {"act": "promote"},
        {"seen": -1},
        {"seen": "0"},
        {"seen": True},
        {"seen": None},
        {"role": "outputs"},
        {"label": 3},
        {"label": None},
        {"label": "x" * 10_001},
        {"label": "\ud800"},
        {"comment": ["a"]},
        {"seconds": -1.0},
        {"seconds": "1"},
        {"annotator": "bob"},
        {"saw_proposal": None},
        {"saw_proposal": 1},
        {"saw_others": "false"},
    ],
)
def test_a_decision_that_the_page_does_not_send_is_refused(
    session: FakeSession, visitor: Visitor, changed: dict[str, Any]
):
    answer = _post(visitor, **{"act": "accept", **changed})
    assert answer.status_code == 422
    assert answer.json() == {"error": "This is not what the page sends: load it again"}
    assert session.decided == []


@pytest.mark.parametrize("name", ["act", *SHOWN])
def test_a_decision_without_what_was_shown_is_refused(
    session: FakeSession, visitor: Visitor, name: str
):
    body = {n: value for n, value in {**SHOWN, "act": "skip"}.items() if n != name}
    assert visitor.post(f"{ITEM}/decision", body).status_code == 422
    assert session.decided == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"a"', b"\xff", b'{"act":"skip","seen":NaN}', b"[" * 60_000],
)
def test_what_is_no_decision_is_refused(session: FakeSession, visitor: Visitor, body: bytes):
    address = f"{ITEM}/decision"
    answer = visitor.client.post(address, content=body, headers=visitor.own_headers)
    assert answer.status_code in (400, 422)
    assert list(answer.json()) == ["error"]
    assert session.decided == []


@pytest.mark.parametrize(
    "item", ["0", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "..%2f" + "a" * 59, "\u0661" * 64]
)
def test_only_ids_are_features(visitor: Visitor, item: str):
    assert visitor.get(f"/item/{item}").status_code == 404
    body = {**SHOWN, "act": "skip"}
    assert visitor.post(f"/item/{item}/decision", body).status_code == 404


def test_a_feature_that_is_not_queued_is_not_found(visitor: Visitor):
    answer = visitor.get(f"/item/{'a' * 64}")
    assert answer.status_code == 404
    assert "the queue has no such feature" in find_text(answer.text)


def test_undo_and_redo_lead_to_what_they_were_about(session: FakeSession, visitor: Visitor):
    assert visitor.post("/undo").json() == {"next": None}
    _post(visitor, act="accept")
    assert visitor.post("/undo").json() == {"next": ITEM}
    assert session.decided == []
    assert visitor.post("/redo").json() == {"next": None}


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (LedgerError("could not be read: <b>disk</b>", where="clerp.db"), 500),
        (LedgerBusyError("another process has locked it"), 503),
        (UsageError("no role is given"), 400),
    ],
)
def test_faults_of_the_ledger_are_told(
    session: FakeSession, visitor: Visitor, fault: Exception, status: int
):
    session.fault = fault
    posted = visitor.post("/undo")
    assert (posted.status_code, posted.json()) == (status, {"error": str(fault)})
    shown = visitor.get(ITEM)
    assert shown.status_code == status
    assert "<b>" not in shown.text


def test_the_queue_is_listed_by_pages():
    with serve_session(FakeSession(n_items=120)) as visitor:
        visitor.get(visitor.link)
        first = visitor.get("/list").text
        assert first.count('<th scope="row">') == 50
        assert 'href="/list?offset=50"' in first
        assert "before" not in find_text(first)
        last = visitor.get("/list?offset=100").text
        assert last.count('<th scope="row">') == 20
        assert 'href="/list?offset=50"' in last
        assert "next →" not in find_text(last)
        assert "Nothing is queued" in visitor.get("/list?offset=1000").text


@pytest.mark.parametrize("offset", ["-1", "x", "1e3", "99999999999999999999"])
def test_only_places_of_the_list_are_listed(visitor: Visitor, offset: str):
    assert visitor.get(f"/list?offset={offset}").status_code == 422


def test_disputes_and_agreement_are_shown(visitor: Visitor):
    disputes = find_text(visitor.get("/disputes").text)
    assert "14_2268 on the name and the role ann say Austin, output" in disputes
    assert "bob no name fits · &lt;i&gt;why&lt;/i&gt;" in disputes
    agreement = find_text(visitor.get("/agreement").text)
    assert "ann, bob held back from both all 40 0.81" in agreement
    assert "ann, bob seen artefact 40 –" in agreement


def test_labels_are_suggested(visitor: Visitor):
    assert visitor.get("/suggest?typed=SAY").json() == {"labels": ["say Austin", "say a capital"]}
    assert visitor.get("/suggest").status_code == 200
    assert visitor.get(f"/suggest?typed={'x' * 10_001}").status_code == 422


def test_who_is_asked_for_roles_is_not_asked_for_labels():
    with serve_session(FakeSession(task="roles")) as visitor:
        visitor.get(visitor.link)
        html = visitor.get(ITEM).text
        assert html.count("data-role=") == 5
        assert 'id="label"' not in html
        assert 'data-act="edit"' not in html
        assert "aria-pressed" not in html.split('class="buttons"')[1].split("</section>")[0]
        answer = visitor.post(f"{ITEM}/decision", {**SHOWN, "act": "role", "role": "cross"})
        assert answer.json()["next"] == f"/item/{name_item(1)}"


def test_the_guideline_is_at_hand(visitor: Visitor):
    assert "Say what the peak tokens share.\nShort." in visitor.get(ITEM).text
