"""Places where a ledger can be opened, and places that are left alone."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.postgres import Postgres, find_port
from tests.unit.ledger.databases import ask, connect, dump, lock
from tests.unit.ledger.records import make_answer

from clerp.errors import LedgerBusyError, LedgerError
from clerp.ledger import SCHEMA_VERSION, engine, mask_password, open_ledger
from clerp.ledger.tables import TABLES


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(LedgerError, match=r"no/clerp.db: the folder .* does not exist"):
        open_ledger(str(tmp_path / "no" / "clerp.db"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_ledger(tmp_path: Path):
    with pytest.raises(LedgerError, match="this is a folder"):
        open_ledger(str(tmp_path))


@pytest.mark.parametrize("garbage", [b"{}" * 1000, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_file_that_is_no_database_is_left_alone(path: Path, garbage: bytes):
    path.write_bytes(garbage)
    with pytest.raises(LedgerError, match=r"clerp.db: .*--ledger"):
        open_ledger(str(path))
    assert path.read_bytes() == garbage
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("table", ["notes (body TEXT)", "schema_version (number INTEGER)"])
def test_a_database_of_something_else_is_left_alone(url: str, table: str):
    ask(url, f"CREATE TABLE {table}")
    with pytest.raises(LedgerError, match="database of something else"):
        open_ledger(url)
    with connect(url) as connection:
        assert sa.inspect(connection).get_table_names() == [table.split()[0]]


def test_a_newer_schema_is_refused_and_left_alone(url: str):
    open_ledger(url).close()
    ask(url, "UPDATE schema_version SET version = version + 1")
    before = dump(url)
    newer = rf"made by a newer clerp \(schema {SCHEMA_VERSION + 1}, not {SCHEMA_VERSION}\)"
    with pytest.raises(LedgerError, match=newer):
        open_ledger(url)
    assert dump(url) == before


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://host/db", "cannot live in mysql"),
        ("://secret", "URL cannot be read"),
        ("postgresql+nonesuch://user:secret@host/db", "cannot be reached by postgresql.nonesuch"),
        ("postgresql+asyncpg://host/db?password=secret", "cannot be reached by postgresql.asyncpg"),
        ("postgresql://user:secret/db", "URL cannot be read"),
        ("postgresql://user:p@secret@host/db", "URL cannot be read.*%40"),
        ("postgresql:/user:secret@host/db", "URL cannot be read"),
        ("sqlite://user:p@secret@host/db", "URL cannot be read"),
        ("sqlite://user:secret@host/db", "without user or host"),
        ("sqlite://host/db", "without user or host"),
    ],
)
def test_a_url_that_cannot_be_used_is_explained(url: str, said: str):
    with pytest.raises(LedgerError, match=said) as caught:
        open_ledger(url)
    assert "secret" not in str(caught.value)


def test_a_url_of_sqlite_is_the_same_ledger(path: Path):
    with open_ledger(f"sqlite:///{path}") as by_url:
        by_url.record_answer(make_answer())
    with open_ledger(str(path)) as by_path:
        assert by_path.find_answer("k") == make_answer()


def test_opening_a_ledger_again_writes_nothing(path: Path):
    def describe() -> dict[str, tuple[int, bytes]]:
        return {
            one.name: (one.stat().st_mtime_ns, one.read_bytes()) for one in path.parent.iterdir()
        }

    with open_ledger(str(path)) as ledger:
        ledger.record_answer(make_answer())
    before = describe()
    for _ in range(2):
        with open_ledger(str(path)) as ledger:
            assert ledger.find_answer("k") == make_answer()
        assert describe() == before


def test_opening_a_ledger_on_a_server_again_writes_nothing(server_url: str):
    with open_ledger(server_url) as ledger:
        ledger.record_answer(make_answer())
    before = dump(server_url)
    with open_ledger(server_url) as ledger:
        assert ledger.find_answer("k") == make_answer()
    assert dump(server_url) == before


def test_all_who_open_a_new_ledger_at_once_can_use_it(server_url: str):
    def use(number: int) -> None:
        with open_ledger(server_url) as ledger:
            ledger.record_answer(make_answer(str(number)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(8)))
    assert ask(server_url, "SELECT count(*) FROM answers") == [(8,)]


def test_a_server_has_all_tables_that_a_file_has(server_url: str, path: Path):
    found: list[dict[str, list[str]]] = []
    for place in (server_url, str(path)):
        open_ledger(place).close()
        with connect(place) as connection:
            inspector = sa.inspect(connection)
            found.append(
                {
                    name: [column["name"] for column in inspector.get_columns(name)]
                    for name in sorted(inspector.get_table_names())
                }
            )
    assert found[0] == found[1]
    assert set(found[0]) == set(TABLES.tables)


def refuse(url: str, said: str) -> LedgerError:
    """Open a ledger on a server, and check that one line says why that cannot be."""
    with pytest.raises(LedgerError, match=said) as caught:
        open_ledger(url)
    line = str(caught.value)
    assert "\n" not in line
    assert f"{mask_password(url)}: " in line
    assert str(sa.make_url(url).password) not in line
    return caught.value


def test_a_server_that_does_not_run_is_named():
    url = f"postgresql+psycopg://clerp:S3CRET@127.0.0.1:{find_port()}/ledger"
    refuse(url, "does not answer.*refused Is the server.*Check that it runs")


def test_a_wrong_password_is_refused_without_showing_it(postgres: Postgres):
    url = postgres.name_url("postgres", password="S3CRET")
    refuse(url, "lets nobody in.*password authentication failed.*password and database")


def test_a_database_that_is_not_there_is_named(postgres: Postgres):
    refuse(postgres.name_url("nowhere"), '"nowhere" does not exist')


def test_a_server_that_only_reads_is_refused(server_url: str):
    database = sa.make_url(server_url).database
    ask(server_url, f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    refuse(server_url, "the ledger is read-only.*Name a server that may be written to")


def test_a_user_who_may_not_write_is_refused(postgres: Postgres, server_url: str):
    postgres.run("CREATE ROLE guest LOGIN PASSWORD 'S3CRET'")
    try:
        guest = sa.make_url(server_url).set(username="guest", password="S3CRET")
        refuse(guest.render_as_string(hide_password=False), "the ledger's user may not write")
        with connect(server_url) as connection:
            assert sa.inspect(connection).get_table_names() == []
    finally:
        postgres.run("DROP ROLE guest")


def test_who_waits_too_long_to_open_is_told_of_the_lock(
    server_url: str, monkeypatch: pytest.MonkeyPatch
):
    open_ledger(server_url).close()
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_SECONDS", 0.05)
    with lock(server_url):
        assert isinstance(refuse(server_url, "has locked the ledger"), LedgerBusyError)
    open_ledger(server_url).close()


def test_a_url_without_a_driver_is_opened_by_psycopg(server_url: str):
    with open_ledger(server_url.replace("+psycopg", "")) as ledger:
        assert ledger._engine.dialect.driver == "psycopg"


@pytest.mark.parametrize("version", [(3, 34, 1), (3, 7, 0)])
def test_a_sqlite_that_lacks_statements_is_refused_before_anything_is_made(
    path: Path, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int]
):
    monkeypatch.setattr("sqlite3.sqlite_version_info", version)
    written = rf"{version[0]}\.{version[1]}\.{version[2]}"
    with pytest.raises(LedgerError, match=rf"clerp.db: .*3\.35 or newer.* has {written}\. Use "):
        open_ledger(str(path))
    assert not path.exists()


def test_the_first_sqlite_that_knows_all_statements_will_do(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 35, 0))
    open_ledger(str(path)).close()
    assert path.exists()
