from collections.abc import Sequence

import numpy as np
import pytest
import torch

from clerp.errors import InputError, NotAvailableError
from clerp.verbalizers import Extraction, Missed, Passage
from clerp_nla.subject.anatomy import read_anatomy
from clerp_nla.subject.extraction import Subject
from clerp_nla.subject.tokens import encode

from .subject_models import (
    ARCHITECTURES,
    D_MODEL,
    N_LAYERS,
    TEXTS,
    make_model,
    make_subject,
    make_tokenizer,
)

TOKENIZER = make_tokenizer()


def list_passages(texts: Sequence[str] = TEXTS) -> list[Passage]:
    return [
        Passage(f"0.{number}", text, encode(text, TOKENIZER).last, 1.0)
        for number, text in enumerate(texts)
    ]


def watch_block(architecture: str, layer: int, text: str) -> np.ndarray:
    """Read what a block of the whole model puts out, from what the next module is given."""
    model = make_model(architecture).eval()
    anatomy = read_anatomy(model.config, architecture)
    body = anatomy.find_body(model)
    blocks = anatomy.find_blocks(model)
    norm = {"gpt_neox": "final_layer_norm", "gpt2": "ln_f"}.get(architecture, "norm")
    following = blocks[layer + 1] if layer + 1 < N_LAYERS else getattr(body, norm)
    seen: list[torch.Tensor] = []

    def keep(_: object, given: tuple[torch.Tensor, ...], named: dict[str, torch.Tensor]) -> None:
        seen.append(given[0] if given else named["hidden_states"])

    following.register_forward_pre_hook(keep, with_kwargs=True)
    with torch.no_grad():
        model(torch.tensor([encode(text, TOKENIZER).ids]))
    return seen[0][0, -1].numpy()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("layer", [0, 2, N_LAYERS - 1])
def test_the_residual_is_what_block_k_hands_on(architecture: str, layer: int) -> None:
    subject = make_subject(architecture, layer)

    found = subject.extract(list_passages())

    for text, extraction in zip(TEXTS, found, strict=True):
        assert isinstance(extraction, Extraction)
        np.testing.assert_allclose(
            extraction.vector, watch_block(architecture, layer, text), rtol=1e-3, atol=1e-4
        )


def test_the_residual_is_neither_that_of_a_neighbour_nor_normed() -> None:
    vector = make_subject(layer=2).read_ends(TEXTS[:1])[0]
    model = make_model("llama").eval()
    with torch.no_grad():
        ids = torch.tensor([encode(TEXTS[0], TOKENIZER).ids])
        states = model(ids, output_hidden_states=True).hidden_states

    np.testing.assert_allclose(vector, states[3][0, -1].numpy(), rtol=1e-4, atol=1e-5)
    for wrong in (states[2], states[4], model.model.norm(states[3])):
        assert not np.allclose(vector, wrong[0, -1].detach().numpy(), rtol=0.05)


def test_what_comes_after_the_end_does_not_change_the_residual() -> None:
    model = make_model("llama").eval()
    ids = encode(TEXTS[0], TOKENIZER).ids
    longer = encode(f"{TEXTS[0]} and rained", TOKENIZER).ids
    assert longer[: len(ids)] == ids
    with torch.no_grad():
        states = model(torch.tensor([longer]), output_hidden_states=True).hidden_states[2]

    vector = make_subject(layer=1).read_ends(TEXTS[:1])[0]

    np.testing.assert_allclose(vector, states[0, len(ids) - 1].numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_neighbours_in_a_batch_change_nothing(architecture: str) -> None:
    subject = make_subject(architecture)
    texts = [TEXTS[3], TEXTS[0], TEXTS[2], TEXTS[1]]

    together = subject.read_ends(texts)
    alone = subject.read_ends(texts, batch_size=1)

    np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(subject.read_ends(texts, batch_size=3), alone, rtol=1e-3, atol=1e-4)


def test_missed_passages_leave_the_others_in_their_order() -> None:
    good = list_passages()
    passages = [
        good[0],
        Passage("1.0", "a b", " b", 1.0),
        good[1],
        Passage("1.1", TEXTS[2], "x", 1.0),
    ]

    found = make_subject().extract(passages, batch_size=1)

    expected = make_subject().read_ends(TEXTS[:2])
    assert [item.passage for item in found] == passages
    assert [isinstance(item, Missed) for item in found] == [False, True, False, True]
    for item, vector in zip(found[::2], expected, strict=True):
        assert isinstance(item, Extraction)
        np.testing.assert_allclose(item.vector, vector, rtol=1e-4, atol=1e-5)
        assert item.position == encode(item.passage.text, TOKENIZER).position


def test_nothing_gives_nothing() -> None:
    subject = make_subject()

    assert subject.extract([]) == []
    assert subject.read_ends([]).shape == (0, D_MODEL)


def test_blocks_after_k_are_gone() -> None:
    model = make_model("llama")
    ran: list[int] = []
    for number, block in enumerate(model.model.layers):
        block.register_forward_hook(lambda *_, number=number: ran.append(number))

    subject = Subject(model, TOKENIZER, read_anatomy(model.config, "here"), 1)
    subject.read_ends(TEXTS[:1])

    assert ran == [0, 1]
    assert len(model.model.layers) == 2


@pytest.mark.parametrize("layer", [-1, N_LAYERS])
def test_a_block_that_the_model_lacks_is_not_available(layer: int) -> None:
    with pytest.raises(NotAvailableError, match=f"reads block {layer}, and the model has 4"):
        make_subject(layer=layer)


def test_a_residual_that_is_not_finite_is_missed() -> None:
    model = make_model("llama")
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight[0, 0] = torch.inf
    subject = Subject(model, TOKENIZER, read_anatomy(model.config, "here"), 1)

    found = subject.extract(list_passages()[:1])

    assert isinstance(found[0], Missed)
    assert "not finite" in found[0].reason


def test_a_text_without_a_token_or_too_long_has_no_end() -> None:
    without_start = Subject(
        model := make_model("llama"),
        make_tokenizer(bos=None),
        read_anatomy(model.config, "here"),
        1,
    )
    with pytest.raises(InputError, match="'' has 0 tokens"):
        without_start.read_ends([""])
    with pytest.raises(InputError, match="and the model reads 1 to 128"):
        make_subject().read_ends(["a b c d " * 64])
