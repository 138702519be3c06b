"""A new ledger in each of the databases that one can be in."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.postgres import Postgres
from tests.postgres import postgres as postgres

from clerp.ledger import Ledger, open_ledger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a file may be made, for tests of what only a file has."""
    return tmp_path / "clerp.db"


@pytest.fixture
def server_url(postgres: Postgres) -> Iterator[str]:
    """An empty database, for tests of what only a server has."""
    with postgres.make_database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """A place with no ledger yet."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("path"))
    return request.getfixturevalue("server_url")


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    with open_ledger(url) as opened:
        yield opened


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def lasting(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """A ledger that all examples of a test share."""
    with ExitStack() as stack:
        url = ":memory:"
        if request.param == "postgresql":
            server: Postgres = request.getfixturevalue("postgres")
            url = stack.enter_context(server.make_database())
        yield stack.enter_context(open_ledger(url))
