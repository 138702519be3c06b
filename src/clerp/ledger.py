"""The durable record: what waits for a person, and every answer that was paid for.

Needs SQLAlchemy, so it is imported by those who open a ledger and not by `import clerp`.
"""

import hashlib
import json
import sqlite3
from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from clerp.errors import LedgerError
from clerp.feature import FeatureId
from clerp.router import Role, Tier

SCHEMA_VERSION = 1
BUSY_TIMEOUT_SECONDS = 5.0

QueueStatus = Literal["needs_review", "abstained", "failed"]

_TABLES = sa.MetaData()
_SCHEMA_VERSION = sa.Table(
    "schema_version",
    _TABLES,
    sa.Column("made_by", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)
_QUEUE = sa.Table(
    "queue",
    _TABLES,
    sa.Column("feature_key", sa.Text, primary_key=True),
    sa.Column("transcoder_set", sa.Text, nullable=False),
    sa.Column("revision", sa.Text, nullable=False),
    sa.Column("layer", sa.Integer, nullable=False),
    sa.Column("feature_index", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("identity_digest", sa.Text, nullable=False),
    sa.Column("evidence_digest", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("tier", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("hint", sa.Text, nullable=False),
    sa.Column("share", sa.Float),
    sa.Column("first_run", sa.Text, nullable=False),
    sa.Column("last_run", sa.Text, nullable=False),
    sa.Column("decided", sa.Boolean, nullable=False, server_default=sa.false()),
)
_QUEUE_GRAPHS = sa.Table(
    "queue_graphs",
    _TABLES,
    sa.Column(
        "feature_key",
        sa.Text,
        sa.ForeignKey("queue.feature_key", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("graph", sa.Text, primary_key=True),
)
_ANSWERS = sa.Table(
    "answers",
    _TABLES,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("prompt_tokens", sa.Integer),
    sa.Column("completion_tokens", sa.Integer),
    sa.Column("cost_usd", sa.Float),
    sa.Column("finish_reason", sa.Text, nullable=False),
    sa.Column("parameters", sa.JSON, nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False, server_default=sa.func.now()),
)
_INSERTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_ELSEWHERE = "Name another place with --ledger"


@dataclass(frozen=True, slots=True)
class TranscoderSet:
    """Whose features they are."""

    name: str
    revision: str = ""


@dataclass(frozen=True, slots=True)
class FeatureKey:
    """One feature across graphs and runs."""

    transcoders: TranscoderSet
    feature: FeatureId
    digest: str = ""
    """The evidence digest where the set's name does not identify it (local, `custom-<hash>` or
    empty scans), else empty."""


@dataclass(frozen=True, slots=True)
class QueueItem:
    """A feature that needs a person, and why."""

    key: FeatureKey
    evidence_digest: str
    graphs: tuple[str, ...]
    """Slugs of the graphs that it occurs in, sorted."""
    role: Role
    tier: Tier
    status: QueueStatus
    reason: str
    hint: str
    share: float | None
    """The feature's own share of influence; None where the graph does not say."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered, as it came, and what that cost."""

    key: str
    """Hash of all that was asked, of whom and how."""
    text: str
    model: str
    """As returned by the provider."""
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    """US dollars; None when the price is not known."""
    finish_reason: str
    parameters: dict[str, str | float | int | None] = field(
        default_factory=dict[str, str | float | int | None]
    )


class Ledger:
    """An open ledger. Every write is committed, and on disk, when its method returns."""

    def __init__(self, engine: sa.Engine, place: str) -> None:
        self._engine = engine
        self._place = place
        self._insert = _INSERTS[engine.dialect.name]

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file or server."""
        self._engine.dispose()

    def queue_features(
        self,
        items: Sequence[QueueItem],
        *,
        transcoders: TranscoderSet,
        graphs: Sequence[str],
        run_id: str,
    ) -> None:
        """Make `items` the queue of these graphs, whatever it was before.

        A feature that is queued already is brought up to date; one that these graphs had queued
        and that is not among `items` leaves, unless another graph still waits for it. What a
        person decided stays as it is.

        Args:
            items: Every feature of the graphs that needs a person; may be empty.
            transcoders: Set of the graphs' features; the same slug under another set is another
                graph.
            graphs: Slugs of all the graphs of this run.
            run_id: Who says so.

        Raises:
            LedgerError: The ledger could not be written; nothing has changed.
        """
        with self._transaction(writes=True) as connection:
            connection.execute(_forget_graphs(transcoders, graphs))
            if items:
                connection.execute(self._upsert(), [_row(item, run_id) for item in items])
                links = [
                    {"feature_key": _hash_key(item.key), "graph": graph}
                    for item in items
                    for graph in item.graphs
                ]
                connection.execute(self._insert(_QUEUE_GRAPHS).on_conflict_do_nothing(), links)
            connection.execute(_drop_unwanted())

    def queued(self) -> list[QueueItem]:
        """List what waits for a person: artefacts last, then the largest share first.

        Raises:
            LedgerError: The ledger could not be read.
        """
        order = (
            _QUEUE.c.role == "artefact",
            _QUEUE.c.share.is_(None),
            _QUEUE.c.share.desc(),
            _QUEUE.c.layer,
            _QUEUE.c.feature_index,
            _QUEUE.c.feature_key,
        )
        waiting = sa.select(_QUEUE).where(_QUEUE.c.decided.is_(False)).order_by(*order)
        by_slug = sa.select(_QUEUE_GRAPHS).order_by(_QUEUE_GRAPHS.c.graph)
        with self._transaction() as connection:
            graphs: defaultdict[str, list[str]] = defaultdict(list)
            for link in connection.execute(by_slug):
                graphs[link.feature_key].append(link.graph)
            return [
                _queue_item(row, tuple(graphs[row["feature_key"]]))
                for row in connection.execute(waiting).mappings()
            ]

    def find_answer(self, key: str) -> Answer | None:
        """Return the answer that was recorded under a key.

        Raises:
            LedgerError: The ledger could not be read.
        """
        columns = [_ANSWERS.c[name] for name in Answer.__dataclass_fields__]
        asked = sa.select(*columns).where(_ANSWERS.c.key == key)
        with self._transaction() as connection:
            row = connection.execute(asked).mappings().first()
        return None if row is None else Answer(**row)

    def record_answer(self, answer: Answer) -> None:
        """Put an answer on disk. An answer that is there under the same key stays.

        Raises:
            LedgerError: The ledger could not be written.
        """
        row = {name: getattr(answer, name) for name in Answer.__dataclass_fields__}
        with self._transaction(writes=True) as connection:
            connection.execute(self._insert(_ANSWERS).on_conflict_do_nothing(), row)

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Generator[sa.Connection]:
        with _naming(self._place), self._engine.connect() as connection:
            connection = connection.execution_options(clerp_writes=writes)
            with connection.begin():
                yield connection

    def _upsert(self) -> sa.Executable:
        insert = self._insert(_QUEUE)
        kept = {"feature_key", "first_run", "decided"}
        return insert.on_conflict_do_update(
            index_elements=[_QUEUE.c.feature_key],
            set_={c.name: insert.excluded[c.name] for c in _QUEUE.c if c.name not in kept},
            where=_QUEUE.c.decided.is_(False),
        )


def open_ledger(url_or_path: str) -> Ledger:
    """Open the ledger at a path (SQLite) or SQLAlchemy URL, and make it if there is none.

    A file keeps its write-ahead log beside it. A commit is fsynced before it is acknowledged
    (`synchronous=FULL`), since an answer that is lost is paid for twice.

    Args:
        url_or_path: `clerp.db`, `:memory:`, or a URL such as `postgresql+psycopg://host/clerp`.

    Raises:
        LedgerError: There is no such folder, it is no ledger, a newer clerp made it, or it is
            locked or read-only. Nothing has changed then.
    """
    url = _read_url(url_or_path)
    place = url.render_as_string(hide_password=True)
    if url.get_backend_name() == "sqlite":
        place = url.database or ":memory:"
        _check_path(place)
    with _naming(place):
        engine = _connect(url, place)
        try:
            _check_owner(engine, place)
            _make_tables(engine)
        except BaseException:  # re-raised: an interrupt too must not leave the file open
            engine.dispose()
            raise
    return Ledger(engine, place)


def _read_url(url_or_path: str) -> sa.URL:
    if "://" not in url_or_path:
        return sa.URL.create("sqlite", database=url_or_path)
    try:
        url = sa.make_url(url_or_path)
    except ArgumentError:
        # The text may hold a password: it is not repeated.
        raise LedgerError(
            "the ledger's URL cannot be read",
            remedy="Write a path, or for example postgresql+psycopg://host/database",
        ) from None
    if url.get_backend_name() not in _INSERTS:
        raise LedgerError(
            f"a ledger cannot live in {url.get_backend_name()}",
            remedy="Give a path (SQLite) or a postgresql URL",
        )
    return url


def _check_path(place: str) -> None:
    path = Path(place)
    if place != ":memory:" and not path.parent.is_dir():
        raise LedgerError(
            f"the folder {str(path.parent)!r} does not exist",
            where=place,
            remedy="Make it, or name another place with --ledger",
        )
    if path.is_dir():
        raise LedgerError("this is a folder", where=place, remedy="Name a file in it")


def _connect(url: sa.URL, place: str) -> sa.Engine:
    try:
        if url.get_backend_name() != "sqlite":
            return sa.create_engine(url)
        # One connection: SQLite before 3.51.3 can corrupt its log when two connections of a
        # process write and checkpoint at once, and `:memory:` is one database a connection.
        engine = sa.create_engine(
            url,
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
        )
    except (NoSuchModuleError, ModuleNotFoundError) as missing:
        raise LedgerError(
            f"the database driver is not installed ({missing})",
            where=place,
            remedy="Install it beside clerp, for example: pip install 'psycopg[binary]'",
        ) from missing
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _: object) -> None:  # noqa: ANN401 - sqlite3's own, untyped here
    # sqlite3's implicit BEGIN leaves statements that define tables outside the transaction.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=FULL")


def _begin_sqlite(connection: sa.Connection) -> None:
    # A read that turns into a write fails at once when another process wrote in between, whatever
    # the busy timeout: a writer takes the lock first.
    writes = connection.get_execution_options().get("clerp_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _check_owner(engine: sa.Engine, place: str) -> None:
    with engine.connect() as connection:
        found = sa.inspect(connection)
        tables = found.get_table_names()
        if not tables:
            return
        ours = "schema_version" in tables and "made_by" in {
            column["name"] for column in found.get_columns("schema_version")
        }
        if not ours:
            raise LedgerError(
                "this is a database of something else", where=place, remedy=_ELSEWHERE
            )
        version = connection.execute(sa.select(_SCHEMA_VERSION.c.version)).scalar()
    if version != SCHEMA_VERSION:
        raise LedgerError(
            f"this ledger was made by a newer clerp (schema {version}, not {SCHEMA_VERSION})",
            where=place,
            remedy="Upgrade clerp, or name another place with --ledger",
        )


def _make_tables(engine: sa.Engine) -> None:
    # Also when they are there: this takes the write lock, so that a ledger that cannot be written
    # is known before anything is paid for.
    with engine.connect().execution_options(clerp_writes=True) as connection, connection.begin():
        _TABLES.create_all(connection)
        first = _INSERTS[engine.dialect.name](_SCHEMA_VERSION).on_conflict_do_nothing()
        connection.execute(first, {"made_by": "clerp", "version": SCHEMA_VERSION})
    if engine.dialect.name == "sqlite":
        _use_write_ahead_log(engine)


def _use_write_ahead_log(engine: sa.Engine) -> None:
    # Not at connect: it changes the file, which may turn out to be somebody else's; and SQLite
    # does not allow it inside a transaction, which SQLAlchemy's own connection would begin.
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


@contextmanager
def _naming(place: str) -> Generator[None]:
    """Turn database errors into one line that names the ledger."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        cause = getattr(error, "orig", None) or error
        code = str(getattr(cause, "sqlite_errorname", ""))
        what, remedy = _explain(code) or (f"the ledger failed ({cause})", _ELSEWHERE)
        raise LedgerError(what, where=place, remedy=remedy) from error


def _explain(sqlite_code: str) -> tuple[str, str] | None:
    """Return what a code of SQLite means here and what to do (https://sqlite.org/rescode.html)."""
    explanations = {
        "SQLITE_NOTADB": ("this is not a ledger, nor any SQLite database", _ELSEWHERE),
        "SQLITE_CORRUPT": ("the ledger is damaged", "Restore it from a copy"),
        "SQLITE_READONLY": (
            "the ledger is read-only",
            "Make the file and its folder writable, or name another place with --ledger",
        ),
        "SQLITE_CANTOPEN": (
            "the ledger cannot be opened",
            "Make the file and its folder writable, or name another place with --ledger",
        ),
        "SQLITE_BUSY": (
            "another process has locked the ledger",
            "Wait until it is done, or name another place with --ledger",
        ),
        "SQLITE_FULL": ("the disk is full", "Make room, then run the same command again"),
        "SQLITE_IOERR": ("the disk failed", "Check the disk, then run the same command again"),
    }
    # SQLite refines a code by a suffix: SQLITE_READONLY_DIRECTORY.
    return next((said for code, said in explanations.items() if sqlite_code.startswith(code)), None)


def _hash_key(key: FeatureKey) -> str:
    written = json.dumps([key.transcoders.name, key.transcoders.revision, *key.feature, key.digest])
    return hashlib.sha256(written.encode()).hexdigest()


def _row(item: QueueItem, run_id: str) -> dict[str, object]:
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


def _queue_item(row: Mapping[Any, Any], graphs: tuple[str, ...]) -> QueueItem:
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


def _forget_graphs(transcoders: TranscoderSet, graphs: Sequence[str]) -> sa.Executable:
    open_features = sa.select(_QUEUE.c.feature_key).where(
        _QUEUE.c.transcoder_set == transcoders.name,
        _QUEUE.c.revision == transcoders.revision,
        _QUEUE.c.decided.is_(False),
    )
    return sa.delete(_QUEUE_GRAPHS).where(
        _QUEUE_GRAPHS.c.graph.in_(graphs), _QUEUE_GRAPHS.c.feature_key.in_(open_features)
    )


def _drop_unwanted() -> sa.Executable:
    wanted = sa.select(_QUEUE_GRAPHS.c.feature_key)
    return sa.delete(_QUEUE).where(_QUEUE.c.decided.is_(False), _QUEUE.c.feature_key.not_in(wanted))
