"""From a prompt to an intervention on a named supernode, with a tiny model."""

from pathlib import Path
from runpy import run_path
from typing import Any

import pytest
import torch
from tests.tiny_graph import build_records, write_records
from tests.traced_graphs import MAX_FEATURE_NODES, PROMPT, make_model

from clerp.feature import FeatureId

SCRIPT = Path(__file__).parents[2] / "graphs" / "whole_way.py"


@pytest.fixture
def way() -> dict[str, Any]:
    return run_path(str(SCRIPT), run_name="whole_way")


def test_a_supernode_found_by_its_name_changes_what_the_model_says(
    way: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    options = {"max_n_logits": 3, "batch_size": 64, "max_feature_nodes": MAX_FEATURE_NODES}
    model = make_model(tmp_path / "model")
    names = [FeatureId(layer, index) for layer in range(2) for index in range(40)]
    features = write_records(tmp_path / "features", build_records(names))
    effect = way["walk"](PROMPT, model, "Dallas", features, **options)
    shown = capsys.readouterr()
    assert "Dallas" in shown.out
    assert "without 'Dallas': " in shown.err
    assert effect.before.shape == effect.after.shape == (16,)
    assert not torch.allclose(effect.before, effect.after)
    assert torch.allclose(way["switch_off"](PROMPT, model, []).after, effect.before, atol=1e-4)
