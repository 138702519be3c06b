"""Texts of a corpus that give orders, and a model that obeys every one of them."""

import json
import re
from collections.abc import Callable

import pytest
from tests.command_line import Outcome, take_stock
from tests.fake_llm import GOOD_ANSWER, Asked, FakeLlm, Reply, chat
from tests.faults.figures import Figures
from tests.faults.payloads import ORDERS, PAYLOADS
from tests.faults.place import (
    Place,
    list_features,
    name_by_prompt,
    write_settings,
)

pytestmark = pytest.mark.slow

Label = Callable[..., Outcome]

N_CLEAN = 20
BESIDE = 2
"""Token that gives the order: near the peak, which nobody who writes a text can choose."""
POISONED = list_features(len(PAYLOADS))
CLEAN = list_features(len(PAYLOADS) + N_CLEAN)[-N_CLEAN:]
EVERY = ("--llm-all", "--rows", "1000")

# HTML, Markdown, escapes, what is not to be seen, and what a spreadsheet takes for a formula.
ACTIVE = re.compile(
    r"[<>`\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u3164\U000e0000-\U000e007f]"
    r"|\]\(|\*\*|^[\s＝＠＋－=@+-]"
)


@pytest.fixture
def n_features() -> int:
    return len(POISONED) + N_CLEAN


def poison(place: Place) -> None:
    """Put an order into the strongest example of every feature but the last few."""
    for number, (feature, payload) in enumerate(zip(POISONED, PAYLOADS, strict=True)):
        path = place.folder / "features" / f"{feature.cantor}.json"
        record = json.loads(path.read_text())
        examples = record["examples_quantiles"][0]["examples"]
        strongest = max(examples, key=lambda example: max(example["tokens_acts_list"]))
        strongest["tokens"][BESIDE] = f" {payload.text} (order {number})"
        path.write_text(json.dumps(record))


def obey(asked: Asked) -> Reply:
    found = re.search(r"\(order (\d+)\)", asked.body["messages"][1]["content"])
    if found is None:
        return name_by_prompt(asked)
    return chat({**GOOD_ANSWER, "label": PAYLOADS[int(found[1])].label, "evidence": ["0.0"]})


def test_an_obeyed_order_changes_no_other_feature_and_no_file(
    place: Place, fake: FakeLlm, label: Label, figures: Figures
) -> None:
    write_settings(place.folder, {"http:m": (1.0, 4.0)})
    label(*EVERY, concurrency=64)
    clean = describe(place)
    for left in place.folder.glob("clerp.db*"):
        left.unlink()
    place.out.unlink()
    poison(place)
    before = take_stock(place.folder)
    fake.respond = obey
    outcome = label(*EVERY, concurrency=64)
    after = take_stock(place.folder)
    described = describe(place)
    changed = [
        *(name for name, said in described.items() if said != clean[name]),
        *(name for name in before if after[name] != before[name]),
        *(after.keys() - before.keys() - {"clerp.db", "graph.labeled.json"}),
    ]
    shown = {feature: node["clerp"] for feature, node in place.read_nodes().items()}
    active = [text for text in shown.values() if ACTIVE.search(text)]
    obeyed = [
        payload
        for feature, payload in zip(POISONED, PAYLOADS, strict=True)
        if payload in ORDERS and shown[feature] == payload.label
    ]
    row = f"injection, {len(PAYLOADS)} payloads, a model that obeys"
    figures.note(
        row,
        "no other feature, setting or file changes",
        f"{len(changed)} of {len(described)} and {len(before)} files",
    )
    figures.note(row, "labels inert", f"{len(active)} active, {len(obeyed)} orders obeyed")
    assert not changed
    assert not active
    assert not obeyed
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", outcome.out + outcome.err)


def describe(place: Place) -> dict[str, object]:
    """Return all that an output says of the features without orders, and its settings."""
    record, nodes = place.read_record(), place.read_nodes()
    said = {str(feature): (nodes[feature], record["features"][str(feature)]) for feature in CLEAN}
    return {**said, **record["configuration"]}
