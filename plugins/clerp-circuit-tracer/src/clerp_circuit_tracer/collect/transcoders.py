"""Transcoders as circuit-tracer loads them: from the HuggingFace hub, a folder, or given."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, cast

import msgspec
import torch
import yaml
from circuit_tracer.transcoder.cross_layer_transcoder import CrossLayerTranscoder, load_clt
from circuit_tracer.transcoder.single_layer_transcoder import TranscoderSet
from circuit_tracer.utils.hf_utils import load_transcoder_from_hub
from circuit_tracer.utils.hf_utils import load_transcoders as load_configured
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from safetensors import SafetensorError

from clerp.errors import InputError, RemoteError, UsageError
from clerp.evidence import PromotedFrom

Transcoders = CrossLayerTranscoder | TranscoderSet

CONFIG = "config.yaml"
LEGACY = ("gemma", "llama")
"""Names that circuit-tracer keeps for the two sets it began with."""

_REFERENCE = re.compile(r"[\w.-]+/[\w.-]+(/{1,2}[\w.-]+)*(@[\w./-]+)?")
_MAX_CONFIG_BYTES = 2**20
# What circuit-tracer and safetensors raise for files that are not what they should be.
_BROKEN = (
    OSError,
    KeyError,
    ValueError,
    RuntimeError,
    TypeError,
    AssertionError,
    SafetensorError,
)


@dataclass(frozen=True, slots=True)
class Hooks:
    """Where features read and write, in TransformerLens's names: `mlp.hook_in`, `mlp.hook_out`."""

    input: str
    output: str


