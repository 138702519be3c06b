"""People at clerp's review page, in a browser."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from tests.browser.hostile import HOSTILE, make_hostile
from tests.browser.review_page import Reviewers, ReviewPage, serve_review
from tests.browser.review_queue import (
    Made,
    Queued,
    agree_on,
    copy_ledger,
    decide,
    find_path,
    list_decisions,
    make_queued,
    name_feature,
    name_label,
    write_ledger,
    write_queue,
)
from tests.unit.ledger.databases import lock
from tests.unit.review.web.review_session import make_proposal

from clerp.labels import clean_label
from clerp.ledger import open_ledger
from clerp.ledger.terms import ReviewTerms
from clerp.local_page.entry import announce
from clerp.report.html.escapes import spell_out
from clerp.review.snapshot import CandidateView

N_FEATURES = 20
ALL = ("--review-cover", "1")


@pytest.fixture(scope="module")
def written(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_queue(tmp_path_factory.mktemp("written") / "clerp.db", N_FEATURES)


@pytest.fixture
def ledger(written: Path, tmp_path: Path) -> Path:
    """Features 1 to `N_FEATURES`, each with a proposal, that nobody has decided about."""
    return copy_ledger(written, tmp_path)


# Acts at the keyboard: each is done to the feature that is shown, and says what the ledger then
# should hold of it.


def accept(desk: ReviewPage, number: int) -> list[Made]:
    desk.go("a")
    return [Made(name_feature(number), "accept", name_label(number))]


def accept_as_output(desk: ReviewPage, number: int) -> list[Made]:
    desk.press("1", "2")
    desk.go("a")
    return [Made(name_feature(number), "accept", name_label(number), "output")]


def write_label(desk: ReviewPage, number: int) -> list[Made]:
    desk.write("Enter", "say Austin")
    desk.go("Enter")
    return [Made(name_feature(number), "edit", "say Austin")]


def choose_label(desk: ReviewPage, number: int) -> list[Made]:
    desk.write("e", "animal 1")
    # How many there are depends on what was decided so far, which is read again now and then.
    expect(desk.suggestions.nth(1)).to_be_visible()
    desk.press("ArrowUp", "ArrowDown", "ArrowDown")
    chosen = desk.suggestions.nth(1).text_content()
    assert chosen not in (None, name_label(number))
    desk.press("Enter")
    expect(desk.label).to_have_value(chosen)
    desk.go("Enter")
    return [Made(name_feature(number), "edit", chosen)]


def reject_as_obscure(desk: ReviewPage, number: int) -> list[Made]:
    desk.press("4")
    desk.go("x")
    return [Made(name_feature(number), "reject", role="obscure")]


def skip(desk: ReviewPage, number: int) -> list[Made]:
    desk.go("s")
    return [Made(name_feature(number), "skip")]


def flag_then_reject(desk: ReviewPage, number: int) -> list[Made]:
    desk.write("c", "two themes?")
    desk.press("Escape")
    desk.go("f")
    desk.expect_at(name_feature(number))
    expect(desk.comment_box).to_have_value("")
    desk.go("x")
    return [
        Made(name_feature(number), "flag", comment="two themes?"),
        Made(name_feature(number), "reject"),
    ]


def comment_then_accept(desk: ReviewPage, number: int) -> list[Made]:
    desk.comment("as in the paper")
    desk.expect_at(name_feature(number))
    desk.go("a")
    return [
        Made(name_feature(number), "comment", comment="as in the paper"),
        Made(name_feature(number), "accept", name_label(number)),
    ]


ACTS: tuple[Callable[[ReviewPage, int], list[Made]], ...] = (
    *(accept, accept_as_output, write_label, choose_label),
    *(reject_as_obscure, skip, flag_then_reject, comment_then_accept),
)


def test_what_is_decided_at_the_keyboard_is_what_the_ledger_holds(
    reviewers: Reviewers, ledger: Path
) -> None:
    desk = reviewers.sit(ledger, "ada", *ALL)
    expected: list[Made] = []
    for number in range(1, N_FEATURES + 1):
        desk.expect_at(name_feature(number))
        act = ACTS[(number - 1) % len(ACTS)]
        expected += act(desk, number)
    assert list_decisions(ledger) == expected
    first_skipped = ACTS.index(skip) + 1
    desk.expect_at(name_feature(first_skipped))


def test_keys_of_roles_give_roles_where_roles_are_asked_for(
    reviewers: Reviewers, ledger: Path
) -> None:
    desk = reviewers.sit(ledger, "ada", *ALL, "--task", "roles")
    desk.photograph("roles")
    assert desk.find_barriers() == []
    for key in "12345":
        desk.go(key)
    roles = ("input", "output", "cross", "obscure", "artefact")
    expected = [Made(name_feature(n), "role", role=role) for n, role in enumerate(roles, 1)]
    assert list_decisions(ledger) == expected
    desk.expect_at(name_feature(6))


def test_undo_and_redo_lead_to_the_feature_that_they_are_about(
    reviewers: Reviewers, ledger: Path
) -> None:
    desk = reviewers.sit(ledger, "ada", *ALL)
    accept(desk, 1)
    write_label(desk, 2)
    desk.expect_at(name_feature(3))
    for number, label in ((2, "say Austin"), (1, name_label(1))):
        desk.go("u")
        desk.expect_at(name_feature(number))
        expect(desk.status).to_have_text("Undone")
        expect(desk.own.filter(has_text=label)).to_have_count(0)
    desk.press("u")
    expect(desk.status).to_have_text("There is nothing to undo")
    for number, label in ((1, name_label(1)), (2, "say Austin")):
        desk.go("r")
        desk.expect_at(name_feature(number))
        expect(desk.own).to_contain_text(f"You: {label}")
    desk.press("r")
    expect(desk.status).to_have_text("There is nothing to redo")
    desk.open()
    desk.expect_at(name_feature(3))


def test_a_server_that_was_killed_goes_on_where_it_was(reviewers: Reviewers, ledger: Path) -> None:
    desk = reviewers.sit(ledger, "ada", *ALL)
    expected = [*accept(desk, 1), *choose_label(desk, 2)]
    desk.expect_at(name_feature(3))
    # What is still on its way is cut off.
    desk.expect_complaint("net::ERR_")
    desk.server.kill()
    again = reviewers.sit(ledger, "ada", *ALL)
    again.expect_at(name_feature(3))
    expected += accept(again, 3)
    assert list_decisions(ledger) == expected


def test_what_reached_no_server_is_told_and_stays_in_the_box(
    reviewers: Reviewers, ledger: Path
) -> None:
    desk = reviewers.sit(ledger, "ada", *ALL)
    desk.expect_complaint("net::ERR_")
    desk.server.kill()
    desk.write("e", "say Austin")
    desk.press("Enter")
    expect(desk.status).to_contain_text("nothing is known to be saved")
    expect(desk.label).to_have_value("say Austin")


def test_two_people_are_never_offered_the_same_feature(reviewers: Reviewers, ledger: Path) -> None:
    people = [reviewers.sit(ledger, name, *ALL) for name in ("ada", "bob")]
    offered = [desk.feature for desk in people]
    for _ in range(4):
        for desk in people:
            desk.go("a")
            offered.append(desk.feature)
    assert offered == [name_feature(number) for number in range(1, 11)]
    assert list_decisions(ledger) == [
        Made(
            name_feature(number),
            "accept",
            name_label(number),
            annotator="ada" if number % 2 else "bob",
        )
        for number in range(1, 9)
    ]


def meet_on_one_feature(reviewers: Reviewers, ledger: Path) -> tuple[ReviewPage, ReviewPage]:
    """Let ada name the feature that bob has open, and bob find out when he names it."""
    ada = reviewers.sit(ledger, "ada", *ALL)
    bob = reviewers.sit(ledger, "bob", *ALL)
    bob.open(ada.item)
    ada.write("e", "capitals")
    ada.go("Enter")
    bob.expect_complaint("409 (Conflict)")
    bob.write("c", "not only these")
    bob.press("Escape", "3")
    bob.write("e", "US capitals")
    bob.press("Enter")
    expect(bob.conflict).to_contain_text("ada decided meanwhile: edit 'capitals'")
    assert list_decisions(ledger) == [Made(name_feature(1), "edit", "capitals")]
    return ada, bob


def test_who_comes_too_late_may_leave_it_at_that(reviewers: Reviewers, ledger: Path) -> None:
    _, bob = meet_on_one_feature(reviewers, ledger)
    bob.photograph("conflict")
    assert bob.find_barriers() == []
    bob.go("Enter")
    bob.expect_at(name_feature(1))
    expect(bob.others).to_contain_text("ada capitals")
    expect(bob.conflict).to_be_hidden()
    expect(bob.comment_box).to_have_value("")
    assert list_decisions(ledger) == [Made(name_feature(1), "edit", "capitals")]


def test_who_comes_too_late_may_decide_anyway_with_what_was_typed(
    reviewers: Reviewers, ledger: Path
) -> None:
    _, bob = meet_on_one_feature(reviewers, ledger)
    bob.press("Tab")
    bob.go("Enter")
    bob.expect_at(name_feature(1))
    expect(bob.others).to_contain_text("ada capitals")
    expect(bob.label).to_have_value("US capitals")
    expect(bob.comment_box).to_have_value("not only these")
    bob.press("e")
    bob.go("Enter")
    assert list_decisions(ledger) == [
        Made(name_feature(1), "edit", "capitals"),
        Made(name_feature(1), "edit", "US capitals", "cross", "not only these", "bob"),
    ]


def test_a_decision_waits_for_another_process_that_writes(
    reviewers: Reviewers, ledger: Path
) -> None:
    desk = reviewers.sit(ledger, "ada", *ALL)
    desk.expect_at(name_feature(1))
    desk.expect_complaint("503")
    with lock(f"sqlite:///{ledger}"):
        desk.press("a")
        expect(desk.status).to_contain_text("Trying again", timeout=20_000)
        desk.expect_at(name_feature(1))
    desk.page.wait_for_url(f"**/{find_path(2)}", timeout=20_000)
    expect(desk.status).to_contain_text("Saved.")
    assert list_decisions(ledger) == [Made(name_feature(1), "accept", name_label(1))]


def test_what_the_command_opens_leads_to_the_queue(
    browser: Browser, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr("webbrowser.open", started.append)
    with serve_review(ledger, "ada") as server, browser.new_context() as context:
        announce("Review", server.link, tmp_path, opens=True)
        page = context.new_page()
        page.goto(started[0])
        page.wait_for_url(f"{server.address}{find_path(1)}")
    assert started[0].startswith("file://")


SECRET = "zebra"


def hide(number: int) -> Queued:
    """Make a feature whose proposal is known by one word wherever it turns up."""
    queued = make_queued(number, 2)
    proposal = make_proposal(
        label=f"{SECRET} label",
        route_reason=f"{SECRET} route",
        steps=(f"{SECRET} step",),
        method=f"{SECRET} method",
        reason=f"{SECRET} reason",
        hint=f"{SECRET} hint",
        notes=(f"{SECRET} note",),
        candidates=(CandidateView(f"{SECRET} candidate", "other", "model"),),
    )
    kept = {"label": proposal.label, "reason": proposal.reason, "hint": proposal.hint}
    return replace(
        queued,
        item=replace(queued.item, **kept),
        feature=replace(queued.feature, proposal=proposal),
    )


def test_nothing_of_a_proposal_is_sent_before_a_blind_judgement(
    reviewers: Reviewers, tmp_path: Path
) -> None:
    ledger = write_ledger(tmp_path / "clerp.db", [hide(1), hide(2)])
    decide(ledger, [Made(name_feature(1), "edit", f"{SECRET} by bob", annotator="bob")])
    agree_on(ledger, ReviewTerms(overlap=1.0, is_blind=True))
    desk = reviewers.sit(ledger, "ada", *ALL)
    desk.expect_at(name_feature(1))
    for path in ("list", "disputes", "agreement", find_path(1)):
        assert SECRET not in desk.open(path)
        assert SECRET not in desk.page.content()
    desk.photograph("blind")
    assert desk.find_barriers() == []
    desk.go("x")
    desk.expect_at(name_feature(2))
    sent = desk.open(find_path(1))
    for what in ("label", "route", "step", "method", "reason", "note", "candidate", "by bob"):
        assert f"{SECRET} {what}" in sent
    expect(desk.proposal).to_have_text(f"{SECRET} label")
    assert SECRET in desk.open("list")


def test_what_was_on_screen_before_terms_were_tightened_is_not_judged_blind(
    reviewers: Reviewers, ledger: Path
) -> None:
    desk = reviewers.sit(ledger, "ada", *ALL)
    expect(desk.proposal).to_have_text(name_label(1))
    agree_on(ledger, ReviewTerms(is_blind=True))
    desk.go("a")
    desk.expect_at(name_feature(2))
    expect(desk.proposal).to_contain_text("judged blind")
    desk.go("x")
    with open_ledger(str(ledger)) as opened, opened.reading_review() as reads:
        made = [(d.act, d.is_blind) for d in reads.list_all_decisions()]
    assert made == [("accept", False), ("reject", True)]


def test_people_who_disagree_settle_it_and_their_agreement_is_measured(
    reviewers: Reviewers, tmp_path: Path
) -> None:
    ledger = write_queue(tmp_path / "clerp.db", 4)
    agree_on(ledger, ReviewTerms(overlap=1.0))
    ada, bob = (reviewers.sit(ledger, name, *ALL) for name in ("ada", "bob"))
    for role in "1212":
        ada.press(role)
        ada.go("a")
    for number, role in enumerate("1222", 1):
        bob.expect_at(name_feature(number))
        expect(bob.others).to_have_count(0)
        bob.press(role)
        bob.go("a")
    for desk in (ada, bob):
        expect(desk.page.get_by_role("heading", name="All done")).to_be_visible()

    ada.open("disputes")
    (dispute,) = ada.page.locator("main section").all()
    expect(dispute.get_by_role("heading")).to_have_text(f"{name_feature(3)} on the role")
    expect(dispute).to_contain_text("ada animal 03, input")
    expect(dispute).to_contain_text("bob animal 03, output")
    dispute.get_by_role("link").press("Enter")
    ada.expect_at(name_feature(3))
    expect(ada.own).to_contain_text("Disputed: ada, bob do not agree on the role")
    ada.press("2")
    ada.go("a")
    ada.open("disputes")
    expect(ada.page.get_by_role("heading", name="Disputes 0")).to_be_visible()
    expect(ada.page.locator("main section")).to_have_count(0)

    # Before it was settled they agreed on 3 of 4, where chance gives 2.
    bob.open("agreement")
    row = bob.page.get_by_role("row", name="ada, bob seen all")
    assert row.get_by_role("cell").all_text_contents() == ["seen", "all", "4", "0.50"]


ATTACKER = "<img src=x onerror=alert(1)>{{ 7 * 7 }}"


@pytest.fixture(scope="module")
def hostile(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger in which all text is hostile, and two people disagree about every feature."""
    path = tmp_path_factory.mktemp("hostile") / "clerp.db"
    write_ledger(path, [make_hostile(number) for number in range(1, len(HOSTILE) + 1)])
    names = [(name_feature(number), text) for number, text in enumerate(HOSTILE, 1)]
    theirs = [Made(name, "edit", text, "input", text, annotator=text) for name, text in names]
    eves = [Made(name, "reject", "", "cross", text, annotator="eve") for name, text in names]
    decide(path, [*theirs, *eves])
    return path


