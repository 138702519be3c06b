"""litellm's map of models, read without importing litellm."""

import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

_MAP = "model_prices_and_context_window_backup.json"


def find_entry(model: str) -> Mapping[str, Any] | None:
    """Look up what litellm knows of a model.

    Args:
        model: litellm's name of it.

    Returns:
        The entry in the map inside the litellm that is installed; None where there is none.
    """
    entries = _read_map()
    if model in entries:
        return entries[model]
    # Most models of the large providers are listed without them: openai/gpt-4o-mini.
    provider, _, name = model.partition("/")
    entry = entries.get(name)
    return entry if entry is not None and entry.get("litellm_provider") == provider else None


@cache
def _read_map() -> Mapping[str, Mapping[str, Any]]:
    litellm = importlib.util.find_spec("litellm")
    if litellm is None or litellm.origin is None:
        return {}
    path = Path(litellm.origin).with_name(_MAP)
    if not path.is_file():
        return {}
    return msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, Any]])
