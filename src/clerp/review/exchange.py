"""Decisions out of a ledger and into another one."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from clerp.errors import ReviewError, UsageError
from clerp.graph.writing import write_atomically
from clerp.ledger import FeatureKey, Ledger
from clerp.ledger.decision import Decision, find_standings
from clerp.ledger.queue import hash_key
from clerp.review.decision_file import DecisionRow, find_form, read_rows, write_rows


@dataclass(frozen=True, slots=True)
class Conflict:
    """A person's decisions about a feature that were left out: she has decided otherwise here."""

    feature: FeatureKey
    annotator: str
    here: str
    """What stands in this ledger, in short."""
    there: str
    """What the file says."""
    n_left_out: int


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file's decisions."""

    added: int
    known: int
    """Those that were here already."""
    conflicts: tuple[Conflict, ...]
    unseen: int
    """Features among those added that no run with this ledger has seen; they wait for one."""


def export_decisions(ledger: Ledger, path: Path) -> int:
    """Write all decisions of a ledger, feature by feature, first to last.

    Args:
        ledger: Is only read.
        path: Ends in `.jsonl` or `.csv`.

    Returns:
        How many there are.

    Raises:
        UsageError: The name has another ending.
        OutputError: The file could not be written; what was there before is unchanged.
        LedgerError: The ledger could not be read.
    """
    find_form(path)
    with ledger.reading_review() as reads:
        rows = [DecisionRow.from_decision(made) for made in reads.list_all_decisions()]
    write_atomically(write_rows(rows, find_form(path)), path)
    return len(rows)


def import_decisions(ledger: Ledger, path: Path, *, now: datetime) -> Imported:
    """Add the decisions of a file that the ledger has not; all of them or, where one fails, none.

    A person's decisions about a feature are left out, and reported, where she stands otherwise in
    the ledger by decisions that the file does not hold.

    Args:
        ledger: Is added to.
        path: Ends in `.jsonl` or `.csv`; a file of `export_decisions`, or made by hand with at
            least the columns `transcoder_set`, `feature`, `annotator` and `act`.
        now: When decisions were made of which the file does not say it; UTC, without a zone.

    Raises:
        UsageError: The name has another ending.
        ReviewError: The file cannot be read, lines are broken, or what has the uid of another
            decision is another one; nothing was added.
        LedgerBusyError: Somebody else decides or imports, and was not done in 5 s.
        LedgerError: The ledger could not be written; nothing was added.
    """
    decisions = _drop_repeats([row.to_decision(now) for row in read_rows(path)], path)
    by_feature: dict[FeatureKey, list[Decision]] = defaultdict(list)
    for decision in decisions:
        by_feature[decision.key].append(decision)
    added, conflicts, unseen = 0, list[Conflict](), 0
    with ledger.reviewing() as writes:
        writes.keep_others_out()
        for key, given in sorted(by_feature.items(), key=lambda pair: hash_key(pair[0])):
            merge = _merge(key, writes.list_decisions(key), given)
            conflicts.extend(merge.conflicts)
            if merge.new:
                writes.add(merge.new)
                added += len(merge.new)
                unseen += not writes.is_queued(key)
    left_out = sum(conflict.n_left_out for conflict in conflicts)
    return Imported(added, len(decisions) - added - left_out, tuple(conflicts), unseen)


def export_roles(ledger: Ledger, path: Path) -> int:
    """Write the roles that people agreed on as `clerp evaluate roles --truth` reads them.

    Args:
        ledger: Is only read.
        path: Of the file, JSON lines.

    Returns:
        How many there are.

    Raises:
        UsageError: The name has another ending.
        OutputError: The file could not be written; what was there before is unchanged.
        ReviewError: They are of more than one transcoder set, which such a file cannot tell apart.
        LedgerError: The ledger could not be read.
    """
    if path.suffix != ".jsonl":
        raise UsageError("is not .jsonl", where=str(path), remedy="Name a file of JSON lines")
    with ledger.reading_review() as reads:
        verdicts = {key: v for key, v in reads.list_all_verdicts().items() if v.role}
    sets = sorted({f"{k.transcoders.name}@{k.transcoders.revision}" for k in verdicts})
    if len(sets) > 1:
        raise ReviewError(
            f"roles of {len(sets)} transcoder sets are in the ledger: {', '.join(sets)}",
            remedy="Keep each set in a ledger of its own",
        )
    if len({key.feature for key in verdicts}) < len(verdicts):
        raise ReviewError(
            "features of more than one model with the same numbers are in the ledger",
            remedy="Keep each model's in a ledger of its own",
        )
    lines = [
        {
            "layer": key.feature.layer,
            "index": key.feature.index,
            "role": verdict.role,
            "labels": [verdict.label] if verdict.label else [],
        }
        for key, verdict in sorted(verdicts.items(), key=lambda pair: pair[0].feature)
    ]
    write_atomically(msgspec.json.Encoder().encode_lines(lines), path)
    return len(lines)


def _drop_repeats(decisions: Sequence[Decision], path: Path) -> list[Decision]:
    by_uid: dict[str, Decision] = {}
    for decision in decisions:
        if by_uid.setdefault(decision.uid, decision) != decision:
            raise ReviewError(
                f"two decisions have the uid {decision.uid!r}",
                where=str(path),
                remedy="Nothing was imported. Correct the file and import it again",
            )
    return list(by_uid.values())


@dataclass(frozen=True, slots=True)
class _Merge:
    new: list[Decision]
    conflicts: list[Conflict]


def _merge(key: FeatureKey, here: Sequence[Decision], given: Sequence[Decision]) -> _Merge:
    known, told = {d.uid: d for d in here}, {d.uid for d in given}
    new = [d for d in given if d.uid not in known]
    edited = [d for d in given if d.uid in known and _says(d) != _says(known[d.uid])]
    conflicts = [
        Conflict(key, d.annotator, _write(known[d.uid]), _write(d), n_left_out=1) for d in edited
    ]
    for person in sorted({d.annotator for d in new if d.is_said}):
        ours, theirs = _describe(person, here), _describe(person, given)
        only_here = any(d.annotator == person and d.is_said and d.uid not in told for d in here)
        if only_here and ours != theirs:
            hers = [d for d in new if d.annotator == person and d.is_said]
            conflicts.append(Conflict(key, person, ours, theirs, len(hers)))
            new = [d for d in new if d not in hers]
    return _Merge(new, conflicts)


def _says(decision: Decision) -> tuple[str, ...]:
    return decision.act, decision.label, decision.role, decision.comment, decision.target


def _write(decision: Decision) -> str:
    """Say in short what a decision is."""
    said = (decision.act, repr(decision.label) if decision.label else "", decision.role)
    return " ".join(part for part in (*said, decision.comment) if part)


def _describe(person: str, decisions: Sequence[Decision]) -> str:
    """Say in short where a person stands."""
    for standing in find_standings(decisions):
        if standing.annotator == person:
            said = (standing.judgement, repr(standing.label), standing.role)
            return " ".join(part for part in said if part and part != "''")
    return ""
