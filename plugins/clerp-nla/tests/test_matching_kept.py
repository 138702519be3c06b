from pathlib import Path
from types import ModuleType

import pytest
import torch
import transformers

from clerp.errors import EvidenceError
from clerp.remote import open_cache
from clerp_nla.matching import kept
from clerp_nla.matching.kept import find_kept, keep
from clerp_nla.matching.self_test import SelfTest

PASSED = SelfTest(0.75, -0.9, 0.7335, 64, 512, "ordinary-passages@abc")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLERP_CACHE", str(tmp_path / "cache"))


def test_a_test_that_was_passed_is_found_under_its_key_alone() -> None:
    keep("one", PASSED)

    assert find_kept("one") == PASSED
    assert find_kept("other") is None


def test_a_test_of_another_revision_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    keep("one", PASSED)

    monkeypatch.setattr(kept, "_REVISION", 0)
    assert find_kept("one") is None


@pytest.mark.parametrize("library", [torch, transformers])
def test_a_test_under_another_version_of_a_library_is_asked_for_again(
    library: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep("one", PASSED)

    monkeypatch.setattr(library, "__version__", "0.0.1")
    assert find_kept("one") is None


@pytest.mark.parametrize("content", [b"", b"{}", b'{"fve": "much"}', b"\xff"])
def test_what_cannot_be_read_is_refused(content: bytes) -> None:
    with open_cache() as cache:
        cache.put(kept._name("one"), content)

    with pytest.raises(EvidenceError, match="self-test that cannot be read"):
        find_kept("one")
