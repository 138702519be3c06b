import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from clerp.errors import InputError, UsageError
from clerp_circuit_tracer.collect.backend import Backend, choose_placement, find_prefix
from clerp_circuit_tracer.collect.job import open_backend
from clerp_circuit_tracer.collect.reader import FeatureReader

from .model_makers import (
    BOS,
    D_MODEL,
    N_LAYERS,
    WANTED,
    Architecture,
    draw_rows,
    make_batch,
    make_byte_tokenizer,
    make_transcoders,
    open_plain,
    save_model,
)

CPU = choose_placement("cpu", "float32")
BACKENDS = ("nnsight", "transformerlens")
CONTEXT = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return save_model(tmp_path_factory.mktemp("saved") / "model")


@pytest.fixture(scope="module")
def backends(folder: Path) -> dict[str, Backend]:
    return {name: _open(name, folder) for name in BACKENDS}


def _open(name: Any, folder: Path, architecture: Architecture = "cross") -> Backend:
    return open_backend(name, str(folder), make_transcoders(architecture), CPU, CONTEXT)


def _visit(backend: Backend, tokens: torch.Tensor, layers: range) -> list[torch.Tensor]:
    found: dict[int, torch.Tensor] = {}
    backend.visit_inputs(tokens, layers, lambda layer, inputs: found.update({layer: inputs}))
    return [found[layer] for layer in layers]


