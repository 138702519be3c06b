"""What holds for every test of this folder, and a sweep that they share."""

from collections.abc import Iterator

import pytest
from tests.unit.evaluation.annotated import EMBEDDER, ROLES, make_known, settle

from clerp.evaluation import SweepReport, sweep_protocol


@pytest.fixture(autouse=True, scope="package")
def _few_draws() -> Iterator[None]:
    # A tenth of what AIR, a baseline of every report, draws.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clerp.router.air._DRAWS", 100)
        yield


@pytest.fixture(scope="session")
def swept() -> SweepReport:
    return sweep_protocol(make_known(), settle(ROLES), [EMBEDDER])
