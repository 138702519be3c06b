"""Text to the tokens that the subject reads, with exactly one start token."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from clerp.verbalizers import Missed, Passage
from clerp.verbalizers.gates import FIRST_POSITION

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text as the subject reads it."""

    ids: tuple[int, ...]
    last: str
    """The piece of the text that the last token stands for, with the space before it."""

    @property
    def position(self) -> int:
        """Of the last token, counted from 0 with the start token."""
        return len(self.ids) - 1


def encode(text: str, tokenizer: "PreTrainedTokenizerFast") -> Encoded:
    """Cut a text to tokens.

    The start token is put in front where the tokenizer has one and the text does not begin with
    it. That is what the servers of published pairs do; whether the tokenizer would do so by itself
    makes no difference.
    """
    cut = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = cast(list[int], cut["input_ids"])
    offsets = cast(list[tuple[int, int]], cut["offset_mapping"])
    last = text[offsets[-2][1] if len(offsets) > 1 else 0 :] if ids else ""
    start = cast(int | None, tokenizer.bos_token_id)
    if start is not None and ids[:1] != [start]:
        ids = [start, *ids]
    return Encoded(tuple(ids), last)


def encode_passage(
    passage: Passage, tokenizer: "PreTrainedTokenizerFast", longest: int
) -> Encoded | Missed:
    """Cut a passage to tokens, if its end is where the evidence has it and a pair can be asked.

    Args:
        passage: The place.
        tokenizer: The subject's.
        longest: Tokens that the subject was made for.
    """
    found = encode(passage.text, tokenizer)
    start = tokenizer.bos_token_id
    if not passage.text or found.last != passage.token:
        reason = f"the model ends the text with {found.last!r}, the evidence with {passage.token!r}"
    elif start is not None and found.ids[:2] == (start, start):
        reason = "the text begins with two start tokens"
    elif found.position < FIRST_POSITION:
        reason = (
            f"at position {found.position}: before {FIRST_POSITION}, residuals are unlike others"
        )
    elif len(found.ids) > longest:
        reason = f"the text has {len(found.ids)} tokens, the model reads {longest}"
    else:
        return found
    return Missed(passage, reason)


def pad_right(rows: Sequence[Sequence[int]], filler: int) -> list[list[int]]:
    """Make rows equally long; no token of a causal model sees what comes after it."""
    longest = max(map(len, rows))
    return [[*row, *[filler] * (longest - len(row))] for row in rows]
