"""The durable record: what waits for a person, and every answer that was paid for."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clerp.ledger.engine import BUSY_TIMEOUT_SECONDS
    from clerp.ledger.ledger import Ledger
    from clerp.ledger.opening import open_ledger
    from clerp.ledger.place import mask_password
    from clerp.ledger.record import Answer, FeatureKey, QueueItem, QueueStatus, TranscoderSet
    from clerp.ledger.tables import SCHEMA_VERSION

__all__ = [
    "BUSY_TIMEOUT_SECONDS",
    "SCHEMA_VERSION",
    "Answer",
    "FeatureKey",
    "Ledger",
    "QueueItem",
    "QueueStatus",
    "TranscoderSet",
    "mask_password",
    "open_ledger",
]

_HOMES = {
    "BUSY_TIMEOUT_SECONDS": "engine",
    "SCHEMA_VERSION": "tables",
    "Answer": "record",
    "FeatureKey": "record",
    "Ledger": "ledger",
    "QueueItem": "record",
    "QueueStatus": "record",
    "TranscoderSet": "record",
    "mask_password": "place",
    "open_ledger": "opening",
}


def __getattr__(name: str) -> object:
    # SQLAlchemy is imported by those who open a ledger, not by those who show where one is.
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