class _FolderConfig(BaseModel):
    """circuit-tracer's `config.yaml`; keys that only the hub needs are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    model_kind: Literal["transcoder_set", "cross_layer_transcoder"]
    feature_input_hook: str
    feature_output_hook: str
    scan: str = ""
    promoted_from: PromotedFrom | None = None
    """clerp's own key: `summed` for files of one layer each that hold the summed decoder rows of a
    cross-layer transcoder."""
    repo_id: str = ""
    transcoders: tuple[str, ...] = ()
    """One file a layer, relative to the folder, or `hf://`."""

    @model_validator(mode="after")
    def _check_directions(self) -> Self:
        if self.model_kind == "cross_layer_transcoder" and self.promoted_from == "per layer":
            raise ValueError("promoted_from is summed where the kind is cross_layer_transcoder")
        return self


def is_hub_reference(place: str) -> bool:
    """Say whether a text can name transcoders on the hub: `owner/repo[//sub][@revision]`."""
    return place in LEGACY or _REFERENCE.fullmatch(place) is not None


def load_transcoders(
    place: str | Path, *, hooks: Hooks | None, device: torch.device, dtype: torch.dtype
) -> Transcoders:
    """Load a set whose large matrices stay on disk until rows of them are wanted.

    Args:
        place: Reference on the hub, or a folder.
        hooks: Where the features of a folder without `config.yaml` read and write.
        device: Where biases and thresholds go.
        dtype: Of everything that is computed with.

    Raises:
        UsageError: There is no such folder, or it does not say where its features read.
        InputError: The files are not what circuit-tracer reads.
        RemoteError: The hub did not give them.
    """
    folder = Path(place).expanduser()
    if folder.is_dir():
        return _guard(place, lambda: _load_folder(folder, hooks, device, dtype))
    if not is_hub_reference(str(place)):
        raise UsageError(
            "neither a folder nor OWNER/REPO[//SUB][@REVISION]",
            where=str(place),
            remedy="Name the folder of the transcoders or their place on HuggingFace",
        )
    return _guard(place, lambda: _load_from_hub(str(place), device, dtype))


def read_directions(place: str | Path) -> PromotedFrom | None:
    """Return what a folder's configuration says of its decoder rows; None where it says nothing.

    Raises:
        InputError: The configuration is none.
    """
    folder = Path(place).expanduser()
    return _read_config(folder).promoted_from if (folder / CONFIG).is_file() else None


def read_set_name(place: str | Path, transcoders: Transcoders) -> str:
    """Return what a set calls itself; empty for a folder whose configuration does not say.

    Raises:
        InputError: The configuration is none.
    """
    folder = Path(place).expanduser()
    if not folder.is_dir():
        return name_scan(transcoders)
    return _read_config(folder).scan if (folder / CONFIG).is_file() else ""


def name_scan(transcoders: Transcoders) -> str:
    """Return what graphs call the set; a list of several sets gets the name of its digest."""
    scan: str | list[str] | None = transcoders.scan
    if scan is None or isinstance(scan, str):
        return scan or ""
    return f"custom-{hashlib.sha256(msgspec.json.encode(tuple(scan))).hexdigest()[:16]}"


def count_features(transcoders: Transcoders) -> int:
    """Return the number of features of each layer, wanted or not."""
    return cast(int, transcoders.d_transcoder)


def _guard(place: str | Path, load: Callable[[], Transcoders]) -> Transcoders:
    try:
        return load()
    except _BROKEN as fault:
        reason = str(fault) or type(fault).__name__
        raise InputError(
            f"transcoders cannot be loaded: {reason}",
            where=str(place),
            remedy="See circuit-tracer's documentation for the layouts that it reads",
        ) from fault


def _load_from_hub(reference: str, device: torch.device, dtype: torch.dtype) -> Transcoders:
    # circuit-tracer writes `owner/repo//sub` into graphs and reads `owner/repo/sub`.
    plain = reference.replace("//", "/")
    try:
        transcoders, _ = load_transcoder_from_hub(
            plain, device=device, dtype=dtype, lazy_encoder=True, lazy_decoder=True
        )
    except (OSError, ValueError) as fault:
        raise RemoteError(
            f"HuggingFace gave no transcoders: {fault}",
            where=reference,
            remedy="Check the name and the network, set HF_TOKEN, or name a folder",
        ) from fault
    return transcoders


def _load_folder(
    folder: Path, hooks: Hooks | None, device: torch.device, dtype: torch.dtype
) -> Transcoders:
    config = _read_config(folder) if (folder / CONFIG).is_file() else _infer_config(folder, hooks)
    if config.model_kind == "cross_layer_transcoder" and not config.transcoders:
        _number_files(folder, "W_dec_", expected=_number_files(folder, "W_enc_"))
        return load_clt(
            str(folder),
            feature_input_hook=config.feature_input_hook,
            feature_output_hook=config.feature_output_hook,
            scan=config.scan or folder.resolve().name,
            device=device,
            dtype=dtype,
            lazy_decoder=True,
            lazy_encoder=True,
        )
    return load_configured(
        _complete(config, folder), device, dtype, lazy_encoder=True, lazy_decoder=True
    )


def _complete(config: _FolderConfig, folder: Path) -> dict[str, Any]:
    listed = config.transcoders or tuple(
        f"layer_{layer}.safetensors" for layer in range(_number_files(folder, "layer_"))
    )
    paths = [name if name.startswith("hf://") else str(folder / name) for name in listed]
    return config.model_dump() | {
        "transcoders": paths,
        "scan": config.scan or folder.resolve().name,
    }


def _read_config(folder: Path) -> _FolderConfig:
    path = folder / CONFIG
    with path.open("rb") as file:
        content = file.read(_MAX_CONFIG_BYTES + 1)
    if len(content) > _MAX_CONFIG_BYTES:
        raise InputError(f"larger than {_MAX_CONFIG_BYTES} bytes", where=str(path))
    try:
        return _FolderConfig.model_validate(yaml.safe_load(content))
    except yaml.YAMLError as fault:
        raise InputError(f"no YAML: {fault}", where=str(path)) from fault
    except ValidationError as fault:
        first = fault.errors()[0]
        fields = (*first["loc"], first["msg"])
        raise InputError(": ".join(map(str, fields)), where=str(path)) from fault


def _infer_config(folder: Path, hooks: Hooks | None) -> _FolderConfig:
    if hooks is None:
        raise UsageError(
            f"no {CONFIG} says where the features read and write",
            where=str(folder),
            remedy="Give --input-hook and --output-hook, for example mlp.hook_in and mlp.hook_out",
        )
    cross_layer = any(folder.glob("W_enc_*.safetensors"))
    return _FolderConfig(
        model_kind="cross_layer_transcoder" if cross_layer else "transcoder_set",
        feature_input_hook=hooks.input,
        feature_output_hook=hooks.output,
    )


def _number_files(folder: Path, prefix: str, *, expected: int | None = None) -> int:
    """Count the files of a layer each; circuit-tracer takes the count for the number of layers."""
    found = {path.name for path in folder.glob(f"{prefix}*.safetensors")}
    count = len(found) if expected is None else expected
    wanted = {f"{prefix}{layer}.safetensors" for layer in range(count)}
    if not wanted or found != wanted:
        missing = ", ".join(sorted(wanted - found)[:3]) or f"{prefix}0.safetensors"
        extra = ", ".join(sorted(found - wanted)[:3]) or "nothing"
        raise InputError(
            f"layers are not numbered from 0 on: {missing} is missing, {extra} is too much",
            where=str(folder),
            remedy="Keep the files of one transcoder set in a folder of their own",
        )
    return count
