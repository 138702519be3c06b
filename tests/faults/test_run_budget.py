"""What a run may cost is never passed, and what it would cost is told without asking."""

from collections.abc import Callable

import pytest
from tests.command_line import Outcome, assert_refused, take_stock
from tests.fake_llm import Asked, FakeLlm, Reply, chat
from tests.faults.figures import Figures
from tests.faults.place import Place, name_by_prompt, write_settings

from clerp.llm import LabelAnswer, Prompt
from clerp.llm.budget import Budget, Reservation, estimate_most
from clerp.llm.prices import Price
from clerp.llm.transport import MAX_TOKENS

pytestmark = pytest.mark.slow

Label = Callable[..., Outcome]

PRICE = Price(1.0, 4.0)
PRICES = {"http:m": (PRICE.input_usd_per_million, PRICE.output_usd_per_million)}
BUDGET = 0.1


@pytest.fixture
def n_features() -> int:
    return 160


def read_most(asked: Asked) -> float:
    """Return the most that a request can cost, in US dollars."""
    system, user = (message["content"] for message in asked.body["messages"])
    return estimate_most(Prompt(system, user, LabelAnswer), PRICE, MAX_TOKENS)


class Till:
    """Answers, and bills a part of what a request can cost at most."""

    def __init__(self, part: float) -> None:
        self.part = part
        self.billed = 0.0
        self.most = 0.0
        """Of one request."""

    def respond(self, asked: Asked) -> Reply:
        most = read_most(asked)
        # The tokens of the answer cost four times as much; rounding down stays within the bound.
        prompt_tokens = int(self.part * (most * 1e6 - 4 * MAX_TOKENS))
        completion_tokens = int(self.part * MAX_TOKENS)
        reply = name_by_prompt(asked)
        reply.body["usage"] = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
        }
        self.billed += PRICE.bill(prompt_tokens, completion_tokens)
        self.most = max(self.most, most)
        return reply


@pytest.mark.parametrize("part", [1.0, 0.9, 0.5])
def test_the_budget_is_never_passed(
    place: Place, fake: FakeLlm, label: Label, figures: Figures, part: float
) -> None:
    till = Till(part)
    fake.respond = till.respond
    write_settings(place.folder, PRICES)
    outcome = label("--budget", BUDGET, concurrency=64)
    settled = sum(cost for (cost,) in place.query("SELECT cost_usd FROM answers"))
    row = f"budget ${BUDGET:g}, 64 at once, billed {part:.0%} of the bound"
    figures.note(row, "settled <= budget", f"${settled:.4f}")
    assert settled == pytest.approx(till.billed)
    assert settled <= BUDGET
    # It stops because one more might be too much, and no sooner.
    assert settled > BUDGET - till.most
    assert outcome.code == 2
    assert "the budget of $0.1 is reached" in outcome.err
    answered = {1: len(place.list_tier(1)), 2: len(fake.requests)}
    labeled = {tier: place.list_tier(tier).count("labeled") for tier in (1, 2)}
    assert labeled == answered
    assert "failed" in place.list_tier(2)
    figures.note(row, "the rest is delivered", f"{labeled[1]} of tier 1, {labeled[2]} of tier 2")


def test_settled_and_reserved_together_never_pass_the_budget(
    place: Place,
    fake: FakeLlm,
    label: Label,
    figures: Figures,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reserve, exposed = Budget.reserve, [0.0]

    def watch(self: Budget, most_usd: float) -> Reservation:
        reservation = reserve(self, most_usd)
        exposed.append(self.settled + self.reserved)
        return reservation

    monkeypatch.setattr(Budget, "reserve", watch)
    fake.respond = Till(0.9).respond
    write_settings(place.folder, PRICES)
    label("--budget", BUDGET, concurrency=64)
    row = f"budget ${BUDGET:g}, 64 at once, billed 90% of the bound"
    figures.note(row, "settled + reserved <= budget", f"${max(exposed):.4f} at most")
    assert 0.9 * BUDGET < max(exposed) <= BUDGET


def test_a_run_that_is_given_more_goes_on_where_the_budget_ended(
    place: Place, fake: FakeLlm, label: Label
) -> None:
    write_settings(place.folder, PRICES)
    label("--budget", BUDGET / 4, concurrency=64)
    asked = len(fake.requests)
    outcome = label("--budget", 10 * BUDGET, concurrency=64)
    assert outcome.code == 0
    assert 0 < asked < len(fake.requests) == len(place.list_tier(2))


def test_a_budget_without_a_price_is_refused_before_any_request(
    place: Place, fake: FakeLlm, label: Label, figures: Figures
) -> None:
    outcome = label("--budget", BUDGET)
    assert_refused(outcome, "the price of http:m is not known", '[prices."http:m"]')
    assert fake.n_connections == 0
    assert not place.out.exists()
    figures.note(
        "budget, unpriced model",
        "refused before any request, exit code 1",
        f"{len(fake.received)} requests, {outcome.code}",
    )


def test_a_bill_against_the_price_that_was_given_ends_the_run(
    place: Place, fake: FakeLlm, label: Label
) -> None:
    def overcharge(asked: Asked) -> Reply:
        reply = name_by_prompt(asked)
        reply.body["usage"] = {"prompt_tokens": 1_000_000, "completion_tokens": 1}
        return reply

    fake.respond = overcharge
    write_settings(place.folder, PRICES)
    outcome = label("--budget", BUDGET, concurrency=1)
    assert (outcome.code, len(fake.requests)) == (2, 1)


def test_a_dry_run_asks_and_writes_nothing(
    place: Place, fake: FakeLlm, label: Label, figures: Figures
) -> None:
    write_settings(place.folder, PRICES)
    before = take_stock(place.folder)
    outcome = label("--dry-run", "--budget", BUDGET)
    assert outcome.code == 0
    assert "US$" in outcome.out
    changed = {name for name, _ in take_stock(place.folder).items() ^ before.items()}
    figures.note(
        "--dry-run",
        "nothing is sent or written",
        f"{fake.n_connections} connections, {len(changed)} files",
    )
    assert fake.n_connections == 0
    assert not changed


def test_what_a_dry_run_says_is_never_less_than_what_is_paid(
    place: Place, fake: FakeLlm, label: Label
) -> None:
    fake.answers(chat("no JSON"))
    till = Till(1.0)
    fake.respond = till.respond
    write_settings(place.folder, PRICES)
    told = label("--dry-run").out.split()
    assert label().code == 0
    assert float(told[-1]) >= till.billed
