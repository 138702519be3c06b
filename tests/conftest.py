"""What holds for every test."""

import gc
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import settings
from tests.labelled_sample import labelled_sample as labelled_sample
from tests.type_checks import check_types

check_types()
# How long an example takes says how busy the machine is.
settings.register_profile("clerp", deadline=None)
settings.register_profile("faults", deadline=None, max_examples=1000)
settings.load_profile("clerp")


@pytest.fixture(autouse=True, scope="session")
def _load_once() -> Iterator[None]:
    """Load the embedder's files once for all tests."""
    from clerp import embedding

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedding, "_load_wordllama", cache(embedding._load_wordllama))
        yield


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep sources on this machine: nothing listens there, unless a test says where."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("NEURONPEDIA_URL", "http://127.0.0.1:9")


def pytest_collection_finish() -> None:
    """Spare later collections the objects of what was imported, which stay until the end."""
    gc.collect()
    gc.freeze()
