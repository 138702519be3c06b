"""`clerp label` with a model: what it may cost, what it cost, and who answered."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.command_line import Run, make_runner
from tests.fake_llm import GOOD_ANSWER, Asked, FakeLlm, Reply, chat, error, run_fake_llm
from tests.tiny_graph import (
    FEATURES,
    N_FEATURES,
    build_records,
    build_tiny_graph,
    write_graph,
    write_records,
)

# No side reaches the threshold and every whole context does: all features are tier 2.
ALL_CROSS = (
    *("--rule", "protocol", "--threshold", "0.001"),
    *("--windows", "input=-999:-998,output=998:999,cross=-8:8"),
)
LABEL = ("label", "graph.json", *ALL_CROSS)
PRICES = """
[prices."http:big"]
input = 1.0
output = 10.0

[prices."http:small"]
input = 0.1
output = 1.0
"""
# 600 tokens at $1 and 40 at $10 a million.
PAID = 0.001


def respond(asked: Asked) -> Reply:
    return chat(GOOD_ANSWER, model=f"{asked.body['model']}-2026")


@pytest.fixture
def fake() -> Iterator[FakeLlm]:
    with run_fake_llm(respond) as running:
        yield running


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    write_graph(tmp_path / "graph.json", build_tiny_graph())
    write_records(tmp_path / "features", build_records())
    (tmp_path / "clerp.toml").write_text(PRICES)
    return make_runner(capsys, monkeypatch)


def big(fake: FakeLlm) -> str:
    return f"http:big@{fake.address}"


def small(fake: FakeLlm) -> str:
    return f"http:small@{fake.address}"


def read_record(path: str = "graph.labeled.json") -> dict[str, Any]:
    return json.loads(Path(path).read_text())["metadata"]["clerp"]


def find_line(out: str, *words: str) -> list[str]:
    (line,) = (line for line in out.splitlines() if all(word in line for word in words))
    return line.split()


def test_what_a_run_cost_is_shown_and_on_record(run: Run, fake: FakeLlm) -> None:
    first = run(*LABEL, "--llm", big(fake))
    written = Path("graph.labeled.json").read_bytes()
    assert first.code == 0
    counts = [str(N_FEATURES), "0", f"{600 * N_FEATURES:,}", f"{40 * N_FEATURES:,}"]
    row = ["2", "big-2026", "max-act-logits"]
    total = f"{PAID * N_FEATURES:.4f}"
    assert find_line(first.out, "big-2026") == [*row, *counts, total]
    (cost,) = read_record()["costs"]
    assert cost == {
        "tier": 2,
        "model": "big-2026",
        "method": "max-act-logits",
        "calls": N_FEATURES,
        "prompt_tokens": 600 * N_FEATURES,
        "completion_tokens": 40 * N_FEATURES,
        "cost_usd": pytest.approx(PAID * N_FEATURES),
    }

    second = run(*LABEL, "--llm", big(fake))
    counts[1] = str(N_FEATURES)
    assert find_line(second.out, "big-2026") == [*row, *counts, total]
    assert Path("graph.labeled.json").read_bytes() == written
    assert len(fake.requests) == N_FEATURES


def test_calls_that_were_lost_are_told_and_change_no_output(run: Run, fake: FakeLlm) -> None:
    fake.answers(error(500), error(429), error(500))
    lossy = run(*LABEL, "--llm", big(fake))
    line = " ".join(find_line(lossy.out, "Lost:"))
    assert line.startswith("Lost: 2 calls that may be billed though no answer came: at most $0.0")
    assert lossy.code == 0
    written = Path("graph.labeled.json").read_bytes()

    whole = run(*LABEL, "--llm", big(fake), "--ledger", "other.db")
    assert "Lost" not in whole.out
    assert Path("graph.labeled.json").read_bytes() == written


def test_what_was_lost_of_a_model_without_a_price_is_not_known(run: Run, fake: FakeLlm) -> None:
    fake.answers(error(500))
    outcome = run(*LABEL, "--llm", f"http:unpriced@{fake.address}")
    told = " ".join(find_line(outcome.out, "Lost:"))
    assert told == "Lost: 1 call that may be billed though no answer came: unknown"


def test_a_call_takes_no_longer_than_it_may(run: Run, fake: FakeLlm) -> None:
    fake.latency = 30.0
    outcome = run(*LABEL, "--llm", big(fake), "--llm-timeout", "0.2")
    assert outcome.code == 2
    reasons = {feature["reason"] for feature in read_record()["features"].values()}
    assert any("no answer within 0.2 s" in reason for reason in reasons)


def test_a_labeler_of_tier_1_that_pays_keeps_to_the_budget(
    run: Run, fake: FakeLlm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", fake.address)
    monkeypatch.setenv("OPENAI_API_KEY", "not-needed")
    known, unknown = "litellm:openai/gpt-4o-mini", "litellm:openai/nobody-knows"
    outcome = run("label", "graph.json", "--labeler", known, "--budget", "0.000001")
    assert outcome.code == 2, outcome
    refused = run("label", "graph.json", "--labeler", unknown, "--budget", "1")
    assert refused.code == 1
    assert "the price of openai/nobody-knows is not known" in refused.err
    assert fake.requests == []
    assert run("label", "graph.json", "--labeler", known, "--budget", "1").code == 0
    assert fake.requests


def test_without_a_model_there_is_no_table_of_costs(run: Run) -> None:
    outcome = run("label", "graph.json")
    assert outcome.code == 0
    assert "US$" not in outcome.out
    assert read_record()["costs"] == []


def test_features_that_graphs_share_are_paid_and_counted_once(run: Run, fake: FakeLlm) -> None:
    write_graph(Path("second.json"), build_tiny_graph())
    outcome = run(
        "label", "graph.json", "second.json", "--out", "o/", *ALL_CROSS, "--llm", big(fake)
    )
    assert outcome.code == 0
    assert find_line(outcome.out, "big-2026")[3] == str(N_FEATURES)
    assert len(fake.requests) == N_FEATURES
    costs = [read_record(f"o/{name}.labeled.json")["costs"] for name in ("graph", "second")]
    assert costs[0] == costs[1]


def test_a_server_that_moved_is_the_same_and_no_output_names_its_place(
    run: Run, fake: FakeLlm
) -> None:
    assert run(*LABEL, "--llm", big(fake)).code == 0
    written = Path("graph.labeled.json").read_bytes()
    assert b"127.0.0.1" not in written
    moved = "http:big@http://127.0.0.1:9/v1"
    assert run(*LABEL, "--llm", moved, "--out", "moved.json").code == 0
    assert Path("moved.json").read_bytes() == written


def test_a_dry_run_says_what_calls_would_take_and_does_nothing(run: Run, fake: FakeLlm) -> None:
    before = sorted(Path().iterdir())
    outcome = run(*LABEL, "--llm", big(fake), "--dry-run")
    assert outcome.code == 0
    row = outcome.out.splitlines()[1].split()
    assert row[:2] == ["2", str(N_FEATURES)]
    likely, most = float(row[-2]), float(row[-1])
    assert 0 < likely < most
    assert fake.requests == []
    assert sorted(Path().iterdir()) == before

    assert run(*LABEL, "--llm", big(fake)).code == 0
    assert read_record()["costs"][0]["cost_usd"] < most
    again = run(*LABEL, "--llm", big(fake), "--dry-run")
    assert (again.code, again.out) == (0, "")
    assert "No model would be asked" in again.err


def test_a_dry_run_without_a_model_says_so(run: Run) -> None:
    outcome = run("label", "graph.json", "--dry-run")
    assert (outcome.code, outcome.out) == (0, "")
    assert "No model would be asked" in outcome.err
    assert not Path("graph.labeled.json").exists()


def test_why_shows_who_was_asked_how_and_what_that_cost(run: Run, fake: FakeLlm) -> None:
    fake.respond = lambda _: chat({**GOOD_ANSWER, "evidence": ["0.0", "9.9"]}, model="big-2026")
    run(*LABEL, "--llm", big(fake), "--method", "acts-top20")
    outcome = run("why", "graph.labeled.json", FEATURES[0])
    assert outcome.code == 0
    record = read_record()["features"][str(FEATURES[0])]["details"]
    for line in (
        "method: acts-top20",
        "model: big-2026",
        "calls: 1",
        "cost usd: 0.001",
        "prompt tokens: 600",
        "unknown ids: 9.9",
        f"prompt hash: {record['prompt_hash']}",
    ):
        assert line in outcome.out
    assert "You name features of a language model" in outcome.out
    assert "Note: the graph" not in outcome.out
    assert len(fake.requests) == N_FEATURES


def test_the_model_labels_all_that_is_no_artefact_and_the_route_stays(
    run: Run, fake: FakeLlm
) -> None:
    run("label", "graph.json", "--rule", "protocol", "--out", "routed.json")
    assert (
        run("label", "graph.json", "--rule", "protocol", "--llm", big(fake), "--llm-all").code == 0
    )
    routed, labeled = (
        read_record(path)["features"] for path in ("routed.json", "graph.labeled.json")
    )
    assert {name: (f["role"], f["tier"]) for name, f in labeled.items()} == {
        name: (f["role"], f["tier"]) for name, f in routed.items()
    }
    asked = [f for f in labeled.values() if f["role"] != "artefact"]
    assert {f["method"] for f in asked} == {"max-act-logits"}
    assert len(fake.requests) == len(asked)


def test_a_small_model_words_tier_1_better_and_the_proposal_is_shown(
    run: Run, fake: FakeLlm
) -> None:
    options = ("--rule", "protocol", "--refine", small(fake))
    outcome = run("label", "graph.json", *options)
    assert outcome.code == 0
    refined = [f for f in read_record()["features"].values() if f["method"] == "small-llm"]
    assert refined
    assert all(f["tier"] == 1 and f["details"]["proposal"] for f in refined)
    assert find_line(outcome.out, "small-2026", "small-llm")[:4] == [
        "1",
        "small-2026",
        "small-llm",
        str(len(refined)),
    ]
    assert {request["model"] for request in fake.requests} == {"small"}


def test_a_second_model_stands_in_and_stays_where_it_stood_in(run: Run, fake: FakeLlm) -> None:
    def deny(asked: Asked) -> Reply:
        return error(401) if asked.body["model"] == "big" else respond(asked)

    fake.respond = deny
    options = ("--llm", big(fake), "--fallback-model", small(fake))
    assert run(*LABEL, *options).code == 0
    written = Path("graph.labeled.json").read_bytes()
    details = [f["details"] for f in read_record()["features"].values()]
    assert {(d["model"], d["instead_of"]) for d in details} == {("small-2026", "http:big")}
    n_asked = len(fake.requests)

    fake.respond = respond
    assert run(*LABEL, *options).code == 0
    assert len(fake.requests) == n_asked
    assert Path("graph.labeled.json").read_bytes() == written
    told = run("why", "graph.labeled.json", FEATURES[0]).out
    assert "instead of: http:big" in told


def test_a_budget_without_a_price_is_refused_before_anything_is_sent(
    run: Run, fake: FakeLlm
) -> None:
    outcome = run(*LABEL, "--llm", f"http:unknown@{fake.address}", "--budget", "1")
    assert (outcome.code, outcome.out) == (1, "")
    assert "the price of http:unknown is not known" in outcome.err
    assert '[prices."http:unknown"]' in outcome.err
    assert fake.requests == []
    assert not Path("graph.labeled.json").exists()


def test_what_the_budget_does_not_cover_fails_and_the_rest_is_delivered(
    run: Run, fake: FakeLlm
) -> None:
    outcome = run(*LABEL, "--llm", big(fake), "--budget", "0.01", "--concurrency", "2")
    assert outcome.code == 2
    assert "the budget of $0.01 is reached" in outcome.err
    record = read_record()
    statuses = [f["status"] for f in record["features"].values()]
    assert 0 < statuses.count("labeled") < N_FEATURES
    assert statuses.count("labeled") + statuses.count("failed") == N_FEATURES
    assert record["costs"][0]["cost_usd"] <= 0.01

    assert run(*LABEL, "--llm", big(fake)).code == 0
    assert len(fake.requests) == N_FEATURES


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--llm-all",), "llm_all says something of a model, and none is named"),
        (("--llm", "http:m@http://127.0.0.1:9/v1", "--method", "guess"), "no method 'guess'"),
        (("--context", "all"), "'none', 'graph'"),
        (("--budget", "-1"), "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_in_one_line(
    run: Run, options: tuple[str, ...], said: str
) -> None:
    outcome = run(*LABEL, *options)
    assert (outcome.code, outcome.out) == (1, "")
    assert said in outcome.err
    assert len(outcome.err.splitlines()) == 1
