"""The rows of the queue."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from clerp.feature import FeatureId
from clerp.ledger.record import WAITING, FeatureKey, QueueItem, TranscoderSet
from clerp.ledger.tables import QUEUE

IS_OPEN = QUEUE.c.decided.is_(False)
KEY_COLUMNS = (
    *("feature_key", "transcoder_set", "revision", "layer", "feature_index", "kind"),
    "identity_digest",
)
"""Of every table that is about features."""


def make_row(item: QueueItem, run_id: str) -> dict[str, object]:
    """Write an item as a row of `queue`."""
    return {
        **write_key(item.key),
        "evidence_digest": item.evidence_digest,
        "role": item.role,
        "tier": item.tier,
        "status": item.status,
        "reason": item.reason,
        "hint": item.hint,
        "share": item.share,
        "label": item.label,
        "method": item.method,
        "uncertainty": item.uncertainty,
        "first_run": run_id,
        "last_run": run_id,
    }


def list_links(item: QueueItem) -> list[tuple[str, str]]:
    """Write the graphs of an item as rows of `queue_graphs`."""
    feature_key = hash_key(item.key)
    return [(feature_key, graph) for graph in item.graphs]


def read_item(row: Mapping[Any, Any], graphs: tuple[str, ...]) -> QueueItem:
    """Read a row of `queue`."""
    return QueueItem(
        key=read_key(row),
        evidence_digest=row["evidence_digest"],
        graphs=graphs,
        role=row["role"],
        tier=row["tier"],
        status=row["status"],
        reason=row["reason"],
        hint=row["hint"],
        share=row["share"],
        label=row["label"],
        method=row["method"],
        uncertainty=row["uncertainty"],
    )


def select_waiting() -> "sa.Select[tuple[object, ...]]":
    """Select what waits for a name: artefacts last, then the largest share first."""
    return (
        sa.select(QUEUE)
        .where(IS_OPEN, QUEUE.c.status.in_(WAITING))
        .order_by(
            QUEUE.c.role == "artefact",
            QUEUE.c.share.is_(None),
            QUEUE.c.share.desc(),
            QUEUE.c.layer,
            QUEUE.c.feature_index,
            QUEUE.c.feature_key,
        )
    )


def write_key(key: FeatureKey) -> dict[str, object]:
    """Write a key as the columns of every table that is about features."""
    return {
        "feature_key": hash_key(key),
        "transcoder_set": key.transcoders.name,
        "revision": key.transcoders.revision,
        "layer": key.feature.layer,
        "feature_index": key.feature.index,
        "kind": key.feature.kind,
        "identity_digest": key.digest,
    }


def read_key(row: Mapping[Any, Any]) -> FeatureKey:
    """Read the columns that `write_key` writes."""
    transcoders = TranscoderSet(row["transcoder_set"], row["revision"])
    feature = FeatureId(row["layer"], row["feature_index"], row["kind"])
    return FeatureKey(transcoders, feature, row["identity_digest"])


def hash_key(key: FeatureKey) -> str:
    """Name a feature by which rows and addresses know it."""
    written = json.dumps([key.transcoders.name, key.transcoders.revision, *key.feature, key.digest])
    return hashlib.sha256(written.encode()).hexdigest()
