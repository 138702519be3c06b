from pathlib import Path
from typing import Any

import pytest
import torch

from clerp.errors import InputError, UsageError
from clerp.feature import FeatureId
from clerp_circuit_tracer.collect.backend import choose_placement
from clerp_circuit_tracer.collect.encoders import Encoder, check_encoder, make_encoder
from clerp_circuit_tracer.collect.job import open_backend
from clerp_circuit_tracer.collect.reader import FeatureReader
from clerp_circuit_tracer.collect.transcoders import Transcoders, load_transcoders
from clerp_circuit_tracer.collect.weights import digest_model, read_encoder_rows

from .model_makers import (
    D_MODEL,
    N_FEATURES,
    N_LAYERS,
    WANTED,
    Activation,
    Architecture,
    draw_rows,
    make_batch,
    make_transcoders,
    save_model,
    save_transcoders,
)

INDICES = [0, 7, 21, 40]
EVERY_KIND = pytest.mark.parametrize(
    ("architecture", "activation"),
    [(kind, function) for kind in ("cross", "single") for function in ("relu", "jump", "top_k")],
)


def _make(transcoders: Transcoders, layer: int) -> Encoder:
    rows = read_encoder_rows(transcoders, layer, INDICES)
    return make_encoder(transcoders, layer, INDICES, rows)


def _draw_inputs(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, D_MODEL, generator=torch.Generator().manual_seed(5)) * 2


@EVERY_KIND
def test_activations_are_those_of_the_transcoder_itself(
    architecture: Architecture, activation: Activation
) -> None:
    transcoders = make_transcoders(architecture, activation)
    inputs = _draw_inputs(3, 50)

    for layer in range(N_LAYERS):
        found = _make(transcoders, layer).encode(inputs)

        expected = transcoders.encode_layer(inputs, layer)[..., INDICES].clamp(min=0)
        assert (expected > 0).any()
        torch.testing.assert_close(found.activations, expected, atol=1e-5, rtol=1e-5)


@EVERY_KIND
def test_a_margin_is_positive_where_a_feature_fires_and_nowhere_else(
    architecture: Architecture, activation: Activation
) -> None:
    found = _make(make_transcoders(architecture, activation), 1).encode(_draw_inputs(400))

    assert torch.equal(found.margins > 0, found.activations > 0)


def test_the_margin_of_a_threshold_is_the_distance_to_it() -> None:
    transcoders: Any = make_transcoders("single", "jump")
    inputs = _draw_inputs(20)

    found = _make(transcoders, 0).encode(inputs)

    before: Any = transcoders.encode_layer(inputs, 0, apply_activation_function=False)
    threshold: Any = transcoders[0].activation_function
    expected = before[:, INDICES] - threshold.threshold[INDICES]
    torch.testing.assert_close(found.margins, expected, atol=1e-5, rtol=1e-5)


def test_features_that_compete_are_computed_the_same_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoder = _make(make_transcoders("cross", "top_k"), 0)
    inputs = _draw_inputs(7, 11)
    whole = encoder.encode(inputs)

    monkeypatch.setattr("clerp_circuit_tracer.collect.encoders._MAX_VALUES", 4 * N_FEATURES)
    parts = encoder.encode(inputs)

    torch.testing.assert_close(parts.margins, whole.margins)
    assert parts.activations.shape == (7, 11, len(INDICES))


def test_an_encoder_that_differs_from_the_transcoder_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transcoders = make_transcoders("cross", "jump")
    encoder = _make(transcoders, 0)
    inputs = _draw_inputs(8)
    check_encoder(encoder, transcoders, 0, INDICES, inputs)

    own: Any = transcoders.encode_layer
    monkeypatch.setattr(transcoders, "encode_layer", lambda *given, **kind: 2 * own(*given, **kind))

    with pytest.raises(InputError, match="features of layer 0 are not computed as"):
        check_encoder(encoder, transcoders, 0, INDICES, inputs)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return save_model(tmp_path_factory.mktemp("saved") / "model")


def _open_reader(model: Path, transcoders: Transcoders, features: Any = WANTED) -> FeatureReader:
    placement = choose_placement("cpu", "float32")
    backend = open_backend("nnsight", str(model), transcoders, placement, 64)
    return FeatureReader(backend, transcoders, features)


