"""A provider that will answer nothing more is not asked any more, and tier 1 is delivered."""

from collections.abc import Callable

import pytest
from tests.command_line import Outcome
from tests.fake_llm import Asked, FakeLlm, Reply, error, page
from tests.faults.figures import Figures
from tests.faults.place import Place, name_by_prompt

pytestmark = pytest.mark.slow

Label = Callable[..., Outcome]

WORKERS = 16
DENIALS = {
    "401": (error(401, code="invalid_api_key"), "the provider refused the key (401)"),
    "insufficient_quota": (error(429, code="insufficient_quota"), "quota or credit is used up"),
}


@pytest.fixture
def n_features() -> int:
    return 80


@pytest.mark.parametrize("answered", [0, 20])
@pytest.mark.parametrize("said", DENIALS)
def test_a_denial_ends_the_asking_and_tier_1_is_delivered(
    place: Place, fake: FakeLlm, label: Label, figures: Figures, said: str, answered: int
) -> None:
    denial, reason = DENIALS[said]
    denied: list[Asked] = []

    def respond(asked: Asked) -> Reply:
        if len(fake.received) <= answered:
            return name_by_prompt(asked)
        denied.append(asked)
        return denial

    fake.respond = respond
    outcome = label(concurrency=WORKERS)
    figures.note(
        f"{said} after {answered} answers, over a socket",
        f"<= {WORKERS} requests ({WORKERS} workers), tier 1 delivered",
        f"{len(denied)} requests",
    )
    assert outcome.code == 2
    assert reason in outcome.err
    assert len(denied) <= WORKERS
    assert set(place.list_tier(1)) == {"labeled"}
    assert place.list_tier(2).count("labeled") == answered
    assert place.list_tier(2).count("failed") == len(place.list_tier(2)) - answered
    assert len(place.read_answers()) == answered


def test_what_was_denied_is_asked_when_the_provider_is_willing_again(
    place: Place, fake: FakeLlm, label: Label
) -> None:
    fake.respond = lambda _: error(401)
    label()
    fake.received.clear()
    fake.respond = name_by_prompt
    assert label().code == 0
    assert len(fake.received) == len(place.list_tier(2))


def test_a_provider_that_is_down_leaves_a_graph_with_tier_1(
    place: Place, fake: FakeLlm, label: Label, figures: Figures
) -> None:
    fake.respond = lambda _: page(503)
    outcome = label(concurrency=WORKERS)
    figures.note(
        "hard down, over a socket", "exit code 2, tier 1 delivered", f"{len(fake.received)} asked"
    )
    assert outcome.code == 2
    assert len(fake.received) <= WORKERS
    assert set(place.list_tier(1)) == {"labeled"}
    assert set(place.list_tier(2)) == {"failed"}
