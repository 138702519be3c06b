"""The durable record: what waits for a person, and every answer that was paid for."""

from typing import TYPE_CHECKING

from clerp.lazy import import_when_used

if TYPE_CHECKING:
    from clerp.ledger.engine import BUSY_TIMEOUT_SECONDS
    from clerp.ledger.group_commit import GroupCommit
    from clerp.ledger.ledger import Ledger
    from clerp.ledger.opening import open_ledger
    from clerp.ledger.owners import end_owner, name_owner
    from clerp.ledger.place import mask_password
    from clerp.ledger.record import (
        Answer,
        Claim,
        FeatureKey,
        QueueItem,
        QueueStatus,
        Taken,
        TranscoderSet,
    )
    from clerp.ledger.tables import SCHEMA_VERSION
    from clerp.ledger.writes import LedgerWrites

__all__ = [
    "BUSY_TIMEOUT_SECONDS",
    "SCHEMA_VERSION",
    "Answer",
    "Claim",
    "FeatureKey",
    "GroupCommit",
    "Ledger",
    "LedgerWrites",
    "QueueItem",
    "QueueStatus",
    "Taken",
    "TranscoderSet",
    "end_owner",
    "mask_password",
    "name_owner",
    "open_ledger",
]

_HOMES = {
    "BUSY_TIMEOUT_SECONDS": "engine",
    "SCHEMA_VERSION": "tables",
    "Answer": "record",
    "Claim": "record",
    "FeatureKey": "record",
    "GroupCommit": "group_commit",
    "Ledger": "ledger",
    "LedgerWrites": "writes",
    "QueueItem": "record",
    "QueueStatus": "record",
    "Taken": "record",
    "TranscoderSet": "record",
    "end_owner": "owners",
    "mask_password": "place",
    "name_owner": "owners",
    "open_ledger": "opening",
}

# SQLAlchemy is imported by those who open a ledger, not by those who show where one is.
__getattr__ = import_when_used(__name__, _HOMES)
