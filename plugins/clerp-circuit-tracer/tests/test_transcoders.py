from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from circuit_tracer.transcoder.cross_layer_transcoder import CrossLayerTranscoder
from circuit_tracer.transcoder.single_layer_transcoder import TranscoderSet

from clerp.errors import InputError, RemoteError, UsageError
from clerp_circuit_tracer.collect.transcoders import (
    Hooks,
    Transcoders,
    is_hub_reference,
    load_transcoders,
    name_scan,
    read_directions,
    read_set_name,
)

from .model_makers import HOOKS, SCAN, Architecture, make_transcoders, save_transcoders

LOADER = "clerp_circuit_tracer.collect.transcoders.load_transcoder_from_hub"


def _load(place: Any, hooks: Hooks | None = None) -> Transcoders:
    return load_transcoders(place, hooks=hooks, device=torch.device("cpu"), dtype=torch.float32)


@pytest.fixture(params=["cross", "single"])
def architecture(request: pytest.FixtureRequest) -> Architecture:
    return request.param


def test_a_folder_with_a_configuration_is_loaded(
    architecture: Architecture, tmp_path: Path
) -> None:
    made = make_transcoders(architecture)

    loaded = _load(save_transcoders(made, tmp_path / "set"))

    kind = CrossLayerTranscoder if architecture == "cross" else TranscoderSet
    assert isinstance(loaded, kind)
    assert name_scan(loaded) == read_set_name(tmp_path / "set", loaded) == SCAN
    assert (loaded.feature_input_hook, loaded.feature_output_hook) == (HOOKS.input, HOOKS.output)
    inputs = torch.randn(5, 32)
    torch.testing.assert_close(loaded.encode_layer(inputs, 1), made.encode_layer(inputs, 1))


def test_a_folder_without_a_configuration_is_loaded_with_the_hooks_given(
    architecture: Architecture, tmp_path: Path
) -> None:
    folder = save_transcoders(make_transcoders(architecture), tmp_path / "mine", config=False)

    loaded = _load(folder, HOOKS)

    assert loaded.feature_input_hook == HOOKS.input
    assert name_scan(loaded) == "mine"


@pytest.mark.parametrize("config", [True, False])
def test_a_folder_without_a_name_of_its_own_is_called_as_it_is_on_disk(
    config: bool, architecture: Architecture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_transcoders(make_transcoders(architecture), tmp_path / "mine", config=config)
    if config:
        path = folder / "config.yaml"
        path.write_text(path.read_text().replace(f"scan: {SCAN}\n", ""))
    monkeypatch.chdir(folder)

    loaded = _load(".", None if config else HOOKS)
    assert name_scan(loaded) == "mine"
    # Another machine may call the folder otherwise: it is no name of the set.
    assert read_set_name(".", loaded) == ""


@pytest.mark.parametrize("promoted_from", ["summed", "per layer", None])
def test_a_configuration_may_say_what_the_decoder_rows_are(
    promoted_from: str | None, tmp_path: Path
) -> None:
    folder = save_transcoders(make_transcoders("single"), tmp_path / "set")
    if promoted_from:
        with (folder / "config.yaml").open("a") as file:
            file.write(f"promoted_from: {promoted_from}\n")

    assert read_directions(folder) == promoted_from
    assert name_scan(_load(folder)) == SCAN


def test_decoder_rows_of_what_is_no_folder_are_not_described() -> None:
    assert read_directions("owner/repo") is None


def test_a_cross_layer_transcoder_cannot_call_its_rows_those_of_one_layer(tmp_path: Path) -> None:
    folder = save_transcoders(make_transcoders("cross"), tmp_path / "set")
    with (folder / "config.yaml").open("a") as file:
        file.write("promoted_from: per layer\n")

    with pytest.raises(InputError, match=r"config\.yaml: .*promoted_from is summed"):
        _load(folder)


def test_a_folder_that_does_not_say_where_features_read_is_refused(
    architecture: Architecture, tmp_path: Path
) -> None:
    folder = save_transcoders(make_transcoders(architecture), tmp_path / "mine", config=False)

    with pytest.raises(UsageError, match=r"config.yaml.*--input-hook"):
        _load(folder)


@pytest.mark.parametrize(
    ("architecture", "gone"),
    [("cross", "W_enc_0"), ("cross", "W_dec_1"), ("single", "layer_0")],
)
def test_a_missing_layer_is_named(architecture: Architecture, gone: str, tmp_path: Path) -> None:
    folder = save_transcoders(make_transcoders(architecture), tmp_path / "set", config=False)
    (folder / f"{gone}.safetensors").unlink()

    with pytest.raises(InputError, match=f"{gone}.safetensors is missing"):
        _load(folder, HOOKS)


def test_layers_left_over_from_another_set_are_refused(tmp_path: Path) -> None:
    folder = save_transcoders(make_transcoders("cross"), tmp_path / "set")
    (folder / "W_dec_5.safetensors").write_bytes(b"")

    with pytest.raises(InputError, match=r"W_dec_5\.safetensors is too much"):
        _load(folder)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"layer_0\.safetensors is missing"):
        _load(tmp_path, HOOKS)


