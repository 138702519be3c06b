"""The script that makes what `clerp collect` needs of the sample."""

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("circuit_tracer")

import yaml  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

SAMPLE = Path(__file__).parents[2] / "graphs" / "smollm2-135m"
WEIGHTS = SAMPLE / "weights.safetensors"
N_LAYERS, N_FEATURES = 30, 1024


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    """Import the script as it imports itself: with its own folder in front of the path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SAMPLE)
        yield importlib.import_module("materials")


@pytest.fixture(scope="module")
def folder(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "transcoders"
    script.write_transcoders(script.load_rows(WEIGHTS), N_FEATURES, "smollm2-135m-clt", folder)
    return folder


@pytest.fixture(scope="module")
def transcoders(folder: Path) -> Any:
    """What circuit-tracer loads."""
    from circuit_tracer.utils.hf_utils import load_transcoders

    config = yaml.safe_load((folder / "config.yaml").read_text())
    paths = [str(folder / f"layer_{layer}.safetensors") for layer in range(N_LAYERS)]
    return load_transcoders(
        config | {"transcoders": paths}, torch.device("cpu"), torch.float32, lazy_decoder=False
    )


def test_circuit_tracer_loads_a_set_of_the_graphs_size_and_name(transcoders: Any) -> None:
    graphs = json.loads((SAMPLE / "graph-metadata.json").read_text())["graphs"]

    assert len(transcoders) == N_LAYERS
    assert transcoders.d_transcoder == N_FEATURES
    assert {graph["scan"] for graph in graphs} == {transcoders.scan}
    assert transcoders.feature_input_hook == "mlp.hook_in"
    assert transcoders.feature_output_hook == "mlp.hook_out"


def test_features_with_a_row_fire_as_the_row_says_and_no_other_does(transcoders: Any) -> None:
    weights = load_file(WEIGHTS)
    inputs = torch.randn(64, 576, generator=torch.Generator().manual_seed(0)) * 3

    for layer in range(N_LAYERS):
        rows = weights["layer"] == layer
        threshold = weights["threshold"][rows]
        projected = inputs @ weights["encoder"][rows].float().T + weights["encoder_bias"][rows]
        encoded = transcoders[layer].encode(inputs)
        own = encoded[:, weights["index"][rows].long()]
        # Which side of the threshold a value that nearly equals it is on, the processor decides.
        clear = (projected - threshold).abs() > 1e-3
        expected = projected * (projected > threshold)
        torch.testing.assert_close(own[clear], expected[clear], rtol=1e-4, atol=1e-3)
        assert own.count_nonzero() == encoded.count_nonzero() > 0


def test_features_write_the_sum_of_their_decoders(transcoders: Any) -> None:
    weights = load_file(WEIGHTS)

    for layer, index, row in zip(
        weights["layer"].tolist(), weights["index"].tolist(), weights["decoder_sum"], strict=True
    ):
        assert torch.equal(transcoders[layer].W_dec[index], row.float())
    n_written = sum(int(transcoders[layer].W_dec.any(1).sum()) for layer in range(N_LAYERS))
    assert n_written == len(weights["layer"])


def test_a_second_run_replaces_what_the_first_wrote(script: ModuleType, tmp_path: Path) -> None:
    rows = script.load_rows(WEIGHTS)
    (tmp_path / "transcoders").mkdir()
    (tmp_path / "transcoders" / "left-over.safetensors").touch()
    script.write_transcoders(rows, N_FEATURES, "again", tmp_path / "transcoders")

    names = {path.name for path in (tmp_path / "transcoders").iterdir()}
    assert names == {"config.yaml", *(f"layer_{layer}.safetensors" for layer in range(N_LAYERS))}


def test_weights_that_are_not_there_are_named(script: ModuleType, tmp_path: Path) -> None:
    absent = tmp_path / "absent.safetensors"
    with pytest.raises(Exception, match=re.escape(f"{absent} is not there")):
        script.load_rows(absent)


def test_passages_are_all_of_the_text_and_shuffled_alike(
    script: ModuleType, tmp_path: Path
) -> None:
    documents = ["".join(f"{word} " for word in range(3000)), "", "short, with “quotes”"]
    for name in ("a", "b"):
        assert script.write_passages(iter(documents), tmp_path / name, seed=1) == 8

    lines = (tmp_path / "a").read_text().splitlines()
    passages = [json.loads(line)["text"] for line in lines]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert max(map(len, passages)) == 2000
    assert sorted("".join(passages)) == sorted("".join(documents))
    assert passages != sorted(passages)


def test_the_rows_say_that_they_are_sums(folder: Path) -> None:
    assert yaml.safe_load((folder / "config.yaml").read_text())["promoted_from"] == "summed"