PLACES = (
    *("h1 .label", ".reason", ".route summary", ".route ol", ".route > p:last-child"),
    *(".route tbody", ".chips", ".prompt h2", ".prompt .tokens", ".logits", ".examples"),
    *(".neighbours", ".neighbours + .neighbours", ".side section > .said", ".side > details .said"),
    *(
        ".nla > p",
        ".nla > .texts",
        ".nla .predicted",
        ".nla .claims",
        ".nla details",
        ".nla .signals",
    ),
)
"""Parts of a feature's page that hold text of files, models and people."""


def test_hostile_text_of_a_feature_is_shown_as_text(reviewers: Reviewers, hostile: Path) -> None:
    desk = reviewers.sit(hostile, ATTACKER, *ALL)
    all_tokens = "".join(map(spell_out, HOSTILE))
    for number, text in enumerate(HOSTILE, 1):
        desk.open(find_path(number))
        seen = spell_out(text)
        expect(desk.label).to_have_value(seen)
        shown = desk.read(*PLACES)
        assert [place for place in PLACES if seen not in shown[place]] == []
        assert seen in (desk.others.text_content() or "")
        assert shown[".examples"].count(all_tokens) == 2
        assert desk.find_foreign() == []


def test_hostile_text_of_people_is_shown_as_text(
    reviewers: Reviewers, hostile: Path, tmp_path: Path
) -> None:
    guideline = tmp_path / "guideline.txt"
    guideline.write_bytes("\n".join(HOSTILE).encode())
    desk = reviewers.sit(hostile, ATTACKER, *ALL, "--guideline", guideline)
    for paths in (("list", "list?offset=50"), ("disputes",), ("agreement",)):
        shown = ""
        for path in paths:
            desk.open(path)
            shown += desk.read("main")["main"]
            assert desk.find_foreign() == []
        assert [text for text in HOSTILE if spell_out(text) not in shown] == []
    dialogs = desk.read("#keys", "#guideline")
    assert f"You judge as {ATTACKER}." in dialogs["#keys"]
    lines = [spell_out(line) for text in HOSTILE for line in text.splitlines()]
    assert [line for line in lines if line not in dialogs["#guideline"]] == []