@pytest.mark.parametrize("name", ["W_enc_0", "W_enc_1"])
def test_a_damaged_file_is_an_input_error(name: str, tmp_path: Path) -> None:
    folder = save_transcoders(make_transcoders("cross"), tmp_path / "set")
    (folder / f"{name}.safetensors").write_bytes(b"\xff" * 100)

    with pytest.raises(InputError, match="transcoders cannot be loaded"):
        _load(folder)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("model_kind: [", "no YAML"),
        ("- a list", "valid dictionary"),
        (yaml.safe_dump({"model_kind": "sae"}), "model_kind: Input should be"),
        ("model_kind: transcoder_set", "feature_input_hook: Field required"),
        ("!!python/object/apply:os.system ['true']", "no YAML"),
    ],
)
def test_a_configuration_that_is_none_is_refused(
    content: str, complaint: str, tmp_path: Path
) -> None:
    folder = save_transcoders(make_transcoders("cross"), tmp_path / "set")
    (folder / "config.yaml").write_text(content)

    with pytest.raises(InputError, match=complaint) as refused:
        _load(folder)
    assert "config.yaml" in refused.value.where


@pytest.mark.parametrize(
    ("reference", "asked"),
    [
        ("owner/repo", "owner/repo"),
        ("owner/repo//sub/deep@main", "owner/repo/sub/deep@main"),
        ("gemma", "gemma"),
    ],
)
def test_a_reference_is_loaded_from_the_hub_with_its_matrices_on_disk(
    reference: str, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def load(hf_ref: str, **options: Any) -> Any:
        calls.append((hf_ref, options["lazy_encoder"], options["lazy_decoder"]))
        return make_transcoders(), {}

    monkeypatch.setattr(LOADER, load)

    _load(reference)

    assert calls == [(asked, True, True)]


def test_a_hub_that_does_not_answer_is_a_remote_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise FileNotFoundError("Could not download config.yaml from owner/repo")

    monkeypatch.setattr(LOADER, fail)

    with pytest.raises(RemoteError, match=r"owner/repo: HuggingFace gave no.*HF_TOKEN"):
        _load("owner/repo")


@pytest.mark.parametrize("place", ["nowhere", "/no/such/folder", "a b/c", ""])
def test_what_is_neither_folder_nor_reference_is_refused(place: str) -> None:
    assert not is_hub_reference(place)
    if place:
        with pytest.raises(UsageError, match="neither a folder nor OWNER/REPO"):
            _load(place)


def test_a_list_of_sets_has_the_name_of_its_digest() -> None:
    transcoders = make_transcoders()
    transcoders.scan = ["a/b", "c/d"]
    first = name_scan(transcoders)
    transcoders.scan = ["a/b", "c/e"]

    assert first.startswith("custom-")
    assert name_scan(transcoders) != first


def test_a_set_without_a_name_has_none() -> None:
    transcoders = make_transcoders()
    transcoders.scan = None

    assert name_scan(transcoders) == ""
