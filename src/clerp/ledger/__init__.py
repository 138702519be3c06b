"""The durable record: what waits for a person, and every answer that was paid for."""

from typing import TYPE_CHECKING

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


def __getattr__(name: str) -> object:
    # SQLAlchemy is imported by those who open a ledger, not by those who show where one is.
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
