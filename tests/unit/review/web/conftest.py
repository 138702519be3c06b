"""The page of a fake session, served as the command serves it."""

from collections.abc import Iterator

import httpx
import pytest
from tests.unit.review.web.review_session import FakeSession
from tests.unit.review.web.visitor import Visitor, serve_session


@pytest.fixture(scope="package")
def served() -> Iterator[tuple[FakeSession, Visitor]]:
    session = FakeSession()
    with serve_session(session) as visitor:
        assert visitor.get(visitor.link).status_code == httpx.codes.OK
        yield session, visitor


@pytest.fixture
def session(served: tuple[FakeSession, Visitor]) -> FakeSession:
    """What the visitor's page shows, as if nobody had been there."""
    served[0].reset()
    return served[0]


@pytest.fixture
def visitor(session: FakeSession, served: tuple[FakeSession, Visitor]) -> Visitor:
    """Has opened the link."""
    return served[1]


@pytest.fixture
def stranger() -> Iterator[Visitor]:
    """Knows the link to another page, and has not opened it."""
    with serve_session(FakeSession()) as visitor:
        yield visitor