@pytest.mark.parametrize("name", BACKENDS)
def test_features_read_what_the_mlps_of_the_plain_model_read(
    name: str, backends: dict[str, Backend], folder: Path
) -> None:
    tokens = torch.tensor(draw_rows(40, 40, 40))

    found = _visit(backends[name], tokens, range(N_LAYERS))

    for ours, theirs in zip(found, open_plain(folder).read(tokens), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
        assert not ours.requires_grad


@pytest.mark.parametrize("name", BACKENDS)
def test_the_digest_is_that_of_the_model_alone(name: Any, folder: Path, tmp_path: Path) -> None:
    digest = _open(name, folder).digest()
    weights: Any = transformers.LlamaForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        weights.model.layers[0].self_attn.q_proj.weight[3, 5] += 0.01
    other = save_model(tmp_path / "model")
    weights.save_pretrained(other)
    turned = save_model(tmp_path / "turned" / "model", rope_theta=700.0)

    assert _open(name, folder, "single").digest() == digest
    assert _open(name, other).digest() != digest
    assert _open(name, turned).digest() != digest


@pytest.mark.parametrize("name", BACKENDS)
def test_padding_on_the_right_changes_nothing(name: str, backends: dict[str, Backend]) -> None:
    batch = make_batch(draw_rows(9, 33, 17))

    padded = _visit(backends[name], batch.tokens, range(N_LAYERS))

    for number, row in enumerate(batch.rows):
        alone = _visit(backends[name], row.tokens[None], range(N_LAYERS))
        for layer in range(N_LAYERS):
            torch.testing.assert_close(
                padded[layer][number, : len(row.tokens)], alone[layer][0], atol=1e-5, rtol=1e-5
            )


@pytest.mark.parametrize("name", BACKENDS)
def test_layers_beyond_the_last_wanted_one_are_not_run(
    name: str, backends: dict[str, Backend]
) -> None:
    model: Any = backends[name]
    plain = model._model._module if name == "nnsight" else model._model
    last = plain.model.layers[1].self_attn if name == "nnsight" else plain.blocks[1].attn
    ran: list[int] = []
    handle = last.register_forward_hook(lambda *_: ran.append(1))

    _visit(backends[name], torch.tensor(draw_rows(12)), range(1))
    assert not ran
    _visit(backends[name], torch.tensor(draw_rows(12)), range(2))
    assert ran
    handle.remove()


@pytest.mark.parametrize("architecture", ["cross", "single"])
def test_both_backends_give_the_same_features_and_rank_the_same_tokens(
    architecture: Architecture, folder: Path
) -> None:
    batch = make_batch(draw_rows(30, 50))
    readers = [
        FeatureReader(_open(name, folder, architecture), make_transcoders(architecture), WANTED)
        for name in BACKENDS
    ]

    first, second = ([*reader.read(batch)] for reader in readers)

    assert [activity.layer for activity in first] == [0, 1]
    for ours, theirs in zip(first, second, strict=True):
        assert (ours.activations > 0).any()
        torch.testing.assert_close(ours.activations, theirs.activations, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(ours.margins, theirs.margins, atol=1e-4, rtol=1e-4)
    assert readers[0].rank_logits(10) == readers[1].rank_logits(10)


def test_a_model_called_llama_or_gemma_is_judged_by_its_configuration(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "llama-7b" / "gemma-2-2b")
    tokens = torch.tensor(draw_rows(20))

    found = _visit(_open("transformerlens", folder), tokens, range(N_LAYERS))

    expected = open_plain(folder).read(tokens)
    torch.testing.assert_close(found[1], expected[1], atol=1e-4, rtol=1e-4)


def test_scaled_rotary_angles_are_refused_where_transformerlens_would_miss_them(
    tmp_path: Path,
) -> None:
    folder = save_model(tmp_path / "model", rope_scaling={"rope_type": "linear", "factor": 4.0})

    with pytest.raises(InputError, match=r"scaled.*--backend nnsight"):
        _open("transformerlens", folder)


def test_what_transformerlens_computes_differently_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clerp_circuit_tracer.collect import transformerlens_backend

    convert = transformerlens_backend._make_config

    def forget_rotary_base(*arguments: Any) -> Any:
        config = convert(*arguments)
        config.rotary_base = 10_000
        return config

    monkeypatch.setattr(transformerlens_backend, "_make_config", forget_rotary_base)
    with pytest.raises(InputError, match="logits that differ by"):
        _open("transformerlens", folder)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_folder_that_holds_no_model_is_refused(name: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be loaded"):
        _open(name, tmp_path)


def test_an_architecture_that_nnsight_has_no_places_for_is_refused(tmp_path: Path) -> None:
    config = transformers.GPT2Config(vocab_size=330, n_embd=D_MODEL, n_layer=2, n_head=2)
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    make_byte_tokenizer().save_pretrained(tmp_path)

    with pytest.raises(InputError, match="map of models for nnsight lacks this one"):
        _open("nnsight", tmp_path)


def test_a_hook_that_the_architecture_lacks_is_refused(folder: Path) -> None:
    transcoders = make_transcoders()
    transcoders.feature_input_hook = "ln2.hook_normalized"

    with pytest.raises(InputError, match=r"ln2.hook_normalized.*--backend transformerlens"):
        open_backend("nnsight", str(folder), transcoders, CPU, CONTEXT)


def test_transcoders_of_a_wider_model_are_refused(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model", hidden_size=64)

    with pytest.raises(UsageError, match="2 layers of width 32, the model has 2 of width 64"):
        FeatureReader(_open("nnsight", folder), make_transcoders(), WANTED)


def test_rows_begin_with_what_circuit_tracer_puts_in_front(backends: dict[str, Backend]) -> None:
    assert [backend.prefix for backend in backends.values()] == [(BOS,), (BOS,)]


def test_a_tokenizer_with_special_token_0_alone_is_refused() -> None:
    with pytest.raises(InputError, match="no special token to put in front"):
        find_prefix(make_byte_tokenizer(["<bos>"]), slice(0, 1), "model")


def test_a_chat_model_of_gemma_3_begins_with_a_turn() -> None:
    special = ["<unk>", "<pad>", "<bos>"]
    tokenizer = make_byte_tokenizer(special)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<start_of_turn>"]})
    ids = {"<start_of_turn>": 105, "user": 2364, "\n": 107}

    class Turns:
        all_special_ids = (0, 1, 2, 105)

        def __len__(self) -> int:
            return len(tokenizer)

        def encode(self, text: str, add_special_tokens: bool) -> list[int]:
            assert text == "<bos><start_of_turn>user\n"
            return [2, *ids.values()]

    stand_in: Any = Turns()
    assert find_prefix(stand_in, slice(0, 4), "google/gemma-3-1b-it") == (2, 105, 2364, 107)


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no device 'abacus' here"):
        choose_placement("abacus", "float32")


def test_half_precision_computes_near_the_same(folder: Path) -> None:
    placement = choose_placement("cpu", "bfloat16")
    transcoders = make_transcoders()
    reader = FeatureReader(
        open_backend("nnsight", str(folder), transcoders, placement, CONTEXT), transcoders, WANTED
    )
    exact = FeatureReader(_open("nnsight", folder), make_transcoders(), WANTED)
    batch = make_batch(draw_rows(30))

    for ours, theirs in zip(reader.read(batch), exact.read(batch), strict=True):
        assert ours.margins.dtype == torch.float32
        inside = theirs.margins.isfinite()
        difference = (ours.margins - theirs.margins)[inside].abs().mean()
        assert 0 < difference < 0.05


def test_the_configuration_of_the_model_is_left_alone(folder: Path) -> None:
    before = json.loads((folder / "config.json").read_text())
    _open("transformerlens", folder)
    assert json.loads((folder / "config.json").read_text()) == before
