import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from clerp.errors import InputError, NotAvailableError, PluginError, UsageError
from clerp.feature import FeatureId
from clerp_nla.inputs.decoder import DecoderRows, Reach

pytest.importorskip("circuit_tracer")
from circuit_tracer.transcoder.cross_layer_transcoder import CrossLayerTranscoder
from circuit_tracer.transcoder.single_layer_transcoder import (
    SingleLayerTranscoder,
    TranscoderSet,
)

N_LAYERS, D_MODEL, N_FEATURES = 4, 8, 6
ADDED, BEFORE_NORM = "hook_mlp_out", "mlp.hook_out"
CPU = torch.device("cpu")


def reach(layer: int = 2, *, normed: bool = False, **sizes: int) -> Reach:
    shape = {"n_layers": N_LAYERS, "d_model": D_MODEL} | sizes
    return Reach(layer, shape["n_layers"], shape["d_model"], normed)


def fill(module: Any) -> Any:
    torch.manual_seed(2)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter).requires_grad_(False)
    return module


def make_cross() -> Any:
    return fill(
        CrossLayerTranscoder(
            N_LAYERS, N_FEATURES, D_MODEL, lazy_decoder=False, device=CPU, dtype=torch.float32
        )
    )


def make_single() -> Any:
    layers = {
        layer: fill(
            SingleLayerTranscoder(
                D_MODEL, N_FEATURES, torch.relu, layer, device=CPU, dtype=torch.float32
            )
        )
        for layer in range(N_LAYERS)
    }
    return TranscoderSet(layers, "hook_resid_mid", ADDED, scan="tiny/single")


def save(made: Any, folder: Path, hook: str = ADDED, **more: str) -> str:
    made.to_safetensors(str(folder))
    cross = isinstance(made, CrossLayerTranscoder)
    config = {
        "model_kind": "cross_layer_transcoder" if cross else "transcoder_set",
        "feature_input_hook": "hook_resid_mid",
        "feature_output_hook": hook,
        "scan": "tiny/set",
    }
    if not cross:
        more |= {"transcoders": [f"layer_{i}.safetensors" for i in range(N_LAYERS)]}  # type: ignore[dict-item]
    (folder / "config.yaml").write_text(yaml.safe_dump(config | more))
    return str(folder)


@pytest.mark.parametrize(("source", "layer"), [(0, 2), (1, 2), (2, 2), (0, 3), (3, 3), (0, 0)])
def test_rows_are_summed_from_the_features_layer_to_k(
    tmp_path: Path, source: int, layer: int
) -> None:
    made = make_cross()

    found = DecoderRows(save(made, tmp_path), reach(layer)).sum_up_to(FeatureId(source, 4))

    # Slice j of layer l's rows is what the feature writes to layer l + j.
    expected = made.W_dec[source][4, : layer - source + 1].sum(0)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5)
    assert found.shape == (D_MODEL,)


def test_it_is_not_the_encoder_row_nor_the_sum_over_all_layers(tmp_path: Path) -> None:
    made = make_cross()

    found = DecoderRows(save(made, tmp_path), reach(2)).sum_up_to(FeatureId(1, 3))

    for other in (made.W_enc[1][3], made.W_dec[1][3].sum(0), made.W_dec[1][3][0]):
        cosine = torch.cosine_similarity(torch.from_numpy(found), other, dim=0)
        assert abs(float(cosine)) < 0.95


def test_a_feature_of_one_layer_has_its_own_row(tmp_path: Path) -> None:
    made = make_single()

    found = DecoderRows(save(made, tmp_path), reach(2)).sum_up_to(FeatureId(1, 5))

    np.testing.assert_allclose(found, made[1].W_dec[5].numpy(), rtol=1e-6)


@pytest.mark.parametrize("make", [make_cross, make_single])
def test_above_k_it_is_undefined_and_says_so(tmp_path: Path, make: Any) -> None:
    rows = DecoderRows(save(make(), tmp_path), reach(1))

    with pytest.raises(
        NotAvailableError, match="writes from layer 2 on, and the pair reads block 1"
    ) as told:
        rows.sum_up_to(FeatureId(2, 0))
    assert told.value.where == "2_0"
    assert "example" in told.value.remedy


@pytest.mark.parametrize(("hook", "normed"), [(ADDED, False), (ADDED, True), (BEFORE_NORM, False)])
def test_hooks_that_add_to_the_residual_stream_are_taken(
    tmp_path: Path, hook: str, normed: bool
) -> None:
    rows = DecoderRows(save(make_cross(), tmp_path, hook), reach(normed=normed))

    assert np.linalg.norm(rows.sum_up_to(FeatureId(0, 0))) > 0


@pytest.mark.parametrize(
    ("hook", "normed", "why"),
    [
        (BEFORE_NORM, True, "a norm changes it"),
        ("hook_attn_out", False, "it is not known how that adds"),
        ("ln2.hook_normalized", False, "it is not known how that adds"),
    ],
)
def test_other_hooks_are_refused(tmp_path: Path, hook: str, normed: bool, why: str) -> None:
    with pytest.raises(NotAvailableError, match=f"write to '{hook}', and {why}"):
        DecoderRows(save(make_cross(), tmp_path, hook), reach(normed=normed))


@pytest.mark.parametrize("sizes", [{"n_layers": 5}, {"d_model": 9}])
def test_transcoders_of_another_shape_are_refused(tmp_path: Path, sizes: Any) -> None:
    with pytest.raises(NotAvailableError, match="the transcoders have 4 layers of width 8"):
        DecoderRows(save(make_cross(), tmp_path), reach(**sizes))


def test_rows_that_were_summed_over_all_layers_are_refused(tmp_path: Path) -> None:
    folder = save(make_single(), tmp_path, promoted_from="summed")

    with pytest.raises(NotAvailableError, match="summed over all layers") as told:
        DecoderRows(folder, reach())
    assert told.value.where == folder


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_rows_without_a_direction_are_not_available(tmp_path: Path, value: float) -> None:
    made = make_cross()
    with torch.no_grad():
        made.W_dec[0][2] = value
    rows = DecoderRows(save(made, tmp_path), reach())

    with pytest.raises(NotAvailableError, match="zero or not finite"):
        rows.sum_up_to(FeatureId(0, 2))


def test_a_feature_that_the_set_lacks_is_refused(tmp_path: Path) -> None:
    rows = DecoderRows(save(make_cross(), tmp_path), reach())

    with pytest.raises(UsageError, match="0_6 is outside tiny/set"):
        rows.sum_up_to(FeatureId(0, N_FEATURES))


def test_a_folder_without_transcoders_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("model_kind: none")

    with pytest.raises(InputError, match="model_kind"):
        DecoderRows(str(tmp_path), reach())


def test_what_to_install_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "clerp_circuit_tracer.collect.transcoders"
    monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(PluginError, match=name) as told:
        DecoderRows(str(tmp_path), reach())
    assert told.value.remedy == "Run: pip install 'clerp-nla[transcoders]'"
