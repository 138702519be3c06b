from hypothesis import given
from hypothesis import strategies as st

from clerp_nla.training.grammar import (
    MIN_TOKENS,
    TOPICS,
    list_words,
    tell_class,
    write_documents,
)

SEEDS = st.integers(0, 2**31)


@given(SEEDS)
def test_every_piece_of_text_is_listed(seed: int) -> None:
    words = set(list_words())
    documents = write_documents(3, seed)
    assert {token.text for document in documents for token in document.tokens} <= words


@given(SEEDS)
def test_words_of_one_topic_alone_say_the_topic(seed: int) -> None:
    owners: dict[str, set[str]] = {}
    for topic in TOPICS.values():
        for word in (*topic.nouns, *topic.verbs, *topic.adjectives):
            owners.setdefault(f" {word}", set()).add(topic.name)
    for token in write_documents(1, seed)[0].tokens:
        if token.text in owners:
            assert token.topic in owners[token.text]


def test_some_words_belong_to_two_topics() -> None:
    nouns = [noun for topic in TOPICS.values() for noun in topic.nouns]
    assert 5 <= len(nouns) - len(set(nouns)) < len(nouns) / 5


@given(SEEDS)
def test_the_words_before_a_place_are_those_of_the_text(seed: int) -> None:
    document = write_documents(1, seed)[0]
    text = ""
    for place, token in enumerate(document.tokens):
        assert len(token.before) == min(place, 2)
        assert text.endswith("".join(token.before))
        text += token.text
    assert text == document.text


@given(SEEDS)
def test_a_token_is_of_one_class_wherever_it_stands(seed: int) -> None:
    for token in write_documents(1, seed)[0].tokens[1:]:
        assert tell_class(token.text) == token.kind


@given(SEEDS)
def test_documents_end_with_a_whole_sentence(seed: int) -> None:
    for document in write_documents(2, seed):
        assert MIN_TOKENS <= len(document.tokens) < MIN_TOKENS + 12
        assert document.tokens[-1].text == "."


def test_seeds_decide() -> None:
    assert write_documents(4, 1) == write_documents(4, 1) != write_documents(4, 2)


def test_topics_change_within_documents() -> None:
    changes = [len({t.topic for t in d.tokens[10:]}) > 1 for d in write_documents(200, 0)]
    assert 0.4 < sum(changes) / len(changes) < 0.95
