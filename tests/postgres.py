"""A throw-away server on loopback (PostgreSQL 15 or later), with a new database for whoever asks.

    def test_something(postgres: Postgres) -> None:
        with postgres.make_database() as url:
            ...

Import the fixture `postgres` into a conftest or a module; one server serves the whole session. It
flushes to the disk as a real one does, and its settings are as far from clerp's as they may be:
another time zone, isolation and order of text.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

_DEBIAN = Path("/usr/lib/postgresql")
_USER = "clerp"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "16MB",
    "max_connections": "40",
    "fsync": "on",
    "timezone": "Asia/Tokyo",
    "synchronous_commit": "off",
    "default_transaction_isolation": "serializable",
}
_LOCALE = ("--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en")
_PATIENCE_SECONDS = 60.0
_SHARED = pytest.StashKey["Postgres"]()


class Postgres:
    """A server in a folder of its own, as PostgreSQL's user where this one may do everything."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.port = find_port()
        self.password = secrets.token_urlsafe()
        self._programs = programs
        self._folder = folder
        self._numbers = count()
        self._process: subprocess.Popen[bytes] | None = None
        self._make_cluster()

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        settings = {
            **_SETTINGS,
            "port": str(self.port),
            "unix_socket_directories": str(self._folder),
        }
        chosen = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        # It must not outlive a test run that is killed.
        bound = ["setpriv", "--pdeathsig", "INT"] if shutil.which("setpriv") else []
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_become(), *bound, self._programs / "postgres", "-D", self._data, *chosen],
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
        self._await_connections(self._process)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop at once: SIGINT ends transactions and writes all, SIGQUIT is a crash."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(_PATIENCE_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def make_database(self) -> Generator[str]:
        """Make an empty database, yield its URL, and drop it with all who are still connected."""
        name = f"ledger_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name}")
        try:
            yield self.name_url(name)
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def name_url(self, database: str, *, password: str | None = None) -> str:
        secret = self.password if password is None else password
        return f"postgresql+psycopg://{_USER}:{secret}@127.0.0.1:{self.port}/{database}"

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement as the superuser, outside any transaction; return what it returns."""
        url = self.name_url("postgres").replace("+psycopg", "")
        with closing(psycopg.connect(url, autocommit=True)) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _log(self) -> Path:
        return self._folder / "server.log"

    def _make_cluster(self) -> None:
        told = self._folder / "password"
        told.write_text(self.password)
        self._log.touch()
        if os.geteuid() == 0:
            for path in (self._folder, told):
                shutil.chown(path, "postgres", "postgres")
        access = ("--username", _USER, "--auth=scram-sha-256", "--pwfile", told)
        command = [self._programs / "initdb", "-D", self._data, *access, *_LOCALE, "--no-sync"]
        made = subprocess.run(
            [*_become(), *command], cwd=self._folder, capture_output=True, text=True
        )
        assert made.returncode == 0, made.stderr

    def _await_connections(self, process: "subprocess.Popen[bytes]") -> None:
        until = time.monotonic() + _PATIENCE_SECONDS
        ask = [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(ask).returncode != 0:
            assert process.poll() is None, self._log.read_text()
            assert time.monotonic() < until, self._log.read_text()
            time.sleep(0.05)


@contextmanager
def run_postgres() -> Generator[Postgres]:
    """Start a server, and leave nothing of it behind; skip where none is installed."""
    programs = _find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed here")
    with tempfile.TemporaryDirectory(prefix="clerp-pg-") as folder:
        server = Postgres(programs, Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Postgres:
    """The server of this session, or of this worker of it."""
    # A fixture that several modules import is one fixture for each of them.
    stash = request.config.stash
    if _SHARED not in stash:
        running = ExitStack()
        stash[_SHARED] = running.enter_context(run_postgres())
        request.config.add_cleanup(running.close)
    return stash[_SHARED]


def _find_programs() -> Path | None:
    """Find the folder of the newest server that is installed."""
    debian = max(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]), default=None)
    found = debian or shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _become() -> list[str]:
    """Return what starts a program as somebody who may run a server: the superuser may not."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]


def find_port() -> int:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
