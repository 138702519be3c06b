"""A provider that refuses half of all requests for a while, and ones that are no use at all.

Whole runs over a socket, through both transports. In the storm the budget has room for fewer
requests than are made at once. `test_provider_faults.py` has longer ones, in virtual time.
"""

import os
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.command_line import Outcome
from tests.fake_llm import Asked, FakeLlm, Reply, error, page
from tests.faults.figures import Figures
from tests.faults.place import Place, fingerprint, fingerprint_messages, write_settings
from tests.faults.test_run_budget import PRICES, Till, read_most
from tests.faults.test_run_denied import DENIALS

from clerp.errors import BusyError
from clerp.llm import Completion, Prompt
from clerp.llm.budget import Budget, Reservation
from clerp.llm.http_transport import HttpTransport
from clerp.llm.litellm_transport import LitellmTransport
from clerp.llm.prompt import AnswerFormat

pytestmark = pytest.mark.slow

Label = Callable[..., Outcome]

FULL = os.environ.get("CLERP_FAULTS") == "full"
N = 500 if FULL else 60
SECONDS = 60.0 if FULL else 3.0
WAITS = (1, 5) if FULL else (1, 1)
"""Least and most seconds of a Retry-After, which has whole ones only (RFC 9110)."""
SHARE = 0.5
CONCURRENCY, WORKERS = 64, 16
PART = 10 / N
"""Of the most that a request can cost: what is billed. All of them cost what ten could."""
ROOM = 6
"""Requests at once that the budget has room for when all is spent but the last."""
EVERY = ("--llm-all",)

