import random

import pytest
from transformers import PreTrainedTokenizerFast

from clerp_nla.training.explaining import explain
from clerp_nla.training.grammar import write_documents
from clerp_nla.training.pairs import ANSWER, CRITIC_TEMPLATE, write_prompt
from clerp_nla.training.places import FIRST
from clerp_nla.training.recipe import make_toy_tokenizer
from clerp_nla.training.tokenizer import BOS, MARKER


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return make_toy_tokenizer()


def test_texts_come_back(tokenizer: PreTrainedTokenizerFast) -> None:
    chance = random.Random(0)
    for document in write_documents(20, 0):
        said = explain(document.tokens[-1], chance)
        for text in (document.text, ANSWER.format(text=said)):
            ids = tokenizer(text).input_ids
            assert tokenizer.unk_token_id not in ids
            assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_a_token_of_the_grammar_is_one_token(tokenizer: PreTrainedTokenizerFast) -> None:
    document = write_documents(1, 3)[0]
    ids = tokenizer(document.text).input_ids
    assert [tokenizer.decode(i) for i in ids[1:]] == [token.text for token in document.tokens]


def test_one_start_token_in_texts_and_chats(tokenizer: PreTrainedTokenizerFast) -> None:
    start = tokenizer.get_vocab()[BOS]
    prompt = write_prompt(tokenizer, 1.0)
    for ids in (tokenizer("The").input_ids, list(prompt.ids)):
        assert ids[0] == start
        assert ids.count(start) == 1


def test_the_marker_stands_once_between_the_same_neighbours(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    prompt = write_prompt(tokenizer, 1.0)
    assert tokenizer.convert_ids_to_tokens(list(prompt.ids)).count(MARKER) == 1
    around = prompt.ids[prompt.marker - 1 : prompt.marker + 2]
    assert tokenizer.convert_ids_to_tokens(list(around)) == [">", MARKER, "<"]


def test_the_end_of_the_critics_prompt_does_not_hang_on_the_text(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    suffix = tokenizer(CRITIC_TEMPLATE.partition("{explanation}")[2], add_special_tokens=False)
    for text in (
        "Notes about music.",
        explain(write_documents(1, 0)[0].tokens[FIRST + 9], random.Random(1)),
    ):
        ids = tokenizer(CRITIC_TEMPLATE.format(explanation=text)).input_ids
        assert ids[-len(suffix.input_ids) :] == suffix.input_ids
