"""Answers that are no labels make features fail with a reason, and nothing of them gets out."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.command_line import Outcome
from tests.fake_llm import GOOD_ANSWER, FakeLlm, Reply, chat, completion
from tests.faults.figures import Figures
from tests.faults.place import Place

pytestmark = pytest.mark.slow

Label = Callable[..., Outcome]

MARK = "zanzibar"
"""Stands in every useless answer and nowhere else."""


def answer(**changes: Any) -> Reply:
    return chat({**GOOD_ANSWER, "explanation": MARK, **changes})


def say(message: dict[str, Any], finish_reason: str = "stop") -> Reply:
    return Reply(completion([{"index": 0, "message": message, "finish_reason": finish_reason}]))


USELESS = {
    "cut off": (
        chat(json.dumps({**GOOD_ANSWER, "label": MARK})[:40], finish_reason="length"),
        "the answer is cut off at its greatest length",
    ),
    "cut off, yet whole": (
        chat({**GOOD_ANSWER, "explanation": MARK}, finish_reason="length"),
        "the answer is cut off at its greatest length",
    ),
    "bad JSON": (chat(f'{{"label": "{MARK}"'), "does not fit the schema: the answer: Invalid JSON"),
    "prose": (chat(f"It is about {MARK}."), "does not fit the schema: the answer: Invalid JSON"),
    "extra key": (answer(**{MARK: 1}), "does not fit the schema: another key"),
    "missing key": (chat({"label": MARK}), "does not fit the schema: explanation: Field required"),
    "wrong type": (answer(label=[MARK]), "does not fit the schema: label"),
    "empty label": (answer(label=" "), "the label is empty"),
    "seven words": (answer(label=f"{MARK} b c d e f g"), "the label has 7 words, not 1 to 6"),
    "a label of 1 MB": (answer(label=MARK * 2**17), "the answer has 1,048,"),
    "a label of 10 kB": (answer(label=MARK * 1250), "the label is longer than"),
    "a long sentence": (answer(explanation=f"{MARK} " * 100), "explanation is longer than"),
    "no choices": (Reply(completion([])), "the answer is empty (no choices)"),
    "no content": (say({"role": "assistant", "content": None}), "the answer is empty (stop)"),
    "refusal": (
        say({"role": "assistant", "content": None, "refusal": f"I cannot say {MARK}"}),
        "the answer is empty (refusal)",
    ),
    "refusal in words": (answer(label="I cannot help with that"), "the label is a refusal"),
    "filtered": (
        say({"role": "assistant", "content": ""}, "content_filter"),
        "the answer is empty (content_filter)",
    ),
    "control characters": (answer(label=f"{MARK}\x1b[31m"), "control characters"),
    "half a character": (
        answer(label=f"{MARK} \ud800"),
        "does not fit the schema: the answer: Invalid JSON",
    ),
    "null": (chat("null"), "does not fit the schema: the answer"),
    "nested without end": (chat("[" * 5000), "does not fit the schema: the answer"),
}


@pytest.mark.parametrize("kind", USELESS)
def test_a_useless_answer_is_a_typed_failure_and_nothing_of_it_gets_out(
    place: Place, fake: FakeLlm, label: Label, figures: Figures, kind: str
) -> None:
    reply, reason = USELESS[kind]
    fake.respond = lambda _: reply
    outcome = label()
    asked, n_failed = place.list_tier(2), place.list_tier(2).count("failed")
    figures.note(f"useless answer: {kind}", "100 % typed", f"{n_failed / len(asked):.0%}")
    assert outcome.code == 2
    assert reason in outcome.err
    assert set(asked) == {"failed"}
    assert set(place.list_tier(1)) == {"labeled"}
    # Each was asked once more, and both answers were paid for and are kept.
    assert len(fake.received) == len(place.read_answers()) == 2 * n_failed
    for shown in (place.out.read_text(), outcome.out, outcome.err):
        assert MARK not in shown


def test_the_second_request_quotes_nothing_of_the_first_answer(
    place: Place, fake: FakeLlm, label: Label
) -> None:
    fake.respond = lambda _: answer(**{MARK: MARK})
    label()
    assert not any(MARK in json.dumps(request) for request in fake.requests)
    assert sum("could not be used" in json.dumps(asked) for asked in fake.requests) == len(
        place.list_tier(2)
    )


def test_an_abstention_is_no_failure(place: Place, fake: FakeLlm, label: Label) -> None:
    fake.respond = lambda _: answer(abstain=True, label="", abstain_reason="nothing is shared")
    assert label().code == 0
    assert set(place.list_tier(2)) == {"abstained"}
