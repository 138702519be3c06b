"""A tokenizer of whole words, which gives its text back, with a marker and a chat template."""

from collections.abc import Iterable

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

MARKER = "㈎"
"""Stands where the vector goes; no text holds it."""
BOS, END, PAD, UNKNOWN = "<bos>", "<|end|>", "<pad>", "<unk>"
USER, ASSISTANT = "<|user|>", "<|assistant|>"
_CHAT = (
    "{{ bos_token }}{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def make_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Make a tokenizer that knows every word of some texts.

    A word keeps the space before it, so that tokens joined are the text. Tokenising adds one start
    token; chats are rendered with it and so are tokenised without adding any.
    """
    splitting = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" ?[A-Za-z]+| ?[^\sA-Za-z]|\s"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    pieces = {piece for text in texts for piece, _ in splitting.pre_tokenize_str(text)}
    special = (PAD, UNKNOWN, BOS, END, USER, ASSISTANT)
    vocabulary = {word: number for number, word in enumerate((*special, MARKER, *sorted(pieces)))}
    raw = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    raw.pre_tokenizer = splitting
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens([AddedToken(word, special=True) for word in special])
    raw.add_tokens([AddedToken(MARKER, normalized=False)])
    raw.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, vocabulary[BOS])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token=BOS,
        eos_token=END,
        pad_token=PAD,
        unk_token=UNKNOWN,
        chat_template=_CHAT,
        clean_up_tokenization_spaces=False,
        model_max_length=MAX_TOKENS,
    )


MAX_TOKENS = 256
"""Of a text or a chat."""
