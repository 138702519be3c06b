"""What the self-test finds on the tiny pair, and what it does not: the figures of the README."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from clerp.errors import NotAvailableError
from clerp_nla.matching.references import load_reference_texts
from clerp_nla.matching.self_test import run_self_test
from clerp_nla.pair.pair import open_pair

from .negative import damage

K = 3


@torch.no_grad()
def read_ends(folder: Path, layer: int = K, n_starts: int = 1) -> np.ndarray:
    """Read what a block puts out at the ends of the reference texts, behind some start tokens."""
    model = AutoModelForCausalLM.from_pretrained(folder / "subject", dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder / "subject")
    ends: list[np.ndarray] = []
    for text in load_reference_texts(folder).texts:
        ids = tokenizer(text, add_special_tokens=False).input_ids
        given = torch.tensor([[tokenizer.bos_token_id] * n_starts + ids])
        states = model(input_ids=given, output_hidden_states=True).hidden_states
        ends.append(states[layer + 1][0, -1].numpy())
    return np.stack(ends)


@pytest.mark.parametrize(
    ("layer", "n_starts", "share"),
    [(K, 1, 0.95), (K - 1, 1, 0.90), (K + 1, 1, 0.93), (K, 2, 0.95), (K, 0, 0.95)],
)
def test_a_neighbouring_layer_and_other_start_tokens_are_not_found(
    tiny_pair: Path, layer: int, n_starts: int, share: float
) -> None:
    vectors = read_ends(tiny_pair, layer, n_starts)
    found = run_self_test(open_pair(str(tiny_pair)), vectors, "reference.txt")
    assert found.fve == pytest.approx(share, abs=0.02)
    assert found.mismatch_fve < 0


def test_a_wrong_scale_is_not_found(tiny_pair: Path, tmp_path: Path) -> None:
    wrong = open_pair(str(damage("wrong-scale", tiny_pair, tmp_path / "pair")))
    found = run_self_test(wrong, read_ends(tiny_pair), "reference.txt")
    assert found.fve == pytest.approx(0.89, abs=0.02)


@pytest.mark.parametrize("spoil", ["shuffled", "random"])
def test_coordinates_in_another_order_and_noise_are_found(tiny_pair: Path, spoil: str) -> None:
    vectors, chance = read_ends(tiny_pair), np.random.default_rng(0)
    if spoil == "shuffled":
        vectors = vectors[:, chance.permutation(vectors.shape[1])]
    else:
        vectors = chance.standard_normal(vectors.shape).astype(np.float32)
    with pytest.raises(NotAvailableError, match="does not work on this model"):
        run_self_test(open_pair(str(tiny_pair)), vectors, "reference.txt")
