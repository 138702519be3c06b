"""Settings: flags, then what a graph was labelled with, then the environment, then `clerp.toml`.

What none of them gives has a default. Keys of providers are no settings: they stay in the
environment.
"""

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from clerp.errors import UsageError
from clerp.labels import Style

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

CONFIG_FILE = "clerp.toml"
RECORD = "the graph's own record"
_FLAG = "flag"
_ENVIRONMENT = "CLERP_"
_AS_THEY_ARE: Mapping[str, str] = MappingProxyType({})

# Tables, for which a variable has no room.
_ONLY_IN_FILE = ("transcoder_sets", "prices")

Existing = Literal["keep", "compare", "replace"]
Context = Literal["none", "graph"]


class GivenSettings(TypedDict, total=False):
    """Any of the fields of `Settings`; None counts as not given."""

    features: str | Path | None
    llm: str | None
    llm_all: bool | None
    method: str | None
    context: Context | None
    refine: str | None
    fallback_model: str | None
    nla: str | Path | None
    nla_model: str | None
    nla_examples: int | None
    nla_samples: int | None
    nla_transcoders: str | Path | None
    budget: float | None
    labeler: str | None
    embedder: str | None
    rule: str | None
    alpha: float | None
    threshold: float | None
    null: str | Path | None
    windows: str | None
    existing: Existing | None
    show_hints: bool | None
    style: Style | None
    ledger: str | Path | None
    concurrency: int | None
    llm_timeout: float | None
    max_graph_bytes: int | None
    offline: bool | None
    transcoder_sets: Mapping[str, Sequence[str]] | None
    prices: Mapping[str, Mapping[str, float]] | None


class ModelPrice(BaseModel):
    """What a model costs, in US dollars per million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(ge=0)
    output: float = Field(ge=0)


class Settings(BaseModel):
    """Everything a run can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: str | None = None
    """Folder, file or `NAME:ARGUMENT` of a source; by default `features/` beside the graph, else
    what the graph itself names."""
    llm: str | None = None
    """Model for tier 2, litellm's name or `http:MODEL@URL`; without one tier 2 goes to review."""
    llm_all: bool = False
    """The model labels every feature that is no artefact, whatever its tier."""
    method: str = "max-act-logits"
    """How the model is asked: `max-act-logits`, `acts-top20` or `token-act-pairs`."""
    context: Context = "none"
    """`graph`: the model sees the graph's prompt, too, where the feature fires in it, and the names
    of its strongest neighbours."""
    refine: str | None = None
    """A small model, named as `llm`, that words the labels of tier 1 better."""
    fallback_model: str | None = None
    """Asked in the place of `llm` where that does not answer; never without being named."""
    nla: str | None = None
    """Natural language autoencoder that says what features of tier 3 may be about: NAME:ARGUMENT
    of a verbalizer, or the folder of a pair."""
    nla_model: str | None = None
    """The graphs' model, where they do not say it themselves: an NLA is held against it."""
    nla_examples: int = Field(default=5, ge=1, le=20)
    """Of a feature's top examples, how many it describes."""
    nla_samples: int = Field(default=4, ge=1, le=20)
    """Texts that it writes of each; of one alone it cannot be told whether it repeats itself."""
    nla_transcoders: str | None = None
    """Transcoders of the features, OWNER/REPO[//FOLDER][@REVISION] or a folder: with them each peak
    is run again before it is described, where the NLA is on this machine."""
    budget: float | None = Field(default=None, ge=0)
    """US dollars that the calls of a run may cost, never passed."""
    labeler: str = "token-frequency"
    """Labeler of tier 1."""
    embedder: str = "wordllama"
    """Embedder, `NAME` or `NAME:ARGUMENT`."""
    rule: str = "calibrated"
    """Routing rule: `calibrated`, or a baseline: `protocol`, `air`, `tokens`, `layer`."""
    alpha: float | None = None
    """Of the rule `calibrated`: the chance that a feature planted with nothing gets a role; by
    default .05."""
    threshold: float | None = None
    """Of a baseline: from where on what it measures counts as high; by default the rule's own."""
    null: str = "ordinary"
    """Ordinary text that features are compared with: clerp's own, or a folder of `calibrate`."""
    windows: str = "input=-1:0,output=1:2,cross=-8:8"
    """Token offsets around the peak, both ends included."""
    existing: Existing = "compare"
    """What happens to a label that was there before and is not clerp's."""
    show_hints: bool = False
    """Show `? hint` on nodes without a label."""
    style: Style = "plain"
    """How labels are written into the graph."""
    ledger: str = "clerp.db"
    """File or SQLAlchemy URL of the durable record."""
    concurrency: int = Field(default=8, ge=1)
    """Calls to an LLM at the same time."""
    llm_timeout: float = Field(default=60.0, gt=0, le=300)
    """Seconds that one call to an LLM may take, its wait in the server's queue included."""
    max_graph_bytes: int = Field(default=2**30, ge=1)
    """Largest graph, in bytes of JSON."""
    offline: bool = False
    """Ask no server: sources answer from their cache, an LLM from the ledger."""
    transcoder_sets: Mapping[str, Sequence[str]] = Field(default_factory=dict[str, Sequence[str]])
    """Sources of transcoder sets that are not public, by the name that graphs give them."""
    prices: Mapping[str, ModelPrice] = Field(default_factory=dict[str, ModelPrice])
    """By model, named as in `llm` without an address."""

    @field_validator("features", "ledger", "null", "nla", "nla_transcoders", mode="before")
    @classmethod
    def _write_path(cls, given: object) -> object:
        return str(given) if isinstance(given, Path) else given


