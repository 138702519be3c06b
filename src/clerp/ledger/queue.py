"""The rows of the queue."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from clerp.feature import FeatureId
from clerp.ledger.record import FeatureKey, QueueItem, TranscoderSet
from clerp.ledger.tables import QUEUE

IS_OPEN = QUEUE.c.decided.is_(False)


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


def list_links(item: QueueItem) -> list[tuple[str, str]]:
    """Write the graphs of an item as rows of `queue_graphs`."""
    feature_key = _hash_key(item.key)
    return [(feature_key, graph) for graph in item.graphs]


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


def select_waiting() -> "sa.Select[tuple[object, ...]]":
    """Select what waits for a person: artefacts last, then the largest share first."""
    return (
        sa.select(QUEUE)
        .where(IS_OPEN)
        .order_by(
            QUEUE.c.role == "artefact",
            QUEUE.c.share.is_(None),
            QUEUE.c.share.desc(),
            QUEUE.c.layer,
            QUEUE.c.feature_index,
            QUEUE.c.feature_key,
        )
    )


def _hash_key(key: FeatureKey) -> str:
    written = json.dumps([key.transcoders.name, key.transcoders.revision, *key.feature, key.digest])
    return hashlib.sha256(written.encode()).hexdigest()