def test_hostile_text_that_comes_while_a_page_is_open_is_shown_as_text(
    reviewers: Reviewers, hostile: Path, tmp_path: Path
) -> None:
    ledger = copy_ledger(hostile, tmp_path)
    desk = reviewers.sit(ledger, ATTACKER, *ALL)
    desk.open(find_path(1))
    desk.write("e", "script")
    # How many there are depends on what was decided so far, which is read again now and then.
    expect(desk.suggestions.nth(1)).to_be_visible()
    offered = desk.suggestions.all_text_contents()
    assert set(offered) <= set(map(spell_out, HOSTILE))
    desk.press("ArrowDown", "Enter")
    expect(desk.label).to_have_value(offered[0])
    desk.expect_complaint("400 (Bad Request)")
    desk.press("Enter")
    refused = f"frontends would show {clean_label(offered[0])!r}"
    expect(desk.status).to_contain_text(refused, use_inner_text=True)

    desk.open(find_path(2))
    decide(ledger, [Made(name_feature(2), "edit", HOSTILE[0], annotator=ATTACKER)])
    desk.expect_complaint("409 (Conflict)")
    desk.press("x")
    expect(desk.conflict).to_contain_text(f"{ATTACKER} decided meanwhile: edit {HOSTILE[0]!r}")
    assert desk.find_foreign() == []


