"""A ledger that is thrown away."""

from collections.abc import Iterator

import pytest

from clerp.ledger import Ledger, open_ledger


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with open_ledger(":memory:") as opened:
        yield opened