def test_the_first_batch_shows_a_transcoder_that_is_computed_otherwise(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcoders = make_transcoders("single", "jump")
    reader = _open_reader(model, transcoders)
    monkeypatch.setattr(
        type(transcoders), "encode_layer", lambda *_, **__: torch.ones(4, N_FEATURES)
    )

    with pytest.raises(InputError, match="not computed as the transcoder itself does"):
        list(reader.read(make_batch(draw_rows(10))))


def test_features_are_off_in_the_prefix_and_on_padding(model: Path) -> None:
    reader = _open_reader(model, make_transcoders("cross", "relu"))

    for activity in reader.read(make_batch(draw_rows(5, 12))):
        assert activity.activations[:, 0].max() == 0
        assert activity.activations[0, 5:].max() == 0
        assert activity.margins[0, 5:].max() == -torch.inf
        assert activity.margins[:, 0].max() == -torch.inf
        assert activity.margins[1, 1:].isfinite().all()


@pytest.mark.parametrize("architecture", ["cross", "single"])
def test_rows_that_stay_on_disk_give_the_same_as_rows_in_memory(
    model: Path, architecture: Architecture, tmp_path: Path
) -> None:
    folder = save_transcoders(make_transcoders(architecture), tmp_path / "set")
    lazy = load_transcoders(folder, hooks=None, device=torch.device("cpu"), dtype=torch.float32)
    readers = [_open_reader(model, made) for made in (lazy, make_transcoders(architecture))]
    batch = make_batch(draw_rows(20))

    ours, theirs = ([*reader.read(batch)] for reader in readers)

    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one.margins, other.margins)
    assert readers[0].rank_logits(5) == readers[1].rank_logits(5)
    assert readers[0].digest == readers[1].digest
    assert readers[0].promoted_from == ("summed" if architecture == "cross" else "per layer")


def test_other_weights_have_another_digest(model: Path) -> None:
    first, second = (_open_reader(model, make_transcoders(seed=seed)) for seed in (3, 4))

    assert first.digest != second.digest


@pytest.mark.parametrize("architecture", ["cross", "single"])
def test_other_decoders_have_another_digest(model: Path, architecture: Architecture) -> None:
    transcoders: Any = make_transcoders(architecture)
    before = _open_reader(model, transcoders).digest
    decoder = transcoders.W_dec[1] if architecture == "cross" else transcoders[1].W_dec
    with torch.no_grad():
        decoder[WANTED[-1].index] += 1

    assert _open_reader(model, transcoders).digest != before


def test_a_reader_says_what_it_was_told_of_the_decoder_rows(model: Path) -> None:
    transcoders = make_transcoders("single")
    backend = open_backend(
        "nnsight", str(model), transcoders, choose_placement("cpu", "float32"), 64
    )

    reader = FeatureReader(backend, transcoders, WANTED, promoted_from="summed")

    assert reader.promoted_from == "summed"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("place", [0, 77_777, 99_999])
def test_any_changed_entry_of_a_model_changes_its_digest(dtype: torch.dtype, place: int) -> None:
    weights = torch.randn(1000, 100, generator=torch.Generator().manual_seed(1)).to(dtype)
    changed = weights.clone()
    changed.view(-1)[place] *= 1.5

    assert _digest(w=weights) == _digest(w=weights.clone())
    assert _digest(w=changed) != _digest(w=weights)
    assert _digest(w=weights.T) != _digest(w=weights)
    assert _digest(v=weights) != _digest(w=weights)


def _digest(**weights: torch.Tensor) -> str:
    module = torch.nn.Module()
    for name, tensor in weights.items():
        module.register_buffer(name, tensor)
    return digest_model(module)


@pytest.mark.parametrize("feature", [FeatureId(2, 0), FeatureId(0, N_FEATURES)])
def test_a_feature_that_the_set_lacks_is_refused(model: Path, feature: FeatureId) -> None:
    with pytest.raises(UsageError, match=f"{feature} is outside tiny/transcoders"):
        _open_reader(model, make_transcoders(), [feature])
