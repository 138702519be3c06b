"""What `make collected` made: SmolLM2, transcoders, texts, and the folder of `clerp collect`."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def place() -> Path:
    given = os.environ.get("CLERP_COLLECTED")
    if not given:
        pytest.skip("takes minutes and fetches 100 MB; run make collected")
    return Path(given)
