"""What a ledger keeps of decisions, held against what follows from the decisions themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from itertools import groupby

import sqlalchemy as sa

from clerp.ledger import FeatureKey, Ledger
from clerp.ledger.decision import Decision, Standing, find_standings, find_verdict
from clerp.ledger.queue import hash_key
from clerp.ledger.tables import QUEUE, STANDINGS

Kept = dict[FeatureKey, list[Decision]]

_KEPT = [field.name for field in fields(Standing) if field.name != "comments"]


def read_decisions(ledger: Ledger) -> Kept:
    """Return all decisions by feature, first to last."""
    with ledger.reading_review() as reads:
        made = list(reads.list_all_decisions())
    return {key: list(group) for key, group in groupby(made, key=lambda d: d.key)}


def read_standings(ledger: Ledger) -> dict[str, tuple[Standing, ...]]:
    """Return where people stand by hash of the feature, without comments, which are not kept."""
    found: dict[str, tuple[Standing, ...]] = {}
    with ledger._transaction() as connection:
        rows = connection.execute(sa.select(STANDINGS).order_by(STANDINGS.c.annotator)).mappings()
        for row in rows:
            standing = Standing(**{name: row[name] for name in _KEPT})
            found[row["feature_key"]] = (*found.get(row["feature_key"], ()), standing)
    return found


def check_fold(ledger: Ledger) -> Kept:
    """Check that nothing is kept but what the decisions come to; return them."""
    kept = read_decisions(ledger)
    _check_numbers(kept)
    assert read_standings(ledger) == _fold_standings(kept)
    verdicts = {key: found for key, made in kept.items() if (found := find_verdict(made))}
    with ledger.reading_review() as reads:
        assert reads.list_all_verdicts() == verdicts
    named = {hash_key(key) for key, verdict in verdicts.items() if verdict.label is not None}
    with ledger._transaction() as connection:
        queued = connection.execute(sa.select(QUEUE.c.feature_key, QUEUE.c.decided)).all()
    assert {row.feature_key: row.decided for row in queued} == {
        row.feature_key: row.feature_key in named for row in queued
    }
    return kept


def _check_numbers(kept: Mapping[FeatureKey, Sequence[Decision]]) -> None:
    uids = [made.uid for decisions in kept.values() for made in decisions]
    assert len(set(uids)) == len(uids)
    for decisions in kept.values():
        assert [made.number for made in decisions] == list(range(1, len(decisions) + 1))


def _fold_standings(kept: Kept) -> dict[str, tuple[Standing, ...]]:
    return {
        hash_key(key): tuple(
            replace(standing, comments=()) for standing in find_standings(decisions)
        )
        for key, decisions in kept.items()
    }
