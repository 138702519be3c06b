from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from clerp_circuit_tracer.collect.backend import choose_placement
from clerp_circuit_tracer.collect.job import open_backend
from clerp_circuit_tracer.collect.logits import rank_tokens
from clerp_circuit_tracer.collect.reader import FeatureReader
from clerp_circuit_tracer.collect.vocabulary import Vocabulary

from .model_makers import (
    WANTED,
    Architecture,
    make_byte_tokenizer,
    make_transcoders,
    open_plain,
    save_model,
)

BYTE_TOKENIZER = make_byte_tokenizer()


def _make_sentence_piece() -> Any:
    words = ["\N{LOWER ONE EIGHTH BLOCK}Dallas", "Texas", "\N{LOWER ONE EIGHTH BLOCK}", "\n\t"]
    pieces = ["<unk>", "<bos>", *words, *(f"<0x{byte:02X}>" for byte in range(256))]
    ids = {piece: number for number, piece in enumerate(pieces)}
    raw = tokenizers.Tokenizer(
        tokenizers.models.BPE(ids, [], unk_token="<unk>", byte_fallback=True)
    )
    raw.decoder = tokenizers.decoders.Sequence(
        [
            tokenizers.decoders.Replace("\N{LOWER ONE EIGHTH BLOCK}", " "),
            tokenizers.decoders.ByteFallback(),
            tokenizers.decoders.Fuse(),
        ]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<bos>", unk_token="<unk>"
    )


def _read_text(strings: Sequence[str]) -> str:
    r"""Join tokens as the frontend does: `\xNN` are bytes of characters."""
    content = b""
    for string in strings:
        parts = string.split("\\x")
        content += parts[0].encode()
        for part in parts[1:]:
            content += bytes.fromhex(part[:2]) + part[2:].encode()
    return content.decode()


@given(st.text(st.characters(exclude_characters="\\\n\t\r⏎→↵", exclude_categories=["Cs"])))
def test_the_strings_of_a_text_joined_are_the_text(text: str) -> None:
    ids = BYTE_TOKENIZER(text, add_special_tokens=False)["input_ids"]

    assert _read_text(Vocabulary(BYTE_TOKENIZER).read(ids)) == text


def test_part_of_a_character_is_written_as_escapes() -> None:
    ids = BYTE_TOKENIZER("→", add_special_tokens=False)["input_ids"]

    assert Vocabulary(BYTE_TOKENIZER).read(ids) == ["\\xe2", "\\x86", "\\x92"]


def test_line_breaks_are_visible_and_special_tokens_stand_as_they_are() -> None:
    ids = BYTE_TOKENIZER("<bos> \n", add_special_tokens=False)["input_ids"]

    assert "".join(Vocabulary(BYTE_TOKENIZER).read(ids)) == "<bos> ⏎"


def test_sentence_pieces_are_read() -> None:
    tokenizer = _make_sentence_piece()
    names = ["<bos>", "▁Dallas", "Texas", "▁", "\n\t", "<0xE2>", "<0x41>", "<0x0A>"]
    ids = tokenizer.convert_tokens_to_ids(names)

    read = Vocabulary(tokenizer).read(ids)

    assert read == ["<bos>", " Dallas", "Texas", " ", "⏎→", "\\xe2", "A", "⏎"]


def test_added_tokens_are_read_literally() -> None:
    tokenizer = make_byte_tokenizer()
    tokenizer.add_tokens(["Ġrule\n"])

    assert Vocabulary(tokenizer).read([len(tokenizer) - 1]) == ["Ġrule⏎"]


def test_other_tokenizers_are_read_by_their_own_decoder() -> None:
    ids = {"<unk>": 0, "play": 1, "##ing": 2}
    raw = tokenizers.Tokenizer(tokenizers.models.WordPiece(ids, unk_token="<unk>"))
    raw.decoder = tokenizers.decoders.WordPiece()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>")

    assert Vocabulary(tokenizer).read([1]) == ["play"]
    assert len(Vocabulary(tokenizer)) == 3


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return save_model(tmp_path_factory.mktemp("saved") / "model")


@pytest.mark.parametrize("backend", ["nnsight", "transformerlens"])
@pytest.mark.parametrize("architecture", ["cross", "single"])
def test_promoted_tokens_are_those_whose_logits_a_feature_raises(
    backend: Any, architecture: Architecture, model: Path
) -> None:
    transcoders = make_transcoders(architecture)
    placement = choose_placement("cpu", "float32")
    opened = open_backend(backend, str(model), transcoders, placement, 64)
    reader = FeatureReader(opened, transcoders, WANTED)
    plain = open_plain(model).model
    weights = plain.lm_head.weight.detach() * plain.model.norm.weight.detach()
    strings = Vocabulary(opened.tokenizer)

    ranked = reader.rank_logits(7)

    made: Any = transcoders
    for layer in (0, 1):
        wanted = [feature.index for feature in WANTED if feature.layer == layer]
        for index, effects in zip(wanted, ranked[layer], strict=True):
            if architecture == "cross":
                direction = made.W_dec[layer][index].sum(0)
            else:
                direction = made[layer].W_dec[index]
            order = (weights @ direction).argsort().tolist()
            assert list(effects.promoted) == strings.read(order[::-1][:7])
            assert list(effects.suppressed) == strings.read(order[:7])


def test_a_direction_of_zeros_promotes_nothing() -> None:
    directions = torch.zeros(2, 4)
    directions[1, 0] = 1
    vocabulary = Vocabulary(BYTE_TOKENIZER)
    rows = torch.randn(len(vocabulary), 4)

    nothing, something = rank_tokens(directions, torch.nn.RMSNorm(4), rows, vocabulary, 3)

    assert nothing.promoted == nothing.suppressed == ()
    assert len(something.promoted) == 3


def test_the_bias_of_a_layer_norm_promotes_nothing() -> None:
    norm = torch.nn.LayerNorm(4)
    vocabulary = Vocabulary(BYTE_TOKENIZER)
    rows, direction = torch.randn(len(vocabulary), 4), torch.randn(1, 4)
    before = rank_tokens(direction, norm, rows, vocabulary, 5)

    torch.nn.init.normal_(norm.bias, std=100)

    with torch.no_grad():
        assert rank_tokens(direction, norm, rows, vocabulary, 5) == before


def test_rows_of_the_unembedding_beyond_the_vocabulary_are_padding() -> None:
    vocabulary = Vocabulary(BYTE_TOKENIZER)
    rows = torch.zeros(len(vocabulary) + 20, 4)
    rows[len(vocabulary) :] = 100

    (effects,) = rank_tokens(torch.ones(1, 4), torch.nn.RMSNorm(4), rows, vocabulary, 5)

    assert len(effects.promoted) == 5
