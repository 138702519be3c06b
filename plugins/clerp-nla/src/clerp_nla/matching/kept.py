"""Self-tests that were passed, kept in clerp's cache: three models are much to load for one."""

import torch
import transformers
from pydantic import TypeAdapter, ValidationError

from clerp.errors import EvidenceError
from clerp.remote import open_cache
from clerp_nla.matching.self_test import SelfTest

_FORM = TypeAdapter(SelfTest)
_REVISION = 1
"""Of the test: what it asks, and how it measures."""


def find_kept(key: str) -> SelfTest | None:
    """Return a test that was passed; None if there is none.

    Args:
        key: All that decides it but the versions of torch and transformers: weights, texts, device,
            precision.

    Raises:
        EvidenceError: The cache cannot be read, or holds something else there.
    """
    with open_cache() as cache:
        content = cache.get(_name(key))
    if content is None:
        return None
    try:
        return _FORM.validate_json(content)
    except ValidationError as fault:
        raise EvidenceError(
            "the cache holds a self-test that cannot be read", remedy="Delete the cache"
        ) from fault


def keep(key: str, passed: SelfTest) -> None:
    """Keep a test that was passed.

    Raises:
        EvidenceError: The cache cannot be written.
    """
    with open_cache() as cache:
        cache.put(_name(key), _FORM.dump_json(passed))


def _name(key: str) -> str:
    # The libraries that ran the models decide it too.
    versions = f"torch-{torch.__version__}/transformers-{transformers.__version__}"
    return f"nla-self-test/{_REVISION}/{versions}/{key}"
