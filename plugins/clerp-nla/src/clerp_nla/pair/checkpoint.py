"""Folders of models and tokenizers, loaded by transformers: safetensors only, no code of theirs."""

import json
import re
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import torch
import transformers
from safetensors import SafetensorError
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast
from transformers.utils import logging

from clerp.errors import InputError, UsageError

CONFIG = "config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
ADAPTER_CONFIG = "adapter_config.json"
WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
DTYPES = (torch.float32, torch.bfloat16)

_NOTHING: Mapping[str, object] = MappingProxyType({})
_SILENCE = 50  # logging.CRITICAL
_MAX_BYTES = 32 * 2**20
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
# A file of the folder itself: others would be read from elsewhere, or by torch.load.
_SHARD = re.compile(r"[\w.-]+\.safetensors", re.ASCII)
# Under keys with this word, transformers takes names of code on the Hub, which it fetches and runs.
_CODE, _OWN_CODE = "implementation", ("eager", "sdpa")
# Far above all published models. A model is built to its sizes before its weights are looked at.
_LARGEST = {
    **dict.fromkeys(("num_hidden_layers", "num_layers", "n_layers", "n_layer"), 512),
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "head_dim"), 2**16),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "n_inner"), 2**20),
    **dict.fromkeys(("num_attention_heads", "num_key_value_heads", "n_head"), 2**12),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 2**12),
    "vocab_size": 2**22,
}
# What transformers, tokenizers and safetensors raise for files that are not what they should be.
_BROKEN = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    ImportError,
    RuntimeError,
    SafetensorError,
    RecursionError,
)
# What transformers 5 writes where the tokenizer is all in tokenizer.json; version 4 has no such.
_CLASS_OF_5 = "TokenizersBackend"


def read_config(folder: Path, name: str = CONFIG) -> Mapping[str, object]:
    """Read a JSON object of a checkpoint.

    Raises:
        InputError: There is none; or it is a model's configuration that names code or weights of
            another place, or sizes that no model has.
    """
    path = folder / name
    try:
        with path.open("rb") as opened:
            raw = opened.read(_MAX_BYTES + 1)
        content: object = json.loads(raw) if len(raw) <= _MAX_BYTES else None
    except FileNotFoundError as fault:
        raise InputError(f"no {name}", where=str(folder)) from fault
    except OSError as fault:
        raise InputError(f"cannot be read: {fault.strerror}", where=str(path)) from fault
    except (ValueError, RecursionError) as fault:
        raise InputError("not JSON", where=str(path)) from fault
    if not isinstance(content, dict):
        raise InputError(f"no JSON object of at most {_MAX_BYTES:,} bytes", where=str(path))
    config = cast(Mapping[str, object], content)
    if name == CONFIG:
        for key, value in _list_entries(config):
            _check_entry(key, value, path)
    return config


def _list_entries(content: object) -> Iterator[tuple[str, object]]:
    """List the entries of all objects, at every depth."""
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            entries = cast(Mapping[str, object], value)
            yield from entries.items()
            waiting += entries.values()
        elif isinstance(value, list):
            waiting += cast(list[object], value)


def _check_entry(key: str, value: object, path: Path) -> None:
    shown = str(value)[:60]
    if _CODE in key and not isinstance(value, bool | None) and value not in _OWN_CODE:
        raise InputError(
            f"{key}: {shown!r} may be code of another place; clerp runs {' and '.join(_OWN_CODE)}",
            where=str(path),
            remedy="Take the entry out",
        )
    if key == "transformers_weights" and value is not None:
        raise InputError(
            f"{key}: {shown!r}; weights are read from {WEIGHTS} or {INDEX} only", where=str(path)
        )
    if key == "quantization_config" and value is not None:
        raise InputError(
            "quantization_config: quantised weights move vectors; clerp takes them whole",
            where=str(path),
            remedy="Take the checkpoint in bfloat16 or float32",
        )
    most = _LARGEST.get(key)
    if most is not None and isinstance(value, int | float) and not value <= most:
        raise InputError(f"{key}: {shown} is more than {most:,}", where=str(path))


def check_folder(folder: Path) -> None:
    """Say that a folder holds a whole model whose weights are safetensors.

    Raises:
        InputError: There are pickled weights, a LoRA adapter or quantised weights instead, or
            weights outside it.
    """
    if (folder / ADAPTER_CONFIG).exists():
        raise InputError(
            "an adapter (LoRA), not a whole model",
            where=str(folder),
            remedy="Merge it into its base model and save that as safetensors",
        )
    read_config(folder)
    if (folder / INDEX).exists():
        _check_index(folder)
        return
    if (folder / WEIGHTS).is_file():
        return
    pickled = sorted(path.name for kind in _PICKLES for path in folder.glob(kind))
    if pickled:
        raise InputError(
            f"its weights are pickled ({pickled[0]}), which can run code: refused",
            where=str(folder),
            remedy="Save them as safetensors on a machine where you trust them",
        )
    raise InputError(f"no weights ({WEIGHTS} or {INDEX})", where=str(folder))


