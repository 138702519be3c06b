from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.unit.ledger.databases import ask, connect
from tests.unit.ledger.records import make_answer

from clerp.errors import LedgerError
from clerp.ledger import Ledger, engine, open_ledger
from clerp.ledger.engine import for_writing
from clerp.ledger.tables import ANSWERS


def test_a_file_is_durable(path: Path):
    with open_ledger(str(path)) as ledger, ledger._engine.connect() as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert pragmas == ["wal", 2, 1]


def show(ledger: Ledger, name: str, *, writes: bool) -> Any:
    with ledger._engine.connect() as connection:
        chosen = for_writing(connection) if writes else connection
        return chosen.exec_driver_sql(f"SHOW {name}").scalar()


def test_a_server_is_durable_and_waits_for_a_lock_as_long_as_a_file(server_url: str):
    # The server of the tests says otherwise.
    assert ask(server_url, "SHOW synchronous_commit") == [("off",)]
    with open_ledger(server_url) as ledger:
        for writes in (True, False):
            assert show(ledger, "synchronous_commit", writes=writes) == "on"
            assert show(ledger, "lock_timeout", writes=writes) == "5s"


def test_who_reads_sees_one_moment_and_who_writes_sees_what_is_committed(server_url: str):
    assert ask(server_url, "SHOW transaction_isolation") == [("serializable",)]
    with open_ledger(server_url) as ledger:
        for _ in range(2):
            assert show(ledger, "transaction_isolation", writes=True) == "read committed"
            assert show(ledger, "transaction_isolation", writes=False) == "repeatable read"


def test_the_time_of_an_answer_is_in_utc(ledger: Ledger, url: str):
    before = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    ledger.record_answer(make_answer())
    with connect(url) as connection:
        made = connection.execute(sa.select(ANSWERS.c.created_at)).scalar_one()
    assert before <= made < before + timedelta(hours=1)


def test_connections_outlast_a_server_that_drops_them(server_url: str):
    with open_ledger(server_url) as ledger:
        assert ledger.queued() == []
        ask(
            server_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        assert ledger.queued() == []


def test_a_driver_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch):
    def miss(*_: object, **__: object) -> None:
        raise ImportError("no pq wrapper available.\nAttempts made:\n- none")

    monkeypatch.setattr(engine.sa, "create_engine", miss)
    with pytest.raises(LedgerError, match=r"not installed \(no pq wrapper.*pip install") as caught:
        open_ledger("postgresql://user:secret@host/db")
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
