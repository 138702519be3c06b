"""What a checkpoint says of itself: `nla_meta.yaml`, versions 1 and 2 of the released layout."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, cast

import yaml
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from clerp.errors import InputError

SIDECAR = "nla_meta.yaml"
MARKER_PLACE = "{injection_char}"
TEXT_PLACE = "{explanation}"

Role = Literal["av", "ar"]
InjectionMode = Literal["replace_embedding"]

_MAX_BYTES = 2**20
_NEWEST_SCHEMA = 2
_ROLES: dict[str, Role] = {
    "av": "av",
    "actor": "av",
    "verbalizer": "av",
    "ar": "ar",
    "critic": "ar",
    "reconstructor": "ar",
}
# All that this layout says of how the vector gets in; other layouts use other words for other ways.
_OF_MARKER = (
    "injection_scale",
    "injection_char",
    "injection_token_id",
    "injection_left_neighbor_id",
    "injection_right_neighbor_id",
)
_REPLACES: InjectionMode = "replace_embedding"

_Count = Annotated[int, Field(ge=0, lt=2**31)]
_Scale = float | str | None
_Container = Mapping[str, object] | Sequence[object]


@dataclass(frozen=True, slots=True)
class Sidecar:
    """One half of a pair, as far as it says what it is."""

    role: Role
    d_model: int
    layer: int | None
    """K: the block whose output the pair is about. An old actor may not say it; a critic does."""
    injection_scale: float | None
    """Norm of the vector that replaces the marker's embedding; None for a critic."""
    injection_char: str
    injection_token_id: int
    left_neighbor_id: int
    right_neighbor_id: int
    suffix_ids: tuple[int, ...]
    """Tokens that a critic's prompt ends with; empty where it does not say."""
    template: str
    """Of this half's prompt, with one place for the marker or the text."""
    base_checkpoint: str
    injection_mode: InjectionMode
    """The one that clerp knows; files that say another are refused."""


