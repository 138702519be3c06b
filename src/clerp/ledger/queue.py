"""The rows of the queue, and the statements that keep it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from clerp.feature import FeatureId
from clerp.ledger.record import FeatureKey, QueueItem, TranscoderSet
from clerp.ledger.tables import QUEUE, QUEUE_GRAPHS

_KEPT = {"feature_key", "first_run", "decided"}
_OPEN = QUEUE.c.decided.is_(False)


def make_row(item: QueueItem, run_id: str) -> dict[str, object]:
    """Write an item as a row of `queue`."""
    return {
        "feature_key": _hash_key(item.key),
        "transcoder_set": item.key.transcoders.name,
        "revision": item.key.transcoders.revision,
        "layer": item.key.feature.layer,
        "feature_index": item.key.feature.index,
        "kind": item.key.feature.kind,
        "identity_digest": item.key.digest,
        "evidence_digest": item.evidence_digest,
        "role": item.role,
        "tier": item.tier,
        "status": item.status,
        "reason": item.reason,
        "hint": item.hint,
        "share": item.share,
        "first_run": run_id,
        "last_run": run_id,
    }


def list_graph_rows(item: QueueItem) -> list[dict[str, object]]:
    """Write the graphs of an item as rows of `queue_graphs`."""
    feature_key = _hash_key(item.key)
    return [{"feature_key": feature_key, "graph": graph} for graph in item.graphs]


def read_item(row: Mapping[Any, Any], graphs: tuple[str, ...]) -> QueueItem:
    """Read a row of `queue`."""
    transcoders = TranscoderSet(row["transcoder_set"], row["revision"])
    feature = FeatureId(row["layer"], row["feature_index"], row["kind"])
    return QueueItem(
        key=FeatureKey(transcoders, feature, row["identity_digest"]),
        evidence_digest=row["evidence_digest"],
        graphs=graphs,
        role=row["role"],
        tier=row["tier"],
        status=row["status"],
        reason=row["reason"],
        hint=row["hint"],
        share=row["share"],
    )


def upsert(insert: sqlite.Insert | postgresql.Insert) -> sa.Executable:
    """Insert rows of `queue`; those that are there are brought up to date until decided."""
    return insert.on_conflict_do_update(
        index_elements=[QUEUE.c.feature_key],
        set_={c.name: insert.excluded[c.name] for c in QUEUE.c if c.name not in _KEPT},
        where=_OPEN,
    )


def select_waiting() -> "sa.Select[tuple[object, ...]]":
    """Select what waits for a person: artefacts last, then the largest share first."""
    return (
        sa.select(QUEUE)
        .where(_OPEN)
        .order_by(
            QUEUE.c.role == "artefact",
            QUEUE.c.share.is_(None),
            QUEUE.c.share.desc(),
            QUEUE.c.layer,
            QUEUE.c.feature_index,
            QUEUE.c.feature_key,
        )
    )


def forget_graphs(transcoders: TranscoderSet, graphs: Sequence[str]) -> sa.Executable:
    """Take these graphs from the features that wait because of them."""
    waiting = sa.select(QUEUE.c.feature_key).where(
        QUEUE.c.transcoder_set == transcoders.name,
        QUEUE.c.revision == transcoders.revision,
        _OPEN,
    )
    return sa.delete(QUEUE_GRAPHS).where(
        QUEUE_GRAPHS.c.graph.in_(graphs), QUEUE_GRAPHS.c.feature_key.in_(waiting)
    )


def drop_unwanted() -> sa.Executable:
    """Delete the features that no graph waits for any more."""
    wanted = sa.select(QUEUE_GRAPHS.c.feature_key)
    return sa.delete(QUEUE).where(_OPEN, QUEUE.c.feature_key.not_in(wanted))


def _hash_key(key: FeatureKey) -> str:
    written = json.dumps([key.transcoders.name, key.transcoders.revision, *key.feature, key.digest])
    return hashlib.sha256(written.encode()).hexdigest()