def test_what_a_page_must_not_do_is_noticed(reviewers: Reviewers, ledger: Path) -> None:
    desk = reviewers.sit(ledger)
    assert desk.find_foreign() == []
    desk.misbehave("document.body.insertAdjacentHTML('beforeend', '<b onclick=x>\u202e</b>')")
    assert desk.find_foreign() == ['<b onclick="x">\u202e</b>', "\u202e"]
    away = "http://elsewhere.example/"
    script = "Object.assign(document.createElement('script'), { textContent: 'alert(1)' })"
    desk.misbehave(f"document.body.append({script})")
    desk.misbehave(f"new Image().src = '{away}'")
    desk.misbehave(f"fetch('{away}').catch(() => null)")
    told = [complaint for complaint in desk.complaints if complaint.startswith("violated: ")]
    assert told == [
        "violated: script-src-attr by inline",
        "violated: script-src-elem by inline",
        f"violated: img-src by {away}",
        f"violated: connect-src by {away}",
    ]

    desk.page.evaluate("alert(1)")
    with desk.page.expect_popup():
        desk.page.evaluate("void open('/list')")
    with desk.page.expect_request(away):
        desk.page.evaluate(f"location.assign('{away}')")
    expected = ("dialog: 1", f"window: {desk.server.address}list", f"asked: {away}")
    assert [what for what in expected if what not in desk.complaints] == []
    desk.expect_complaint("")
