from pathlib import Path

from clerp.ledger import Ledger


def test_a_file_is_durable(ledger: Ledger, path: Path):
    with ledger._engine.connect() as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert pragmas == ["wal", 2, 1]