def _check_index(folder: Path) -> None:
    where = str(folder / INDEX)
    shards = read_config(folder, INDEX).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise InputError("weight_map: names no file of weights", where=where)
    for shard in cast(Mapping[str, object], shards).values():
        if not isinstance(shard, str) or not _SHARD.fullmatch(shard) or shard == HEAD:
            raise InputError(
                f"weight_map: {str(shard)[:60]!r} is no safetensors file of this folder",
                where=where,
                remedy="Save the weights as safetensors on a machine where you trust them",
            )
        if not (folder / shard).is_file():
            raise InputError(f"no {shard}, which {INDEX} names", where=str(folder))


HEAD = "value_head.safetensors"
"""A critic's last layer, which is no part of the model that transformers knows."""


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Load a tokenizer; a list of extra special tokens is read as what it means.

    Raises:
        InputError: It cannot be loaded, or is none of the fast ones.
    """
    config = read_config(folder, TOKENIZER_CONFIG)
    loader: Any = AutoTokenizer
    changed: dict[str, object] = {}
    # Version 5 writes a list; version 4 takes a mapping only, and breaks.
    if int(transformers.__version__.partition(".")[0]) < 5:
        if isinstance(extra := config.get("extra_special_tokens"), list):
            listed = config.get("additional_special_tokens") or []
            known = cast(list[object], listed) if isinstance(listed, list) else []
            added = [token for token in cast(list[object], extra) if token not in known]
            changed = {"extra_special_tokens": {}, "additional_special_tokens": [*known, *added]}
        if config.get("tokenizer_class") == _CLASS_OF_5:
            loader = PreTrainedTokenizerFast
    try:
        with quietly():
            loaded = loader.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, **changed
            )
    # The tokenizers library raises plain Exception for a malformed tokenizer.json.
    except Exception as fault:
        raise _explain(fault, "tokenizer", folder) from fault
    if not isinstance(loaded, PreTrainedTokenizerFast):
        raise InputError("no tokenizer.json", where=str(folder))
    return loaded


def load_model(
    folder: Path,
    loader: Any,  # noqa: ANN401  # transformers' Auto classes have no common type
    *,
    device: torch.device | str,
    dtype: torch.dtype,
    may_lack: Collection[str] = (),
    changed: Mapping[str, object] = _NOTHING,
) -> PreTrainedModel:
    """Load a model, ready to run.

    Args:
        folder: On this machine; nothing is fetched.
        loader: An Auto class of transformers.
        device: Where it is to run.
        dtype: bfloat16 or float32.
        may_lack: Parameters that the caller replaces.
        changed: Entries of the configuration that take another value.

    Raises:
        InputError: The folder is no such model, or its weights are not all there.
        UsageError: The precision is another one.
    """
    if dtype not in DTYPES:
        raise UsageError(f"pairs run in float32 or bfloat16, not in {_name(dtype)}")
    check_folder(folder)
    try:
        with quietly():
            model, info = loader.from_pretrained(
                folder,
                dtype=dtype,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
                **changed,
            )
    except _BROKEN as fault:
        raise _explain(fault, "model", folder) from fault
    lacking = sorted(set(info["missing_keys"]) - set(may_lack))
    exceeding = sorted(info["unexpected_keys"])
    for names, what in ((lacking, "lack"), (exceeding, "hold, beyond what the model has,")):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise InputError(
                f"its weights {what} {names[0]}{more}",
                where=str(folder),
                remedy="Fetch or save the checkpoint again, with its own config.json",
            )
    if info["mismatched_keys"] or info.get("error_msgs"):
        raise InputError("its weights are of other sizes than config.json says", where=str(folder))
    return model.to(device).eval().requires_grad_(False)


@contextmanager
def quietly() -> Generator[None]:
    """Keep transformers from writing to the terminal; what matters becomes an error."""
    level, shows_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(_SILENCE)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shows_bars:
            logging.enable_progress_bar()


def _explain(fault: Exception, what: str, folder: Path) -> InputError:
    reason = " ".join(str(fault).split())[:300] or type(fault).__name__
    return InputError(f"the {what} cannot be loaded: {reason}", where=str(folder))


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
