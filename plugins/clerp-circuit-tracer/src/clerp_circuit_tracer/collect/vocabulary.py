r"""Token ids as readable strings.

As circuit-tracer's frontend shows them: line breaks and tabs are visible signs, and a token that is
only part of a character is written as escapes such as `\xe2`, which the frontend joins again.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from circuit_tracer.frontend.utils import process_token
from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_BYTE_OF = {character: byte for byte, character in bytes_to_unicode().items()}
# SentencePiece's sign for a space, and its spelling of a byte that no piece holds.
_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class Vocabulary:
    """The readable strings of a tokenizer."""

    def __init__(self, tokenizer: "PreTrainedTokenizerFast") -> None:
        names = cast(list[str | None], tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))))
        render = _choose_rendering(tokenizer)
        special = set(tokenizer.all_special_ids)
        added = {
            token: text.content if token in special else process_token(text.content)
            for token, text in tokenizer.added_tokens_decoder.items()
        }
        self._strings = [
            added[token] if token in added else render(token, name or "")
            for token, name in enumerate(names)
        ]

    def __len__(self) -> int:
        return len(self._strings)

    def read(self, ids: Sequence[int]) -> list[str]:
        """Return one string a token."""
        return [self._strings[token] for token in ids]


def _choose_rendering(tokenizer: "PreTrainedTokenizerFast") -> Callable[[int, str], str]:
    """Choose by the tokenizer's own decoder how its names are spelled."""
    kinds = _list_decoders(tokenizer)
    if "ByteLevel" in kinds:
        return _read_byte_level
    if kinds & {"ByteFallback", "Metaspace"}:
        return _read_sentence_piece
    return lambda token, _: process_token(cast(str, tokenizer.decode([token])))


def _list_decoders(tokenizer: "PreTrainedTokenizerFast") -> set[str]:
    decoder = tokenizer.backend_tokenizer.decoder
    if decoder is None:
        return set()
    state: dict[str, Any] = json.loads(decoder.__getstate__())
    return {part["type"] for part in (state, *state.get("decoders", ()))}


def _read_byte_level(_: int, name: str) -> str:
    return _read_bytes(bytes(_BYTE_OF[character] for character in name if character in _BYTE_OF))


def _read_sentence_piece(_: int, name: str) -> str:
    byte = _BYTE.fullmatch(name)
    return _read_bytes(bytes.fromhex(byte[1])) if byte else process_token(name.replace(_SPACE, " "))


def _read_bytes(content: bytes) -> str:
    try:
        return process_token(content.decode())
    except UnicodeDecodeError:
        return "".join(chr(byte) if byte < 128 else f"\\x{byte:02x}" for byte in content)