class _Foreign(BaseModel):
    """Part of a file that others write: what clerp does not know is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Extraction(_Foreign):
    injection_scale: _Scale = None


class _Tokens(_Foreign):
    injection_char: Annotated[str, Field(min_length=1, max_length=64)]
    injection_token_id: _Count
    injection_left_neighbor_id: _Count
    injection_right_neighbor_id: _Count
    critic_suffix_ids: Annotated[tuple[_Count, ...], Field(max_length=1000)] | None = None


class _Templates(_Foreign):
    av: str | None = Field(None, validation_alias=AliasChoices("av", "actor", "verbalizer"))
    ar: str | None = Field(None, validation_alias=AliasChoices("ar", "critic", "reconstructor"))


class _Depth(_Foreign):
    extraction_layer_index: _Count | None = None
    num_hidden_layers: _Count | None = None
    """K as well, and not the number of blocks that the checkpoint holds."""


class _File(_Foreign):
    kind: Literal["nla_model"] = "nla_model"
    schema_version: int = 1
    role: Literal["av", "actor", "verbalizer", "ar", "critic", "reconstructor"]
    base_checkpoint: Annotated[str, Field(min_length=1, max_length=1000)]
    injection_mode: InjectionMode | None = None
    d_model: Annotated[int, Field(ge=1, lt=2**20)]
    extraction: _Extraction
    tokens: _Tokens
    prompt_templates: _Templates
    extraction_layer_index: _Count | None = None
    av: _Depth | None = Field(None, validation_alias=AliasChoices("av", "actor", "verbalizer"))
    ar: _Depth | None = Field(None, validation_alias=AliasChoices("ar", "critic", "reconstructor"))


def read_sidecar(folder: Path) -> Sidecar:
    """Read what a checkpoint says of itself.

    Raises:
        InputError: There is no sidecar, it is not whole, it describes a data set, or another way
            of putting the vector in.
    """
    path = folder / SIDECAR
    content = _load(path)
    _refuse_data_set(content, path)
    _refuse_other_ways(content, path)
    try:
        file = _File.model_validate(content)
    except ValidationError as fault:
        first = fault.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{key}: {first['msg']}", where=str(path)) from fault
    if not 1 <= file.schema_version <= _NEWEST_SCHEMA:
        raise InputError(
            f"schema_version: {file.schema_version} is none that clerp knows (1, 2)",
            where=str(path),
        )
    role = _ROLES[file.role]
    return Sidecar(
        role=role,
        d_model=file.d_model,
        layer=_find_layer(file, role, path),
        injection_scale=_find_injection_scale(file, role, path),
        injection_char=file.tokens.injection_char,
        injection_token_id=file.tokens.injection_token_id,
        left_neighbor_id=file.tokens.injection_left_neighbor_id,
        right_neighbor_id=file.tokens.injection_right_neighbor_id,
        suffix_ids=file.tokens.critic_suffix_ids or (),
        template=_find_template(file, role, path),
        base_checkpoint=file.base_checkpoint,
        injection_mode=file.injection_mode or _REPLACES,
    )


def _load(path: Path) -> Mapping[str, object]:
    try:
        with path.open("rb") as opened:
            raw = opened.read(_MAX_BYTES + 1)
    except FileNotFoundError as fault:
        raise InputError(
            f"no {SIDECAR}: not a checkpoint of a natural language autoencoder",
            where=str(path.parent),
            remedy="Name a folder with av/ and ar/, each with its sidecar",
        ) from fault
    except OSError as fault:
        raise InputError(f"cannot be read: {fault.strerror}", where=str(path)) from fault
    if len(raw) > _MAX_BYTES:
        raise InputError(f"more than {_MAX_BYTES:,} bytes", where=str(path))
    try:
        content: object = yaml.safe_load(raw)
    # Dates and numbers that are none come as ValueError, deep nesting as RecursionError; some
    # malformed tags as AttributeError or TypeError.
    except (yaml.YAMLError, ValueError, RecursionError, AttributeError, TypeError) as fault:
        raise InputError("not YAML", where=str(path)) from fault
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise InputError("not a mapping of names", where=str(path))
    return cast(Mapping[str, object], content)


def _refuse_data_set(content: Mapping[str, object], path: Path) -> None:
    if content.get("kind") == "nla_dataset":
        raise InputError(
            "kind: it describes a data set, which fixes no injection_scale; a checkpoint is needed",
            where=str(path),
            remedy=f"Take the {SIDECAR} that came with the weights",
        )


def _refuse_other_ways(content: Mapping[str, object], path: Path) -> None:
    told = content.get("format")
    said = [("format", told)] if told not in (None, "nla", "nla_model") else []
    said += [(key, value) for key, value in _list_ways(content) if value != _REPLACES]
    if said:
        key, value = said[0]
        raise InputError(
            f"{key}: {str(value)[:60]!r} is another way of putting the vector in than clerp's "
            f"({_REPLACES})",
            where=str(path),
            remedy="Run the pair behind a server that knows it, and name that server",
        )


def _list_ways(content: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """List what a file says, at whatever depth, of how the vector gets in."""
    waiting: list[tuple[str, object]] = [("", content)]
    # YAML can name one part from several places, and from within itself.
    seen: set[tuple[int, bool]] = set()
    while waiting:
        name, value = waiting.pop()
        is_way = "inject" in name.lower()
        if isinstance(value, dict | list | tuple) and value:
            if (id(value), is_way) not in seen:
                seen.add((id(value), is_way))
                waiting += _list_parts(name, cast(_Container, value))
        elif is_way and name.rpartition(".")[2] not in _OF_MARKER and value is not None:
            yield name.removeprefix("."), value


def _list_parts(name: str, value: _Container) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        return ((f"{name}.{key}", part) for key, part in value.items())
    return ((name, part) for part in value)


def _find_layer(file: _File, role: Role, path: Path) -> int | None:
    found: dict[str, int] = {}
    if file.extraction_layer_index is not None:
        found["extraction_layer_index"] = file.extraction_layer_index
    for name, depth in (("ar", file.ar), ("av", file.av)):
        for key in ("extraction_layer_index", "num_hidden_layers"):
            if depth is not None and (layer := getattr(depth, key)) is not None:
                found[f"{name}.{key}"] = layer
    if len(set(found.values())) > 1:
        said = ", ".join(f"{key} {layer}" for key, layer in found.items())
        raise InputError(f"it names several layers: {said}", where=str(path))
    if not found and role == "ar":
        raise InputError("extraction_layer_index: the critic does not say it", where=str(path))
    return next(iter(found.values()), None)


def _find_injection_scale(file: _File, role: Role, path: Path) -> float | None:
    scale = _resolve(file.extraction.injection_scale, file.d_model, path)
    if scale is None and role == "av":
        raise InputError(
            "extraction.injection_scale: the actor does not say at which norm it learned to read "
            "vectors",
            where=str(path),
            remedy="Take the value that it was trained with; any other gives fluent nonsense",
        )
    return scale


def _resolve(scale: _Scale, d_model: int, path: Path) -> float | None:
    if scale is None or scale in ("raw", "none"):
        return None
    if scale == "sqrt_d_model":
        return math.sqrt(d_model)
    try:
        value = float(scale)
    except ValueError:
        value = math.nan
    if not 0 < value < 1e9:
        raise InputError(
            f"extraction.injection_scale: {str(scale)[:40]!r} is no norm of a vector",
            where=str(path),
        )
    return value


def _find_template(file: _File, role: Role, path: Path) -> str:
    template = getattr(file.prompt_templates, role)
    place = MARKER_PLACE if role == "av" else TEXT_PLACE
    if template is None:
        raise InputError(f"prompt_templates.{role}: Field required", where=str(path))
    if template.count(place) != 1:
        raise InputError(
            f"prompt_templates.{role}: {place} stands {template.count(place)} times in it, not "
            "once",
            where=str(path),
        )
    return template