OF_NLA = ("nla", "nla_model", "nla_examples", "nla_samples")
"""Settings that a labelled graph tells of where an NLA was asked."""

# What a labelled graph says of how it was labelled; the rest is this machine's business.
RECORDED = (
    "llm",
    "llm_all",
    "method",
    "context",
    "refine",
    "fallback_model",
    *OF_NLA,
    "labeler",
    "rule",
    "alpha",
    "threshold",
    "windows",
    "existing",
    "show_hints",
    "style",
)


@dataclass(frozen=True, slots=True)
class ResolvedSettings:
    """Settings and where each value comes from."""

    settings: Settings
    origins: Mapping[str, str]
    """By field: `flag`, `the graph's own record`, the name of a variable, `clerp.toml` or
    `default`."""


def resolve_settings(
    flags: Mapping[str, object],
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    recorded: Mapping[str, object] | None = None,
    spelled: Mapping[str, str] = _AS_THEY_ARE,
) -> ResolvedSettings:
    """Merge all the places that settings come from.

    Args:
        flags: What the caller says; None means not given.
        environment: `CLERP_*` variables, by default those of the process.
        folder: Where `clerp.toml` may lie, by default the working folder.
        recorded: The configuration under `metadata.clerp` of a labelled graph.
        spelled: Flags of a command that are not called like their settings.

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
    from_record = _read_record(recorded or {}, from_flags)
    add(from_record, dict.fromkeys(from_record, RECORD))
    add(from_flags, dict.fromkeys(from_flags, _FLAG))
    return ResolvedSettings(_validate(values, origins, spelled), origins)


def _read_file(path: Path) -> dict[str, object]:
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as fault:
        raise UsageError(
            f"cannot be read: {fault}", where=str(path), remedy="Repair it or move it away"
        ) from fault
    try:
        return tomllib.loads(content)
    except (tomllib.TOMLDecodeError, RecursionError) as fault:
        raise UsageError(
            f"not TOML: {fault}",
            where=str(path),
            remedy="Write one setting a line, for example: rule = 'protocol'",
        ) from fault


def _read_environment(environment: Mapping[str, str]) -> dict[str, object]:
    return {
        name: environment[_variable(name)]
        for name in Settings.model_fields
        if name not in _ONLY_IN_FILE and _variable(name) in environment
    }


def _read_record(
    recorded: Mapping[str, object], from_flags: Mapping[str, object]
) -> dict[str, object]:
    kept = {name: value for name, value in recorded.items() if name in RECORDED}
    # They were those of a rule; another one has its own.
    if from_flags.get("rule", kept.get("rule")) != kept.get("rule"):
        return {name: kept[name] for name in kept if name not in ("alpha", "threshold")}
    return kept


def _variable(field: str) -> str:
    return _ENVIRONMENT + field.upper()


def _validate(
    values: Mapping[str, object], origins: Mapping[str, str], spelled: Mapping[str, str]
) -> Settings:
    try:
        return Settings.model_validate(dict(values))
    except ValidationError as invalid:
        raise _explain(invalid.errors()[0], origins, spelled) from invalid


def _explain(
    fault: "ErrorDetails", origins: Mapping[str, str], spelled: Mapping[str, str]
) -> UsageError:
    """Name a setting as it was written where it was given."""
    name = ".".join(str(part) for part in fault["loc"])
    origin = origins.get(name.partition(".")[0], "")
    said = f"{fault['msg'][:1].lower()}{fault['msg'][1:]}"
    if fault["type"] == "extra_forbidden":
        where = "" if origin == _FLAG else origin
        known = f"Known: {', '.join(Settings.model_fields)}"
        return UsageError(f"there is no setting {name!r}", where=where, remedy=known)
    if origin == _FLAG:
        return UsageError(said, where=spelled.get(name) or _flag(name), remedy="Run: clerp --help")
    if origin == RECORD:
        where = f"{RECORD}, metadata.clerp.configuration.{name}"
        return UsageError(said, where=where, remedy="Label the graph again")
    if origin == CONFIG_FILE:
        return UsageError(f"{name}: {said}", where=CONFIG_FILE, remedy="Correct it there")
    return UsageError(said, where=origin, remedy="Correct the variable or unset it")


def _flag(field: str) -> str:
    return f"--{field.replace('_', '-')}"
