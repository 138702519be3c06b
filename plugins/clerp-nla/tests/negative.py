"""Pairs in which one thing is wrong, or only unusual, each made from a good one.

broken = damage("nan-head", good, tmp_path / "broken")
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file, save_file

_HEAD = "value_head.safetensors"
_WEIGHTS = "model.safetensors"


def damage(name: str, good: Path, folder: Path) -> Path:
    """Copy the halves of a pair, and what else its folder holds, with one thing changed."""
    shutil.copytree(good, folder)
    DAMAGES[name](folder)
    return folder


def change_sidecar(half: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = half / "nla_meta.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), "utf-8")


def change_json(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _say_another_layer(folder: Path) -> None:
    """Both halves say K - 1, and the critic has a block less: only the vectors are wrong."""
    layer = _read_layer(folder)
    for half in ("av", "ar"):
        change_sidecar(folder / half, lambda file: file.update(extraction_layer_index=layer - 1))
    _cut_config(folder, layer)
    weights = load_file(folder / "ar" / _WEIGHTS)
    kept = {name: w for name, w in weights.items() if f".layers.{layer}." not in f".{name}"}
    save_file(kept, folder / "ar" / _WEIGHTS, metadata={"format": "pt"})


def _cut_at_k(folder: Path) -> None:
    _cut_config(folder, _read_layer(folder))


def _read_layer(folder: Path) -> int:
    return yaml.safe_load((folder / "ar/nla_meta.yaml").read_text("utf-8"))[
        "extraction_layer_index"
    ]


def _cut_config(folder: Path, n_layers: int) -> None:
    def cut(config: dict[str, Any]) -> None:
        config["num_hidden_layers"] = n_layers
        if config.get("layer_types"):
            config["layer_types"] = config["layer_types"][:n_layers]

    change_json(folder / "ar/config.json", cut)


def _scale_up(folder: Path) -> None:
    def change(file: dict[str, Any]) -> None:
        file["extraction"]["injection_scale"] *= 30

    change_sidecar(folder / "av", change)


def _start_chats_twice(folder: Path) -> None:
    _change_chat(folder, lambda chat: "{{ bos_token }}" + chat)


def _start_chats_never(folder: Path) -> None:
    _change_chat(folder, lambda chat: chat.replace("{{ bos_token }}", ""))


def _change_chat(folder: Path, change: Callable[[str], str]) -> None:
    # In a file of its own where a newer transformers wrote it.
    path = folder / "av/chat_template.jinja"
    if path.exists():
        path.write_text(change(path.read_text("utf-8")), "utf-8")
    else:
        change_json(
            folder / "av/tokenizer_config.json",
            lambda config: config.update(chat_template=change(config["chat_template"])),
        )


def _start_critic_twice(folder: Path) -> None:
    def change(file: dict[str, Any]) -> None:
        start = next(part for part in file["post_processor"]["single"] if "SpecialToken" in part)
        file["post_processor"]["single"].insert(0, start)

    change_json(folder / "ar/tokenizer.json", change)


def _start_critic_never(folder: Path) -> None:
    change_json(folder / "ar/tokenizer.json", lambda file: file.update(post_processor=None))


def _miss_neighbor(folder: Path) -> None:
    def change(file: dict[str, Any]) -> None:
        file["tokens"]["injection_left_neighbor_id"] += 1

    change_sidecar(folder / "av", change)


def _miss_marker(folder: Path) -> None:
    def change(file: dict[str, Any]) -> None:
        file["tokens"]["injection_char"] = "a"

    change_sidecar(folder / "av", change)


def _list_tokens(folder: Path) -> None:
    for half in ("av", "ar"):
        change_json(
            folder / half / "tokenizer_config.json",
            lambda config: config.update(extra_special_tokens=["<|extra|>"]),
        )


def _change_head(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Path], None]:
    def damage_head(folder: Path) -> None:
        weight = load_file(folder / "ar" / _HEAD)["weight"].float()
        save_file({"weight": change(weight).contiguous()}, folder / "ar" / _HEAD)

    return damage_head


def _put(value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def put(weight: torch.Tensor) -> torch.Tensor:
        weight[0, 0] = value
        return weight

    return put


def _swap(folder: Path) -> None:
    (folder / "av").rename(folder / "other")
    (folder / "ar").rename(folder / "av")
    (folder / "other").rename(folder / "ar")


def _use_version_1(folder: Path) -> None:
    for half, role in (("av", "actor"), ("ar", "critic")):

        def change(file: dict[str, Any], role: str = role) -> None:
            templates = file["prompt_templates"]
            layer = file.pop("extraction_layer_index")
            file |= {"schema_version": 1, "role": role}
            file["prompt_templates"] = {"actor": templates["av"], "critic": templates["ar"]}
            if role == "critic":
                file["critic"] = {"num_hidden_layers": layer}

        change_sidecar(folder / half, change)


def _scale_by_name(folder: Path) -> None:
    def change(file: dict[str, Any]) -> None:
        file["extraction"]["injection_scale"] = "sqrt_d_model"

    change_sidecar(folder / "av", change)


def _describe_data(folder: Path) -> None:
    def change(file: dict[str, Any]) -> None:
        width = file.pop("d_model")
        del file["role"]
        file["kind"] = "nla_dataset"
        file["extraction"] = {"d_model": width, "mse_scale": "sqrt_d_model"}

    change_sidecar(folder / "av", change)


def _drop_scale(folder: Path) -> None:
    def change(file: dict[str, Any]) -> None:
        del file["extraction"]["injection_scale"]

    change_sidecar(folder / "av", change)


def _add_after_block_1(folder: Path) -> None:
    def change(file: dict[str, Any]) -> None:
        file["injection_mode"] = "norm_matched_add_after_block_1"

    change_sidecar(folder / "av", change)


def _pickle(folder: Path) -> None:
    weights = load_file(folder / "av" / _WEIGHTS)
    (folder / "av" / _WEIGHTS).unlink()
    torch.save(weights, folder / "av/pytorch_model.bin")


def _pickle_a_shard(folder: Path) -> None:
    """The index names pickled weights; a safetensors file beside them is a decoy."""
    weights = load_file(folder / "av" / _WEIGHTS)
    (folder / "av" / _WEIGHTS).rename(folder / "av/decoy.safetensors")
    torch.save(weights, folder / "av/w.bin")
    _write_index(folder, weights, "w.bin")


def _move_a_shard(folder: Path) -> None:
    weights = load_file(folder / "av" / _WEIGHTS)
    (folder / "outside").mkdir()
    (folder / "av" / _WEIGHTS).rename(folder / "outside/w.safetensors")
    (folder / "av/decoy.safetensors").write_bytes(b"")
    _write_index(folder, weights, "../outside/w.safetensors")


def _lose_shard(folder: Path) -> None:
    weights = load_file(folder / "av" / _WEIGHTS)
    (folder / "av" / _WEIGHTS).unlink()
    _write_index(folder, weights, "model-00001-of-00001.safetensors")


def _write_index(folder: Path, weights: dict[str, torch.Tensor], shard: str) -> None:
    index = {"metadata": {}, "weight_map": dict.fromkeys(weights, shard)}
    (folder / "av" / f"{_WEIGHTS}.index.json").write_text(json.dumps(index), "utf-8")


def _change_config(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        change_json(folder / "av/config.json", lambda config: config.update(changes))

    return change


def _adapt(folder: Path) -> None:
    (folder / "av/adapter_config.json").write_text('{"peft_type": "LORA"}')


def _quantise(folder: Path) -> None:
    change_json(
        folder / "av/config.json",
        lambda config: config.update(quantization_config={"quant_method": "bitsandbytes"}),
    )


def _lose_tensor(folder: Path) -> None:
    weights = load_file(folder / "av" / _WEIGHTS)
    del weights["model.layers.0.mlp.up_proj.weight"]
    save_file(weights, folder / "av" / _WEIGHTS, metadata={"format": "pt"})


def _change_base(folder: Path) -> None:
    change_sidecar(folder / "av", lambda file: file.update(base_checkpoint="owner/another"))


def _never_close(folder: Path) -> None:
    """The actor's `/` reads as another character, so that no closing tag is ever written."""
    _rename_tokens(folder, lambda token: token.replace("/", "|"))


