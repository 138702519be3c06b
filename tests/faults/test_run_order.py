"""The order in which calls begin and end leaves no trace in the output."""

import json
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.command_line import Outcome
from tests.fake_llm import Asked, FakeLlm, Reply
from tests.faults.figures import Figures
from tests.faults.place import Place, list_features, name_by_prompt, write_settings
from tests.faults.test_run_budget import PRICES, read_most

pytestmark = pytest.mark.slow

Label = Callable[..., Outcome]

N_SMALL = 3
EVERY = ("--llm-all",)


def forget(place: Place) -> None:
    place.ledger.unlink()
    place.out.unlink()


def test_answers_in_any_order_make_the_same_output(
    place: Place, fake: FakeLlm, label: Label, figures: Figures
) -> None:
    draw = random.Random(0)

    def answer_at_some_time(asked: Asked) -> Reply:
        return replace(name_by_prompt(asked), latency=draw.uniform(0.0, 0.1))

    fake.respond = answer_at_some_time
    outputs: set[bytes] = set()
    orders: set[tuple[object, ...]] = set()
    for concurrency in (1, 17, 17, 64):
        assert label(*EVERY, concurrency=concurrency).code == 0
        outputs.add(place.out.read_bytes())
        answered = place.query("SELECT request_id FROM answers ORDER BY rowid")
        orders.add(tuple(answered))
        forget(place)
    row = "answers in 4 orders, 1, 17 and 64 at once"
    figures.note(row, "the same bytes", f"{len(outputs)} output of {len(orders)} orders")
    assert len(orders) > 1
    assert len(outputs) == 1


@pytest.mark.parametrize("n_features", [N_SMALL + 1])
def test_a_failure_by_budget_is_the_same_whatever_was_paid_by_then(
    place: Place, fake: FakeLlm, label: Label, figures: Figures, n_features: int
) -> None:
    swell(place, n_features - 1)
    write_settings(place.folder, PRICES)
    assert label(*EVERY).code == 0
    *fitting, dear = sorted(map(read_most, fake.received))
    assert len(fitting) == N_SMALL
    assert sum(fitting) < dear
    budget = round((sum(fitting) + dear) / 2, 4)
    outputs: list[bytes] = []
    # When it is its turn, the calls of the others have ended, or are under way.
    for concurrency in (1, 16):
        forget(place)
        outcome = label(*EVERY, "--budget", budget, concurrency=concurrency)
        assert outcome.code == 2
        assert f"1 features failed: the budget of ${budget:g} is reached" in outcome.err
        outputs.append(place.out.read_bytes())
    figures.note(
        "failure by budget, whatever was paid by then",
        "the same bytes",
        f"{len(set(outputs))} output of {len(outputs)} runs",
    )
    assert outputs[0] == outputs[1]


def swell(place: Place, number: int) -> None:
    """Make a feature's texts of characters that stand for eight letters, or eighteen."""
    path = place.folder / "features" / f"{list_features(number + 1)[-1].cantor}.json"
    record = json.loads(path.read_text())
    for quantile in record["examples_quantiles"]:
        for example in quantile["examples"]:
            example["tokens"] = [f" {write_long(token)}" for token in example["tokens"]]
    path.write_text(json.dumps(record))


def write_long(word: str) -> str:
    return "".join("\ufdfa\ufdfb"[ord(letter) % 2] for letter in f"{word}abcdef"[1:8])
