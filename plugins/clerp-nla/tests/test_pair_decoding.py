import numpy as np
import pytest
import torch

from clerp.errors import VerbalizerError
from clerp.verbalizers import Sampling
from clerp_nla.pair.decoding import Chances, decode

from .random_pairs import KINDS, Kind, make_model

N, LENGTH = 5, 6


def make_prompts(model: torch.nn.Module, n: int = N) -> torch.Tensor:
    torch.manual_seed(2)
    with torch.inference_mode():
        return model.get_input_embeddings()(torch.randint(5, 60, (n, LENGTH)))  # type: ignore[operator]


def write(model, prompts, sampling, *, ends=frozenset(), is_done=lambda _: False):
    return decode(
        model,
        prompts,
        Chances([b"%d" % row for row in range(len(prompts))], sampling),
        max_new_tokens=sampling.max_new_tokens,
        ends=ends,
        is_done=is_done,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_likeliest_tokens_are_those_of_generate(kind: Kind) -> None:
    torch.manual_seed(3)
    model = make_model(kind, 64)
    prompts = make_prompts(model)
    model.generation_config.eos_token_id = None
    theirs = model.generate(
        inputs_embeds=prompts,
        attention_mask=torch.ones(N, LENGTH, dtype=torch.long),
        do_sample=False,
        max_new_tokens=30,
    )

    assert write(model, prompts, Sampling(0.0, 30)) == theirs.tolist()


def test_a_row_ends_by_itself() -> None:
    torch.manual_seed(3)
    model = make_model("llama", 64)
    prompts = make_prompts(model)
    free = write(model, prompts, Sampling(0.0, 20))
    end = free[0][4]

    ended = write(model, prompts, Sampling(0.0, 20), ends=frozenset([end]))
    done = write(model, prompts, Sampling(0.0, 20), is_done=lambda ids: len(ids) == 3)

    assert ended == [row[: row.index(end)] if end in row else row for row in free]
    assert done == [row[:3] for row in free]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_probabilities(temperature: float) -> None:
    n = 4000
    logits = torch.tensor([2.0, 0.0, -1.0, 1.0, -30.0])
    chances = Chances([b"%d" % key for key in range(n)], Sampling(temperature, 2))

    for step in range(2):
        drawn = chances.choose(logits.expand(n, -1), step)
        shares = np.bincount(drawn.numpy(), minlength=5) / n
        wanted = torch.softmax(logits / temperature, -1).numpy()
        np.testing.assert_allclose(shares, wanted, atol=4 * np.sqrt(0.25 / n))


def test_a_draw_hangs_on_its_own_key_and_on_the_seed_alone() -> None:
    def draw(keys: list[bytes], seed: int) -> list[int]:
        return (
            Chances(keys, Sampling(1.0, 1, seed)).choose(torch.zeros(len(keys), 1000), 0).tolist()
        )

    together = draw([b"a", b"b", b"c"], 0)

    assert [draw([key], 0)[0] for key in (b"a", b"b", b"c")] == together
    assert draw([b"c", b"a"], 0) == [together[2], together[0]]
    assert draw([b"a", b"b", b"c"], 1) != together


def test_what_is_no_number_is_an_error() -> None:
    model = make_model("llama", 64)
    prompts = make_prompts(model)
    torch.nn.init.constant_(model.lm_head.weight, float("nan"))

    with pytest.raises(VerbalizerError, match="no number"):
        write(model, prompts, Sampling(0.0, 2))
