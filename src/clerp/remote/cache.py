"""What was brought from other machines, kept in one SQLite file.

Contents are kept once by their sha256 and checked when read. Several processes may share the file.
"""

import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from clerp.errors import EvidenceError

FILE_NAME = "cache.sqlite"

_APPLICATION = int.from_bytes(b"clrp")
_VERSION = 1
_BUSY_TIMEOUT_SECONDS = 30.0
_BUSY_PAUSE_SECONDS = 0.01
_SCHEMA = (
    "CREATE TABLE contents (sha256 BLOB PRIMARY KEY, content BLOB NOT NULL)",
    "CREATE TABLE entries (key TEXT PRIMARY KEY, sha256 BLOB NOT NULL) WITHOUT ROWID",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {_VERSION}",
)
# In one statement, because another process may be making it.
_LOOK = (
    "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)"
    " FROM pragma_application_id, pragma_user_version"
)
_FIND = "SELECT sha256, content FROM entries JOIN contents USING (sha256) WHERE key = ?"
_KEEP_CONTENT = (
    "INSERT INTO contents VALUES (?, ?) ON CONFLICT DO UPDATE SET content = excluded.content"
    " WHERE content IS NOT excluded.content"
)
_KEEP_ENTRY = "INSERT OR REPLACE INTO entries VALUES (?, ?)"
_ELSEWHERE = "Set CLERP_CACHE to another folder"
_MAKE_AGAIN = "Delete the file: it is made again"
_BROKEN = ("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_ERROR")


class Cache:
    """Contents by key, on disk. A context manager; threads may share it.

    Args:
        path: The file; made if there is none.

    Raises:
        EvidenceError: It cannot be opened, is broken, or belongs to something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # One connection: SQLite before 3.51.3 can corrupt its log when two connections of a
        # process write and checkpoint at once.
        self._lock = threading.Lock()
        with self._explain():
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
            )
        try:
            with self._explain():
                self._set_up()
        except EvidenceError:
            self._connection.close()
            raise

    def __enter__(self) -> "Cache":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def get(self, key: str) -> bytes | None:
        """Return what is kept under a key; None if there is nothing, or it is damaged.

        Raises:
            EvidenceError: The file cannot be read.
        """
        with self._lock, self._explain():
            found = self._connection.execute(_FIND, (key,)).fetchone()
            if found is None:
                return None
            digest, content = found
            if isinstance(content, bytes) and hashlib.sha256(content).digest() == digest:
                return content
            self._drop(digest)
            return None

    def put(self, key: str, content: bytes) -> None:
        """Keep a content under a key; it is on disk when this returns.

        Raises:
            EvidenceError: The file cannot be written.
        """
        digest = hashlib.sha256(content).digest()
        with self._lock, self._explain(), self._writing():
            self._connection.execute(_KEEP_CONTENT, (digest, content))
            self._connection.execute(_KEEP_ENTRY, (key, digest))

    def _drop(self, digest: object) -> None:
        with self._writing():
            self._connection.execute("DELETE FROM entries WHERE sha256 IS ?", (digest,))
            self._connection.execute("DELETE FROM contents WHERE sha256 IS ?", (digest,))

    def _set_up(self) -> None:
        if not self._is_made():
            # Before the tables: it cannot be turned on inside a transaction.
            self._use_write_ahead_log()
            with self._writing():
                # Another process may have made it by now.
                if not self._is_made():
                    for statement in _SCHEMA:
                        self._connection.execute(statement)
        self._connection.execute("PRAGMA synchronous = FULL")

    def _use_write_ahead_log(self) -> None:
        # SQLite's own timeout does not hold for the lock that this takes.
        deadline = time.monotonic() + _BUSY_TIMEOUT_SECONDS
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorname.startswith("SQLITE_BUSY")
                if not busy or time.monotonic() > deadline:
                    raise
                time.sleep(_BUSY_PAUSE_SECONDS)
            else:
                return

    def _is_made(self) -> bool:
        application, version, n_tables = self._connection.execute(_LOOK).fetchone()
        if application == _APPLICATION and version != _VERSION:
            raise self._refuse("this cache was made by another version of clerp")
        if application != _APPLICATION and (application or version or n_tables):
            raise self._refuse("this is a database of something else")
        return bool(application)

    def _refuse(self, what: str) -> EvidenceError:
        return EvidenceError(what, where=str(self._path), remedy=_ELSEWHERE)

    @contextmanager
    def _writing(self) -> Generator[None]:
        # The write lock from the start: a read that turns into a write can fail at once.
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:
            yield

    @contextmanager
    def _explain(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            broken = str(getattr(error, "sqlite_errorname", "")).startswith(_BROKEN)
            raise EvidenceError(
                f"the cache cannot be used ({error})",
                where=str(self._path),
                remedy=_MAKE_AGAIN if broken else _ELSEWHERE,
            ) from error


def open_cache(folder: Path | None = None) -> Cache:
    """Open the cache of a folder, which is made if there is none.

    Args:
        folder: By default `$CLERP_CACHE`, else `$XDG_CACHE_HOME/clerp`, else `~/.cache/clerp`.

    Raises:
        EvidenceError: It cannot be made or opened, is broken, or belongs to something else.
    """
    try:
        folder = folder or _choose_folder()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: nobody's home is known
        raise EvidenceError(f"the cache cannot be made: {error}", remedy=_ELSEWHERE) from error
    return Cache(folder / FILE_NAME)


def _choose_folder() -> Path:
    if chosen := os.environ.get("CLERP_CACHE"):
        return Path(chosen).expanduser()
    # https://specifications.freedesktop.org/basedir-spec: a relative path is to be ignored.
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "clerp"
