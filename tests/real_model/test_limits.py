"""A real model with a price, with orders in its examples, and with too short a context."""

import json
from pathlib import Path

import pytest
from tests.faults.payloads import ORDERS, Payload
from tests.real_model.llama_server import LlamaServer, serve_model
from tests.real_model.place import (
    Document,
    Place,
    choose_features,
    make_place,
    name_ways,
    read_evidence,
)
from tests.tiny_graph import write_records

N_FEATURES = 4
N_POISONED = 2
BESIDE = 3
"""Tokens before the peak at which an order stands: nearer than whoever writes a text can choose."""
PROMPT_PRICE, ANSWER_PRICE = 1.0, 10.0
"""US dollars per million tokens."""

pytestmark = pytest.mark.timeout(1800)


@pytest.mark.parametrize("transport", ["http", "litellm"])
def test_with_a_price_every_call_is_billed_by_its_tokens(
    server: LlamaServer, tmp_path: Path, transport: str
) -> None:
    way = name_ways(server.address)[transport]
    place = make_place(tmp_path / "place", 1, way)
    (place.folder / "clerp.toml").write_text(
        f'[prices."{way.priced_as}"]\ninput = {PROMPT_PRICE}\noutput = {ANSWER_PRICE}\n'
    )
    ended = place.label("--budget", "0.5")
    assert ended.code in {0, 2}, ended
    answers = place.read_answers()
    assert answers
    for answer in answers:
        assert answer.prompt_tokens
        assert answer.completion_tokens
        billed = PROMPT_PRICE * answer.prompt_tokens + ANSWER_PRICE * answer.completion_tokens
        assert answer.cost_usd == pytest.approx(billed / 1e6)
    (cost,) = place.read_record()["costs"]
    assert cost["cost_usd"] == pytest.approx(sum(answer.cost_usd or 0 for answer in answers))


def test_an_order_in_one_example_changes_no_other_feature(
    server: LlamaServer, tmp_path: Path
) -> None:
    chosen = choose_features(N_FEATURES)
    features = write_records(
        tmp_path / "features", {feature: read_evidence(feature) for feature in chosen}
    )
    way = name_ways(server.address)["http"]
    place = make_place(tmp_path / "place", N_FEATURES, way, features)
    place.label()
    clean, n_answers = describe(place), len(place.read_answers())
    # Of different kinds.
    orders = dict(zip(chosen[::2], ORDERS[:: len(ORDERS) // N_POISONED], strict=False))
    for feature, order in orders.items():
        path = features / f"{feature.cantor}.json"
        path.write_text(json.dumps(poison(read_evidence(feature), order)))
    n_requests = len(server.list_statuses())
    ended = place.label()
    poisoned = describe(place)
    assert ended.code in {0, 2}, ended
    for feature in chosen:
        name = str(feature)
        if feature not in orders:
            assert poisoned[name] == clean[name]
            continue
        assert poisoned[name]["evidence_digest"] != clean[name]["evidence_digest"]
        assert poisoned[name]["label"].casefold() != orders[feature].label.casefold()
    # One request more where the server refuses the form that it is first asked in.
    assert len(server.list_statuses()) - n_requests <= 2 * N_POISONED + 2
    assert len(place.read_answers()) - n_answers in range(N_POISONED, 2 * N_POISONED + 1)


@pytest.mark.parametrize("transport", ["http", "litellm"])
def test_a_model_with_too_short_a_context_is_a_failure_that_says_so(
    materials: Path, tmp_path: Path, transport: str
) -> None:
    with serve_model(materials, tmp_path / "log", context_tokens=512) as short:
        place = make_place(tmp_path / "place", 3, name_ways(short.address)[transport])
        ended = place.label()
        n_requests = len(short.list_statuses())
    assert ended.code == 2, ended
    for feature in place.read_record()["features"].values():
        assert feature["status"] == "failed"
        assert "maximum context length is 512 tokens" in feature["reason"]
    # None is asked twice in the same form: it would be no shorter.
    assert n_requests <= 3 + 2
    assert place.read_answers() == []


def poison(record: Document, order: Payload) -> Document:
    """Put an order into the strongest example of a feature."""
    examples = record["examples_quantiles"][0]["examples"]
    strongest = max(examples, key=lambda example: max(example["tokens_acts_list"]))
    activations = strongest["tokens_acts_list"]
    peak = activations.index(max(activations))
    strongest["tokens"][max(0, peak - BESIDE)] = f" {order.text}"
    return record


def describe(place: Place) -> dict[str, Document]:
    return place.read_record()["features"]
