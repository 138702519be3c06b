import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from clerp.errors import PluginError, UsageError
from clerp.feature import FeatureId
from clerp.verbalizers import Missed, Passage
from clerp_nla.subject.firing import FiringCheck
from clerp_nla.subject.tokens import encode

from .subject_models import N_VOCABULARY, TEXTS, make_tokenizer

pytest.importorskip("circuit_tracer")
from tests.tiny_llama import make_llama
from tests.traced_graphs import N_FEATURES, save_transcoders

from clerp_circuit_tracer.collect.reader import FeatureReader

CPU, TOKENIZER = torch.device("cpu"), make_tokenizer()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("firing")
    make_llama(N_VOCABULARY).save_pretrained(folder / "model")
    TOKENIZER.save_pretrained(folder / "model")
    save_transcoders(folder / "transcoders")
    return folder


@pytest.fixture(scope="module")
def activations(folder: Path) -> torch.Tensor:
    """Of every feature of layer 1 at the end of every text, by the plain model."""
    from safetensors.torch import load_file

    weights = load_file(folder / "transcoders" / "layer_1.safetensors")
    model: Any = make_llama(N_VOCABULARY).eval()
    seen: list[Any] = []
    model.model.layers[1].mlp.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        for text in TEXTS:
            model(torch.tensor([encode(text, TOKENIZER).ids]))
    ends = torch.stack([inputs[0, -1] for inputs in seen])
    return torch.relu(ends @ weights["W_enc"].float().T + weights["b_enc"].float())


def open_check(folder: Path, *features: FeatureId) -> FiringCheck:
    return FiringCheck(
        folder / "model", str(folder / "transcoders"), features, device=CPU, dtype=torch.float32
    )


def make_passage(text: str, activation: float) -> Passage:
    return Passage("0.0", text, encode(text, TOKENIZER).last, activation)


def find_pair(activations: torch.Tensor, fires: bool) -> tuple[int, int]:
    text, index = ((activations > 0.1) if fires else (activations == 0)).nonzero()[0].tolist()
    return text, index


def test_passages_where_the_feature_fires_as_recorded_are_confirmed(
    folder: Path, activations: torch.Tensor
) -> None:
    text, index = find_pair(activations, fires=True)
    feature = FeatureId(1, index)
    # Another feature of the layer stands before it.
    check = open_check(folder, feature, *(FeatureId(1, i) for i in range(index)), FeatureId(0, 3))
    passage = make_passage(TEXTS[text], float(activations[text, index]))
    too_much, too_little = (
        replace(passage, activation=passage.activation * by) for by in (2.2, 0.45)
    )
    near, other = replace(passage, activation=passage.activation * 1.8), make_passage("a b", 1.0)

    found = check.confirm(feature, [too_much, passage, other, near, too_little])

    assert [found[1], found[3]] == [passage, near]
    reasons = [item.reason for item in found if isinstance(item, Missed)]
    shown = f"the feature is at {passage.activation:.3g} here when it is run again"
    assert [reason.startswith(shown) for reason in reasons] == [True, False, True]
    assert "before 10" in reasons[1]


def test_a_passage_where_the_feature_is_off_is_missed(
    folder: Path, activations: torch.Tensor
) -> None:
    text, index = find_pair(activations, fires=False)
    feature = FeatureId(1, index)

    (found,) = open_check(folder, feature).confirm(feature, [make_passage(TEXTS[text], 3.0)])

    assert isinstance(found, Missed)
    assert found.reason == "the feature is off here when it is run again"


def test_what_collection_puts_in_front_of_rows_is_put_there(
    folder: Path, activations: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clerp_circuit_tracer.collect import job

    text, index = find_pair(activations, fires=True)
    start = TOKENIZER.bos_token_id
    assert isinstance(start, int)
    turn = (start, 7, 8, 9)

    def open_with_turn(*given: Any) -> Any:
        backend = open_backend(*given)
        backend.prefix = turn
        return backend

    open_backend = job.open_backend
    monkeypatch.setattr(job, "open_backend", open_with_turn)
    seen: list[Any] = []

    def watch(reader: FeatureReader, batch: Any) -> Any:
        seen.append(batch)
        return read(reader, batch)

    read = FeatureReader.read
    monkeypatch.setattr(FeatureReader, "read", watch)

    open_check(folder, FeatureId(1, index)).confirm(
        FeatureId(1, index), [make_passage(TEXTS[text], 1.0)]
    )

    (batch,) = seen
    ids = encode(TEXTS[text], TOKENIZER).ids
    assert batch.prefix == len(turn)
    assert batch.tokens.tolist() == [[*turn, *ids[1:]]]
    assert batch.lengths.tolist() == [len(ids) + 3]


def test_no_passage_that_can_be_read_runs_no_model(folder: Path) -> None:
    feature = FeatureId(1, 0)

    (found,) = open_check(folder, feature).confirm(feature, [make_passage("a", 3.0)])

    assert isinstance(found, Missed)


def test_a_feature_that_the_set_lacks_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match=f"1_{N_FEATURES} is outside"):
        open_check(folder, FeatureId(1, N_FEATURES))


def test_what_to_install_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "clerp_circuit_tracer.collect.job", None)

    with pytest.raises(PluginError) as told:
        open_check(folder, FeatureId(1, 0))
    assert told.value.remedy == "Run: pip install 'clerp-nla[transcoders]'"
