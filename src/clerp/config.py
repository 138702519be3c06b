"""Settings: flags, then the environment, then `clerp.toml`, then defaults."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clerp.errors import UsageError

CONFIG_FILE = "clerp.toml"
_ENVIRONMENT = "CLERP_"


class Settings(BaseModel):
    """Everything a run can be told. Keys of providers are no settings: only the environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: str | None = None
    """Folder, file or `NAME:ARGUMENT` of a source; by default `features/` beside the graph."""
    llm: str | None = None
    """litellm model name for tier 2; without one tier 2 goes to review."""
    labeler: str = "token-frequency"
    """Labeler of tier 1."""
    embedder: str = "wordllama"
    """Embedder, `NAME` or `NAME:ARGUMENT`."""
    rule: str = "calibrated"
    """Routing rule: `calibrated` or `protocol`."""
    threshold: float | None = None
    """From where on a score counts as high; by default the rule's own."""
    windows: str = "input=-1:0,output=1:2,cross=-8:8"
    """Token offsets around the peak, both ends included."""
    existing: Literal["keep", "compare", "replace"] = "compare"
    """What happens to a label that was there before and is not clerp's."""
    show_hints: bool = False
    """Show `? hint` on nodes without a label."""
    style: Literal["plain", "bracket", "paren"] = "plain"
    """How labels are written into the graph."""
    ledger: str = "clerp.db"
    """File or SQLAlchemy URL of the durable record."""
    concurrency: int = Field(default=8, ge=1)
    """Calls to an LLM at the same time."""
    max_graph_bytes: int = Field(default=2**30, ge=1)
    """Largest graph, in bytes of JSON."""


@dataclass(frozen=True, slots=True)
class ResolvedSettings:
    """Settings and where each value comes from."""

    settings: Settings
    origins: Mapping[str, str]
    """By field: `flag`, the name of a variable, `clerp.toml` or `default`."""


def resolve_settings(
    flags: Mapping[str, object],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> ResolvedSettings:
    """Merge flags (None means not given), `CLERP_*` variables and `clerp.toml` of a folder.

    Raises:
        UsageError: A value or key cannot be used; the message names it and where it comes from.
    """
    values: dict[str, object] = {}
    origins = dict.fromkeys(Settings.model_fields, "default")

    def add(given: Mapping[str, object], origin: Mapping[str, str]) -> None:
        values.update(given)
        origins.update(origin)

    from_file = _read_file((folder or Path()) / CONFIG_FILE)
    add(from_file, dict.fromkeys(from_file, CONFIG_FILE))
    from_environment = _read_environment(os.environ if environment is None else environment)
    add(from_environment, {name: _variable(name) for name in from_environment})
    from_flags = {name: value for name, value in flags.items() if value is not None}
    add(from_flags, dict.fromkeys(from_flags, "flag"))
    return ResolvedSettings(_validate(values, origins), origins)


def _read_file(path: Path) -> dict[str, object]:
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as fault:
        raise UsageError(f"cannot read it: {fault}", where=str(path)) from fault
    try:
        return tomllib.loads(content)
    except tomllib.TOMLDecodeError as fault:
        raise UsageError(f"not TOML: {fault}", where=str(path)) from fault


def _read_environment(environment: Mapping[str, str]) -> dict[str, object]:
    return {
        name: environment[_variable(name)]
        for name in Settings.model_fields
        if _variable(name) in environment
    }


def _variable(field: str) -> str:
    return _ENVIRONMENT + field.upper()


def _validate(values: Mapping[str, object], origins: Mapping[str, str]) -> Settings:
    try:
        return Settings.model_validate(dict(values))
    except ValidationError as invalid:
        first = invalid.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"{name}: {first['msg'].lower()}",
            where=origins.get(name, ""),
            remedy=f"Settings: {', '.join(Settings.model_fields)}",
        ) from invalid
