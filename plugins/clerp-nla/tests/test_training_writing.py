import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from clerp.verbalizers import Sampling
from clerp_nla.pair.pair import open_pair
from clerp_nla.pair.sidecar import read_sidecar
from clerp_nla.training.learning import Course
from clerp_nla.training.pairs import Lessons, train_actor, train_critic, write_prompt
from clerp_nla.training.recipe import make_toy_tokenizer
from clerp_nla.training.subject import D_MODEL, LAYER, make_subject
from clerp_nla.training.writing import Origin, write_actor, write_critic, write_subject

ORIGIN = Origin("toy/subject", LAYER, "not at all")
COURSE = Course(steps=2, batch_size=3)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return make_toy_tokenizer()


@pytest.fixture(scope="module")
def subject(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    torch.manual_seed(0)
    return make_subject(tokenizer).eval()


@pytest.fixture(scope="module")
def folder(
    subject: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    chance = torch.Generator().manual_seed(0)
    vectors = torch.randn(8, D_MODEL, generator=chance).numpy()
    lessons = Lessons(vectors, ("A text about music.",) * 8)
    prompt = write_prompt(tokenizer, 5.0)
    actor = train_actor(subject, tokenizer, lessons, COURSE, prompt)
    critic = train_critic(subject, tokenizer, lessons, COURSE, LAYER)
    write_subject(folder / "subject", subject, tokenizer)
    write_actor(folder / "av", actor, tokenizer, prompt, ORIGIN)
    write_critic(folder / "ar", critic, subject, tokenizer, prompt, ORIGIN)
    return folder


def test_both_halves_say_what_they_are(folder: Path) -> None:
    actor, critic = read_sidecar(folder / "av"), read_sidecar(folder / "ar")
    assert (actor.role, critic.role) == ("av", "ar")
    assert (actor.injection_scale, critic.injection_scale) == (5.0, None)
    for sidecar in (actor, critic):
        assert (sidecar.layer, sidecar.d_model) == (LAYER, D_MODEL)
        assert sidecar.base_checkpoint == ORIGIN.base


def test_the_critic_has_blocks_up_to_k_and_no_norm(folder: Path) -> None:
    names = load_file(folder / "ar" / "model.safetensors")
    blocks = {name.split(".")[2] for name in names if name.startswith("model.layers.")}
    assert blocks == {str(block) for block in range(LAYER + 1)}
    assert not any("norm" in name and "layers" not in name for name in names)
    assert "lm_head.weight" not in names


def test_weights_are_safetensors_in_half_precision(folder: Path) -> None:
    assert not [*folder.rglob("*.bin"), *folder.rglob("*.pt")]
    for path in folder.rglob("*.safetensors"):
        assert {tensor.dtype for tensor in load_file(path).values()} == {torch.float16}


def test_the_pair_is_loaded_and_runs(folder: Path) -> None:
    pair = open_pair(str(folder))
    vectors = torch.ones(2, D_MODEL).numpy()
    with pair.acting() as actor:
        assert len(actor.describe(vectors, Sampling(max_new_tokens=3))) == 2
    with pair.criticizing() as critic:
        assert critic.reconstruct(["A text about music."]).shape == (1, D_MODEL)


def test_learning_leaves_the_subject_as_it_was(
    subject: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    before = copy.deepcopy(subject.state_dict())
    lessons = Lessons(torch.ones(2, D_MODEL).numpy(), ("A text about music.",) * 2)
    train_actor(subject, tokenizer, lessons, COURSE, write_prompt(tokenizer, 1.0))
    train_critic(subject, tokenizer, lessons, COURSE, LAYER)
    after = subject.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_an_output_matrix_that_is_the_embedding_is_not_written(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    config = make_subject(tokenizer).config
    config.tie_word_embeddings = True
    write_subject(tmp_path / "tied", LlamaForCausalLM(config), tokenizer)
    assert "lm_head.weight" not in load_file(tmp_path / "tied" / "model.safetensors")
