"""Decisions out of one ledger and into another."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.ledger.records import SET, make_item

from clerp.errors import ReviewError, UsageError
from clerp.evaluation.truth import read_truth
from clerp.feature import FeatureId
from clerp.labels import clean_comment, clean_label
from clerp.ledger import FeatureKey, Ledger, open_ledger
from clerp.ledger.decision import Decision
from clerp.review.decision_file import DecisionRow, read_rows, write_rows
from clerp.review.exchange import export_decisions, export_roles, import_decisions

NOON = datetime(2026, 1, 2, 12)
KEY = make_item(7).key
OTHER = make_item(8).key
LINE = (
    '{"transcoder_set": "owner/transcoders", "revision": "main", "feature": "3_7", '
    '"annotator": "ada", "act": "edit", "label": "Texas"}'
)


def make(uid: str, key: FeatureKey = KEY, annotator: str = "ada", **more: object) -> Decision:
    given: dict[str, object] = {"act": "edit", "label": "Texas"} | more
    return Decision(uid, key, annotator, made_at=NOON, **given)  # pyright: ignore[reportArgumentType]


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with open_ledger(":memory:") as opened:
        yield opened


@pytest.fixture
def other() -> Iterator[Ledger]:
    with open_ledger(":memory:") as opened:
        yield opened


def add(ledger: Ledger, *decisions: Decision) -> None:
    for decision in decisions:
        with ledger.reviewing() as writes:
            writes.add([decision])


def read(ledger: Ledger) -> list[Decision]:
    with ledger.reading_review() as reads:
        return list(reads.list_all_decisions())


@pytest.mark.parametrize("name", ["review.jsonl", "review.csv"])
def test_an_export_makes_the_same_decisions_elsewhere_once(
    ledger: Ledger, other: Ledger, tmp_path: Path, name: str
):
    add(
        ledger,
        make("a", comment="=HYPERLINK()\ntwo lines", seconds=2.5, is_blind=True),
        make("b", act="undo", label="", target="a"),
        make("c", OTHER, "bob", act="reject", label="", role="obscure", proposal="-tion"),
        make("d", OTHER, "ada", label="'quoted"),
    )
    path = tmp_path / name
    assert export_decisions(ledger, path) == 4
    done = import_decisions(other, path, now=NOON)
    assert (done.added, done.known, done.unseen, done.conflicts) == (4, 0, 2, ())
    assert read(other) == read(ledger)
    again = import_decisions(other, path, now=NOON)
    assert (again.added, again.known, again.unseen) == (0, 4, 0)
    assert read(other) == read(ledger)


def test_no_cell_of_a_csv_is_a_formula(ledger: Ledger, tmp_path: Path):
    add(ledger, make("a", label="-tion", comment="=1+1"), make("b", OTHER, comment="@x"))
    path = tmp_path / "review.csv"
    export_decisions(ledger, path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert "'-tion" in cells
    assert not [c for c in cells if c.startswith(("=", "+", "-", "@"))]


def test_what_was_decided_here_otherwise_is_kept_and_reported(
    ledger: Ledger, other: Ledger, tmp_path: Path
):
    add(ledger, make("a", label="Texas"), make("x", OTHER, label="words"))
    path = tmp_path / "review.jsonl"
    export_decisions(ledger, path)
    add(other, make("b", label="Austin"), make("y", OTHER, label="words"))
    done = import_decisions(other, path, now=NOON)
    (conflict,) = done.conflicts
    assert (conflict.feature, conflict.annotator) == (KEY, "ada")
    assert (conflict.here, conflict.there) == ("edit 'Austin'", "edit 'Texas'")
    assert [d.uid for d in read(other)] == ["b", "y", "x"]
    assert (done.added, done.known) == (1, 0)


def test_a_line_that_was_edited_is_a_conflict(ledger: Ledger, tmp_path: Path):
    add(ledger, make("a", label="Texas"))
    path = tmp_path / "review.csv"
    export_decisions(ledger, path)
    path.write_text(path.read_text().replace("Texas", "Austin"))
    (conflict,) = import_decisions(ledger, path, now=NOON).conflicts
    assert (conflict.here, conflict.there) == ("edit 'Texas'", "edit 'Austin'")
    assert [d.label for d in read(ledger)] == ["Texas"]


def test_a_comment_here_keeps_no_judgement_out(ledger: Ledger, other: Ledger, tmp_path: Path):
    add(ledger, make("a", label="Texas"))
    export_decisions(ledger, tmp_path / "review.jsonl")
    add(other, make("b", act="comment", label="", comment="hm"))
    done = import_decisions(other, tmp_path / "review.jsonl", now=NOON)
    assert (done.added, done.conflicts) == (1, ())


def test_roles_go_into_json_lines_only(ledger: Ledger, tmp_path: Path):
    with pytest.raises(UsageError, match=r"is not .jsonl"):
        export_roles(ledger, tmp_path / "roles.csv")


def test_a_file_that_goes_on_from_here_is_no_conflict(
    ledger: Ledger, other: Ledger, tmp_path: Path
):
    add(ledger, make("a", label="Texas"))
    add(other, make("a", label="Texas"))
    add(ledger, make("b", label="Austin"))
    export_decisions(ledger, tmp_path / "review.jsonl")
    done = import_decisions(other, tmp_path / "review.jsonl", now=NOON)
    assert (done.added, done.known, done.conflicts) == (1, 1, ())


def test_another_persons_decision_is_no_conflict(ledger: Ledger, other: Ledger, tmp_path: Path):
    add(ledger, make("a", label="Texas"))
    add(other, make("b", annotator="bob", label="Austin"))
    export_decisions(ledger, tmp_path / "review.jsonl")
    assert import_decisions(other, tmp_path / "review.jsonl", now=NOON).conflicts == ()
    with other.reading_review() as reads:
        assert {v.state for v in reads.list_all_verdicts().values()} == {"disputed"}


def test_a_line_made_by_hand_is_added_once(ledger: Ledger, tmp_path: Path):
    path = tmp_path / "by-hand.jsonl"
    path.write_text(LINE + "\n")
    assert import_decisions(ledger, path, now=NOON).added == 1
    assert import_decisions(ledger, path, now=datetime(2027, 1, 1)).added == 0
    (made,) = read(ledger)
    assert (made.key, made.label, made.made_at) == (KEY, "Texas", NOON)


BROKEN = [
    ("{", "invalid JSON"),
    (LINE.replace("edit", "rename"), "act"),
    (LINE.replace('"Texas"', '"\u202e"'), "nothing is left of the label"),
    (LINE.replace('"Texas"', '"C++"'), "of this label frontends would show 'C'"),
    (LINE.replace("3_7", "x"), "'x' is not a feature"),
    (LINE.replace('"edit"', '"role"'), "role needs a role"),
    (LINE.replace('"edit"', '"undo"'), "undo needs a target"),
    (LINE.replace('"ada"', '""'), "annotator"),
    (LINE.replace('"label"', '"lable"'), "lable"),
    ('{"feature": "3_7"}', "field required"),
]


@pytest.mark.parametrize(("line", "said"), BROKEN, ids=[said for _, said in BROKEN])
def test_one_broken_line_keeps_all_out(ledger: Ledger, tmp_path: Path, line: str, said: str):
    path = tmp_path / "broken.jsonl"
    path.write_text(f"{LINE}\n{line}\n")
    with pytest.raises(ReviewError, match=f"line 2: .*{said}"):
        import_decisions(ledger, path, now=NOON)
    assert read(ledger) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("transcoder_set,feature,annotator,act\na,1_2,ada\n", "another number of cells"),
        ("transcoder_set,feature,annotator,act\na,1_2,ada,skip,x\n", "another number of cells"),
        ('transcoder_set,feature\n"a,1_2\n', "line"),
        ("name\nx\n", "field required"),
    ],
)
def test_a_broken_csv_says_where(ledger: Ledger, tmp_path: Path, content: str, said: str):
    path = tmp_path / "broken.csv"
    path.write_text(content)
    with pytest.raises(ReviewError, match=said):
        import_decisions(ledger, path, now=NOON)
    assert read(ledger) == []


def test_what_is_no_file_of_decisions_is_said(ledger: Ledger, tmp_path: Path):
    with pytest.raises(UsageError, match=r"neither .jsonl nor .csv"):
        export_decisions(ledger, tmp_path / "review.txt")
    with pytest.raises(ReviewError, match="No such file"):
        import_decisions(ledger, tmp_path / "none.csv", now=NOON)
    (tmp_path / "latin.csv").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ReviewError, match="UTF-8"):
        import_decisions(ledger, tmp_path / "latin.csv", now=NOON)


def test_roles_are_written_as_evaluation_reads_them(ledger: Ledger, tmp_path: Path):
    add(
        ledger,
        make("a", act="role", label="", role="cross"),
        make("b", OTHER, role="input"),
        make("c", make_item(9).key),
    )
    path = tmp_path / "roles.jsonl"
    assert export_roles(ledger, path) == 2
    assert [(f.feature, f.role, f.labels) for f in read_truth(path)] == [
        (FeatureId(3, 7), "cross", ()),
        (FeatureId(3, 8), "input", ("Texas",)),
    ]
    far = replace(KEY, transcoders=replace(SET, name="another/set"))
    add(ledger, make("d", far, act="role", label="", role="cross"))
    with pytest.raises(ReviewError, match="roles of 2 transcoder sets"):
        export_roles(ledger, path)


TEXT = st.text(max_size=30)


@given(
    label=TEXT.map(clean_label).filter(bool),
    comment=TEXT.map(clean_comment),
    annotator=st.text(min_size=1, max_size=9).filter(lambda t: t.isprintable() and t.strip() == t),
)
def test_any_text_survives_either_form(label: str, comment: str, annotator: str):
    made = make("a", label=label, comment=comment, annotator=annotator)
    row = DecisionRow.from_decision(made)
    for form in ("jsonl", "csv"):
        content = write_rows([row, row], form)
        assert len(content) > 0
        assert _reread(content, form) == [made, made]


def _reread(content: bytes, form: str) -> list[Decision]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x.{form}"
        path.write_bytes(content)
        return [row.to_decision(NOON) for row in read_rows(path)]


def test_json_lines_are_json(ledger: Ledger, tmp_path: Path):
    add(ledger, make("a"))
    export_decisions(ledger, tmp_path / "review.jsonl")
    (line,) = (tmp_path / "review.jsonl").read_text().splitlines()
    assert json.loads(line)["made_at"] == "2026-01-02T12:00:00Z"