def _write_foreign(folder: Path) -> None:
    """What the actor says reads as Chinese characters; its prompt and its tags stay."""
    sidecar = yaml.safe_load((folder / "av/nla_meta.yaml").read_text("utf-8"))
    kept = sidecar["prompt_templates"]["av"]

    def rename(token: str) -> str:
        word = token.lstrip("Ġ")
        if not word.isascii() or not word.isalpha() or len(word) < 2 or word in kept:
            return token
        number = int.from_bytes(hashlib.sha256(token.encode()).digest()[:8])
        return _show_bytes(
            "".join(chr(0x4E00 + number // 5000**place % 5000) for place in range(3))
        )

    _rename_tokens(folder, rename)


def _rename_tokens(folder: Path, rename: Callable[[str], str]) -> None:
    """Let ids read as other text, for a vocabulary of whole words."""

    def change(file: dict[str, Any]) -> None:
        old = file["model"]["vocab"]
        added = {token["content"] for token in file["added_tokens"]}
        new = {name if name in added else rename(name): number for name, number in old.items()}
        assert len(new) == len(old)
        file["model"]["vocab"] = new

    change_json(folder / "av/tokenizer.json", change)


def _show_bytes(text: str) -> str:
    """Write text as byte-level vocabularies do: a printable character for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    shown = {byte: chr(byte) for byte in plain}
    shown |= {byte: chr(256 + place) for place, byte in enumerate(others)}
    return "".join(shown[byte] for byte in text.encode())


DAMAGES: dict[str, Callable[[Path], None]] = {
    # Loads; only vectors show that it is wrong.
    "wrong-layer": _say_another_layer,
    "wrong-scale": _scale_up,
    "unclosed-tag": _never_close,
    "foreign-text": _write_foreign,
    # Loads, and is right.
    "list-of-special-tokens": _list_tokens,
    "schema-1": _use_version_1,
    "scale-by-name": _scale_by_name,
    # Is refused.
    "cut-at-k": _cut_at_k,
    "two-starts": _start_chats_twice,
    "no-start": _start_chats_never,
    "critic-two-starts": _start_critic_twice,
    "critic-no-start": _start_critic_never,
    "missing-neighbor": _miss_neighbor,
    "missing-marker": _miss_marker,
    "nan-head": _change_head(_put(float("nan"))),
    "huge-head": _change_head(_put(1e38)),
    "narrow-head": _change_head(lambda weight: weight[:, 1:]),
    "swapped": _swap,
    "data-set-sidecar": _describe_data,
    "no-scale": _drop_scale,
    "another-injection": _add_after_block_1,
    "pickled": _pickle,
    "pickled-shard": _pickle_a_shard,
    "shard-outside": _move_a_shard,
    "lost-shard": _lose_shard,
    "weights-elsewhere": _change_config(transformers_weights="w.safetensors"),
    "foreign-attention": _change_config(_attn_implementation="evil/kernel"),
    "foreign-experts": _change_config(text_config={"_experts_implementation_internal": "evil/x"}),
    "endless-model": _change_config(num_hidden_layers=10**9),
    "failing-chat": lambda folder: _change_chat(folder, lambda _: "{{ 1/0 }}"),
    "adapter": _adapt,
    "quantised": _quantise,
    "lost-tensor": _lose_tensor,
    "another-base": _change_base,
}
