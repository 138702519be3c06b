"""The pair that is really trained: what it writes, and what of it cannot be used."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from clerp.verbalizers import Sampling, Verbalization
from clerp_nla.pair.checkpoint import load_model, load_tokenizer
from clerp_nla.pair.pair import Pair, open_pair
from clerp_nla.training.explaining import read_claims

from .negative import damage

N = 24
GREEDY = Sampling(0.0, 120)


@pytest.fixture(scope="module")
def pair(tiny_pair: Path) -> Pair:
    return open_pair(str(tiny_pair), resident=True)


@pytest.fixture(scope="module")
def vectors(pair: Pair, tiny_pair: Path) -> np.ndarray:
    """The output of block K at the last tokens of held-out texts."""
    folder = tiny_pair / "subject"
    model = load_model(folder, AutoModelForCausalLM, device="cpu", dtype=torch.float32)
    tokenizer = load_tokenizer(folder)
    texts = (tiny_pair / "reference.txt").read_text("utf-8").splitlines()[:N]
    found: list[np.ndarray] = []
    for text in texts:
        ids = tokenizer(text, return_tensors="pt").input_ids
        with torch.inference_mode():
            states = model(ids, output_hidden_states=True).hidden_states
        found.append(states[pair.identity.layer + 1][0, -1].numpy())
    return np.array(found)


@pytest.fixture(scope="module")
def said(pair: Pair, vectors: np.ndarray) -> list[Verbalization]:
    return describe(pair, vectors)


def describe(pair: Pair, vectors: np.ndarray, sampling: Sampling = GREEDY) -> list[Verbalization]:
    with pair.acting() as actor:
        return actor.describe(vectors, sampling)


def test_every_text_is_whole_and_ends_with_its_tag(said: list[Verbalization]) -> None:
    assert {text.fault for text in said} == {""}
    assert all(text.raw.endswith("</explanation>") for text in said)
    assert len({text.text for text in said}) > N / 3


def test_a_text_brings_its_vector_back_and_not_another(
    pair: Pair, vectors: np.ndarray, said: list[Verbalization]
) -> None:
    with pair.criticizing() as critic:
        back = critic.reconstruct([text.text for text in said])

    units, centred = normalize(back), normalize(vectors)
    mean = centred.mean(0)
    spread = ((centred - mean) ** 2).sum(1).mean()
    own = 1 - ((units - centred) ** 2).sum(1).mean() / spread
    other = 1 - ((units - np.roll(centred, 1, axis=0)) ** 2).sum(1).mean() / spread
    assert own > 0.4
    assert other < 0


def normalize(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_the_batch_does_not_change_a_text(pair: Pair, vectors: np.ndarray) -> None:
    for sampling in (GREEDY, Sampling(1.0, 120, seed=3)):
        together = describe(pair, vectors, sampling)

        assert [describe(pair, vectors[[row]], sampling)[0] for row in range(3)] == together[:3]


def test_a_low_limit_cuts_off(pair: Pair, vectors: np.ndarray) -> None:
    said = describe(pair, vectors, Sampling(0.0, 6))

    assert {text.fault for text in said} == {"cut off at 6 tokens"}


def test_an_unclosed_tag_is_a_fault(tiny_pair: Path, tmp_path: Path, vectors: np.ndarray) -> None:
    broken = open_pair(str(damage("unclosed-tag", tiny_pair, tmp_path / "pair")))

    said = describe(broken, vectors[:4])

    assert {text.fault for text in said} == {"no closing tag"}
    assert {text.text for text in said} == {""}


def test_a_foreign_language_is_read_as_it_is(
    tiny_pair: Path, tmp_path: Path, vectors: np.ndarray
) -> None:
    foreign = open_pair(str(damage("foreign-text", tiny_pair, tmp_path / "pair")))

    said = describe(foreign, vectors[:4])

    assert {text.fault for text in said} == {""}
    for text in said:
        chinese = sum("\u4e00" <= letter <= "\u9fff" for letter in text.text)
        assert chinese > 0.4 * sum(letter.isalpha() for letter in text.text)


def test_half_precision_claims_mostly_the_same_in_whatever_words(
    tiny_pair: Path, vectors: np.ndarray, said: list[Verbalization]
) -> None:
    rounded = describe(open_pair(str(tiny_pair), dtype=torch.bfloat16), vectors)

    claims = [[read_claims(text.text) for text in texts] for texts in (rounded, said)]
    for kind in ("topic", "word_class", "token", "before"):
        same = sum(getattr(a, kind) == getattr(b, kind) for a, b in zip(*claims, strict=True))
        assert same >= 0.75 * N, kind
