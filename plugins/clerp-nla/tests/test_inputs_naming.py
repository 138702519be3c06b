"""Features are the same ones wherever their transcoders lie, and others where any weight is."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file, save_file

from clerp.errors import InputError, PluginError, UsageError
from clerp.feature import FeatureId
from clerp.verbalizers import FoundFeatures
from clerp_nla.inputs.naming import name_features

pytest.importorskip("circuit_tracer")
from circuit_tracer.transcoder.activation_functions import TopK
from circuit_tracer.transcoder.single_layer_transcoder import TranscoderSet
from tests.traced_graphs import N_FEATURES, save_transcoders

FEATURES = [FeatureId(0, 2), FeatureId(0, 3), FeatureId(1, 2)]


def name(folder: Path) -> dict[FeatureId, str]:
    return dict(name_features(str(folder), FEATURES).names)


@pytest.fixture
def single(tmp_path: Path) -> Path:
    save_transcoders(tmp_path / "single")
    return tmp_path / "single"


@pytest.fixture
def cross(tiny_pair: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_pair / "transcoders", tmp_path / "cross")


def change(path: Path, tensor: str, *place: int) -> None:
    tensors = load_file(path)
    tensors[tensor][place] += 1
    save_file(tensors, path)


@pytest.mark.parametrize("kind", ["single", "cross"])
def test_the_same_rows_have_the_same_names_anywhere(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    folder = request.getfixturevalue(kind)
    names = name(folder)

    elsewhere = shutil.copytree(folder, tmp_path / "ada" / "elsewhere")

    assert name(elsewhere) == names
    assert list(names) == FEATURES
    assert "ada" not in json.dumps(list(names.values()))


def test_a_name_does_not_depend_on_what_else_is_named(single: Path) -> None:
    names = name(single)

    assert len(set(names.values())) == len(FEATURES)
    for feature in FEATURES:
        assert name_features(str(single), [feature]).names == {feature: names[feature]}
    assert name_features(str(single), FEATURES[::-1]).names == names


@pytest.mark.parametrize(
    ("tensor", "place"), [("W_enc", (2, 0)), ("b_enc", (2,)), ("W_dec", (2, 1))]
)
def test_a_weight_of_its_own_makes_another_feature(
    single: Path, tensor: str, place: tuple[int, ...]
) -> None:
    before = name(single)

    change(single / "layer_0.safetensors", tensor, *place)

    changed = {f for f, named in name(single).items() if named != before[f]}
    assert changed == {FeatureId(0, 2)}


def test_of_a_cross_layer_transcoder_every_row_that_it_writes_counts(cross: Path) -> None:
    before = name(cross)

    change(cross / "W_dec_0.safetensors", "W_dec_0", 2, -1, 0)

    changed = {f for f, named in name(cross).items() if named != before[f]}
    assert changed == {FeatureId(0, 2)}


def test_where_features_read_and_write_counts(single: Path) -> None:
    before = name(single)
    path = single / "config.yaml"
    config = yaml.safe_load(path.read_text())

    path.write_text(yaml.safe_dump(config | {"feature_output_hook": "hook_attn_out"}))

    assert set(name(single).values()).isdisjoint(before.values())


def test_of_features_that_compete_the_whole_layer_counts(
    single: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers: dict[str, int] = {"k": 3}
    read = TranscoderSet.__getitem__

    def compete(self: Any, layer: int) -> Any:
        found = read(self, layer)
        found.activation_function = TopK(layers["k"])
        return found

    monkeypatch.setattr(TranscoderSet, "__getitem__", compete)
    before = name(single)
    assert name(single) == before
    change(single / "layer_0.safetensors", "b_enc", 7)
    after = name(single)
    assert {f for f in FEATURES if before[f] != after[f]} == set(FEATURES[:2])
    layers["k"] = 4
    assert set(name(single).values()).isdisjoint(after.values())


def test_features_that_the_set_lacks_take_no_other_with_them(single: Path) -> None:
    others = [FeatureId(1, N_FEATURES), FeatureId(99, 0), FeatureId(1, 3, "lor")]

    found = name_features(str(single), [*others, *FEATURES])

    assert found.names == name(single)
    assert set(found.lacking) == set(others)
    assert "is outside" in found.lacking[others[0]]
    assert "is outside" in found.lacking[others[1]]
    assert "attention feature" in found.lacking[others[2]]


@pytest.mark.parametrize(
    ("place", "error"), [("no such place", UsageError), ("{empty}", InputError)]
)
def test_what_is_no_set_is_refused(tmp_path: Path, place: str, error: Any) -> None:
    (tmp_path / "config.yaml").write_text("model_kind: none")

    with pytest.raises(error):
        name_features(place.format(empty=tmp_path), FEATURES)


def test_no_features_have_no_names(single: Path) -> None:
    assert name_features(str(single), []) == FoundFeatures("tiny/transcoders", {}, {})


def test_what_to_install_is_said(single: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "clerp_circuit_tracer.collect.transcoders", None)

    with pytest.raises(PluginError) as told:
        name(single)
    assert told.value.remedy == "Run: pip install 'clerp-nla[transcoders]'"
