"""What holds for every test."""

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is.
settings.register_profile("clerp", deadline=None)
settings.register_profile("faults", deadline=None, max_examples=1000)
settings.load_profile("clerp")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep sources on this machine: nothing listens there, unless a test says where."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("NEURONPEDIA_URL", "http://127.0.0.1:9")