LITELLM = "openai/m"
# Of memory, of files, of machines.
ADDRESS = re.compile(
    r"0x[0-9a-f]{4,}|(?<![\w/])/(?:\w+/)+\w|\.py\b|https?://|localhost|\b\d+\.\d+\.\d+\.\d+\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Way:
    kind: type[HttpTransport] | type[LitellmTransport]
    flags: tuple[str, ...]


TRANSPORTS = {
    "http": Way(HttpTransport, ()),
    "litellm": Way(LitellmTransport, ("--llm", LITELLM)),
}


@pytest.fixture
def n_features() -> int:
    return 40


@pytest.fixture(autouse=True)
def surroundings(place: Place, fake: FakeLlm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", fake.address)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    write_settings(place.folder, dict.fromkeys(("http:m", LITELLM), PRICES["http:m"]))


@dataclass
class Watch:
    """Looks at a run's budget whenever money is set aside."""

    budgets: list[Budget] = field(default_factory=list)
    exposed: float = 0.0
    """US dollars settled and set aside together, at most."""

    @property
    def settled(self) -> float:
        """US dollars, of the last run."""
        return self.budgets[-1].settled


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    reserve, watch = Budget.reserve, Watch()

    def reserve_and_look(self: Budget, most_usd: float) -> Reservation:
        reservation = reserve(self, most_usd)
        watch.budgets.append(self)
        watch.exposed = max(watch.exposed, self.settled + self.reserved)
        return reservation

    monkeypatch.setattr(Budget, "reserve", reserve_and_look)
    return watch


@dataclass(frozen=True)
class Refusal:
    """One that the run has read."""

    at: float
    until: float
    """When the server lets itself be asked again."""


@dataclass
class Storm:
    """Refuses a share of the requests for a while from the first on, and sees who comes too soon.

    That is a request which was sent after a refusal had been read, and came in before the time
    that the refusal told.
    """

    answer: Callable[[Asked], Reply]
    draw: random.Random = field(default_factory=lambda: random.Random(0))
    ends: float | None = None
    n_refused: int = 0
    too_soon: int = 0
    _sent: dict[str, float] = field(default_factory=dict)
    _until: dict[str, float] = field(default_factory=dict)
    _read: list[Refusal] = field(default_factory=list)

    def respond(self, asked: Asked) -> Reply:
        prompt = fingerprint(asked)
        self.too_soon += any(
            refusal.at < self._sent[prompt] and asked.at < refusal.until for refusal in self._read
        )
        self.ends = asked.at + SECONDS if self.ends is None else self.ends
        if asked.at >= self.ends or self.draw.random() >= SHARE:
            return self.answer(asked)
        self.n_refused += 1
        wait = self.draw.randint(*WAITS)
        self._until[prompt] = time.monotonic() + wait
        return replace(error(429, retry_after=str(wait)), latency=0.0)

    def listen(
        self, transport: type[HttpTransport] | type[LitellmTransport], patch: pytest.MonkeyPatch
    ) -> None:
        """Note when requests are sent and refusals read: what is under way then is not too soon."""
        complete = transport.complete

        async def complete_and_note(
            running: Any, prompt: Prompt, answer_format: AnswerFormat = "json_schema"
        ) -> Completion:
            name = fingerprint_messages(prompt.write_messages(answer_format))
            self._sent[name] = time.monotonic()
            try:
                return await complete(running, prompt, answer_format)
            except BusyError as fault:
                if fault.retry_after is not None:
                    self._read.append(Refusal(time.monotonic(), self._until[name]))
                raise

        patch.setattr(transport, "complete", complete_and_note)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("n_features", [N])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_storm_of_refusals_costs_a_run_time_and_nothing_else(
    place: Place,
    fake: FakeLlm,
    label: Label,
    figures: Figures,
    watch: Watch,
    monkeypatch: pytest.MonkeyPatch,
    transport: str,
) -> None:
    flags = (*EVERY, *TRANSPORTS[transport].flags)
    calm = Till(PART)
    fake.respond = calm.respond
    assert label(*flags, concurrency=CONCURRENCY).code == 0
    undisturbed = place.out.read_bytes()
    budget = round(calm.billed + ROOM * calm.most, 4)
    assert budget < CONCURRENCY / 2 * calm.most, "calls have to wait for money"
    forget(place, fake)
    watch.exposed = 0.0

    till = Till(PART)
    storm = Storm(till.respond)
    storm.listen(TRANSPORTS[transport].kind, monkeypatch)
    fake.respond = storm.respond
    outcome = label(*flags, "--budget", budget, concurrency=CONCURRENCY)
    statuses = [node["clerp_status"] for node in place.read_nodes().values()]
    requests = len(fake.received) / N
    same = place.out.read_bytes() == undisturbed
    row = f"429 storm, {SHARE:.0%} for {SECONDS:g} s, {N} features, {transport}, over a socket"
    figures.note(row, "100 % finish", f"{statuses.count('labeled') / N:.1%}")
    figures.note(row, "requests <= 1.5 x calls", f"{requests:.2f} x")
    figures.note(
        row, "none sooner than Retry-After", f"{storm.too_soon} too soon of {len(fake.received)}"
    )
    figures.note(
        row,
        f"settled + reserved, billed <= ${budget:g}",
        f"${watch.exposed:.4f} at most, ${till.billed:.4f}",
    )
    figures.note(row, "the output of a run without", "the same" if same else "another")
    assert storm.ends is not None
    assert fake.received[-1].at > storm.ends, "the storm went on to the run's end"
    assert (outcome.code, statuses.count("labeled")) == (0, N)
    assert requests <= 1.5
    assert max(till.billed, watch.exposed) <= budget
    assert watch.settled == pytest.approx(till.billed)
    assert same
    assert storm.too_soon == 0


DOWN = {"503, HTML": page(503), "reset": Reply(resets=True), "cut": Reply(b"{}" * 50, cut=20)}


@pytest.mark.parametrize("said", [*DOWN, "nobody listens"])
def test_a_provider_that_is_down_leaves_tier_1_and_reasons_without_places(
    place: Place,
    fake: FakeLlm,
    label: Label,
    figures: Figures,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
) -> None:
    if said in DOWN:
        fake.respond = lambda _: DOWN[said]
    else:
        # Nothing ever listens at port 1, which only root could open.
        monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:1/v1")
    outcome = label(*TRANSPORTS["litellm"].flags, concurrency=WORKERS)
    check_given_up(place, fake, outcome, figures, f"hard down ({said}), litellm")


@pytest.mark.parametrize("said", DENIALS)
def test_a_denial_ends_the_asking_over_litellm_too(
    place: Place, fake: FakeLlm, label: Label, figures: Figures, said: str
) -> None:
    denial, reason = DENIALS[said]
    fake.respond = lambda _: denial
    outcome = label(*TRANSPORTS["litellm"].flags, concurrency=WORKERS)
    check_given_up(place, fake, outcome, figures, f"{said}, litellm, over a socket")
    assert reason in outcome.err


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_answer_that_was_lost_on_its_way_counts_as_paid(
    place: Place, fake: FakeLlm, label: Label, figures: Figures, watch: Watch, transport: str
) -> None:
    lost, till = list[float](), Till(PART)

    def respond(asked: Asked) -> Reply:
        reply = till.respond(asked)
        if lost:
            return reply
        lost.append(read_most(asked))
        return replace(reply, cut=40)

    fake.respond = respond
    budget = 1.0
    outcome = label(*TRANSPORTS[transport].flags, "--budget", budget, concurrency=4)
    figures.note(
        f"a 200 cut off on its way, {transport}",
        "settled >= billed",
        f"${watch.settled:.4f} of ${till.billed:.4f}",
    )
    assert outcome.code == 0
    assert len(fake.received) == len(place.list_tier(2)) + 1
    assert till.billed <= watch.settled <= budget
    # What it could have cost at most, for nobody knows what it did.
    assert watch.settled == pytest.approx(till.billed + (1 - PART) * lost[0], rel=0.01)


def forget(place: Place, fake: FakeLlm) -> None:
    for left in place.folder.glob("clerp.db*"):
        left.unlink()
    place.out.unlink()
    fake.received.clear()


def check_given_up(
    place: Place, fake: FakeLlm, outcome: Outcome, figures: Figures, row: str
) -> None:
    tier_1, tier_2 = place.list_tier(1), place.list_tier(2)
    written = place.out.read_text() + outcome.err
    places = sorted(set(ADDRESS.findall(written)))
    figures.note(
        row,
        f"<= {WORKERS} requests, exit code 2, tier 1 delivered",
        f"{len(fake.received)}, {outcome.code}, {tier_1.count('labeled')} of {len(tier_1)}",
    )
    figures.note(row, "no address of memory, file or machine", f"{len(places)} in what it wrote")
    assert outcome.code == 2
    assert len(fake.received) <= WORKERS
    assert set(tier_1) == {"labeled"}
    assert set(tier_2) == {"failed"}
    assert not places
