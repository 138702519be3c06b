"""What `clerp route`, `why` and `label` tell of a route beside its role: how likely nothing would
lead as far, which examples count, how far down the pattern holds, and how strange the text is."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.command_line import Run, assert_refused, make_runner
from tests.tiny_graph import FEATURES, build_tiny_graph, write_graph, write_records

from clerp.feature import FeatureId
from clerp.ordinary.passages import WIDTH, load_passages
from clerp.router.significance import q_values

pytestmark = pytest.mark.slow

PEAK = WIDTH // 2
PASSAGES = load_passages().tokens[::17]
N_TOP, N_LOWER = 10, 5
GERMAN = (
    "Der Staat liegt im Süden des Landes und grenzt im Westen an die Wüste . Die Hauptstadt ist "
    "klein , während die größte Stadt am Meer liegt . Viele Menschen arbeiten dort in der "
    "Landwirtschaft , die seit dem neunzehnten Jahrhundert den Wohlstand der Gegend bestimmt hat ."
)
PLAIN, REPEATED, NOTHING, FOREIGN = FEATURES[:4]


def build_example(tokens: list[str], activation: float, peak: int = PEAK) -> dict[str, Any]:
    activations = [0.0] * len(tokens)
    activations[peak] = activation
    return {"tokens": tokens, "tokens_acts_list": activations}


def place(word: str, number: int, activation: float) -> dict[str, Any]:
    tokens = list(PASSAGES[number])
    tokens[PEAK] = word or tokens[PEAK]
    return build_example(tokens, activation)


def build_record(feature: FeatureId, word: str, held: int = 0) -> dict[str, Any]:
    """Peak on a word, or on any; of the lower examples some have the word, too."""
    start = 20 * feature.layer
    top = [place(word, start + i, 5.0 - i / 100) for i in range(N_TOP)]
    lower = [
        place(word if i < held else "", start + N_TOP + i, 2.0 - i / 100) for i in range(N_LOWER)
    ]
    return {
        "layer": feature.layer,
        "index": feature.index,
        "examples_quantiles": [
            {"quantile_name": "Top activations", "examples": top},
            {"quantile_name": "Interval 1", "examples": lower},
        ],
        "top_logits": [],
        "bottom_logits": [],
    }


def build_german(feature: FeatureId) -> dict[str, Any]:
    record = build_record(feature, "")
    texts = [[f" {word}" for word in GERMAN.split()[i : i + 25]] for i in range(N_TOP)]
    for i, tokens in enumerate(texts):
        tokens[12] = " tuple"
        tokens[i] = f" wort{feature.layer}{i}"
    top = [build_example(tokens, 5.0 - i / 100, 12) for i, tokens in enumerate(texts)]
    record["examples_quantiles"][0]["examples"] = top
    return record


def build_records() -> dict[FeatureId, dict[str, Any]]:
    records = {f: build_record(f, " tuple", held=2) for f in FEATURES}
    records[NOTHING] = build_record(NOTHING, "")
    repeats = records[REPEATED]["examples_quantiles"][0]["examples"]
    for i in (7, 8, 9):
        repeats[i] = repeat(repeats[0], i)
    return records


def repeat(example: dict[str, Any], number: int) -> dict[str, Any]:
    """Change a word near the peak, without which reading drops the example, and one far away."""
    tokens = list(example["tokens"])
    tokens[PEAK - 3] = tokens[number] = f" other{number}"
    return build_example(tokens, 4.0 + number / 100)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    write_graph(tmp_path / "graph.json", build_tiny_graph())
    write_records(tmp_path / "features", build_records())
    return make_runner(capsys, monkeypatch)


def route(run: Run, *options: object) -> dict[FeatureId, dict[str, Any]]:
    lines = [
        json.loads(line) for line in run("route", "graph.json", "--json", *options).out.splitlines()
    ]
    return {FeatureId(line["layer"], line["index"]): line for line in lines}


def write_again(records: dict[FeatureId, dict[str, Any]]) -> None:
    for feature, record in records.items():
        Path("features", f"{feature.cantor}.json").write_text(json.dumps(record))


def test_chances_tell_a_feature_from_nothing_and_rates_go_with_them(run: Run) -> None:
    routed = route(run)

    p = {feature: line["p"] for feature, line in routed.items()}
    assert routed[PLAIN]["role"] == "input"
    assert p[PLAIN] <= 0.05 < p[NOTHING]
    assert routed[NOTHING]["role"] == "obscure"
    rates = q_values(list(p.values()))
    assert [line["q"] for line in routed.values()] == pytest.approx(rates, rel=5e-3)


def test_alpha_says_which_chances_are_small_enough_and_changes_none(run: Run) -> None:
    by_alpha = {alpha: route(run, "--alpha", alpha) for alpha in (0.9, 0.05, 5e-5)}

    for alpha, routed in by_alpha.items():
        assert all(line["p"] <= alpha for line in routed.values() if line["role"] != "obscure")
    chances = [line["p"] for line in by_alpha[0.05].values()]
    assert [[line["p"] for line in routed.values()] for routed in by_alpha.values()] == [
        chances
    ] * 3
    obscure = [
        {feature for feature, line in routed.items() if line["role"] == "obscure"}
        for routed in by_alpha.values()
    ]
    assert obscure[0] <= obscure[1] <= obscure[2] != set()


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--threshold", "0.3"], ["calibrated takes no threshold", "--alpha", "--rule"]),
        (["--rule", "protocol", "--alpha", "0.1"], ["protocol takes no alpha", "--threshold"]),
    ],
)
def test_what_is_for_another_rule_is_refused(run: Run, options: list[str], parts: list[str]):
    assert_refused(run("route", "graph.json", *options), *parts)


def test_alpha_may_come_from_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, strict = route(run), route(run, "--alpha", 5e-5)
    monkeypatch.setenv("CLERP_ALPHA", "5e-5")

    assert route(run) == strict != usual


def test_near_duplicates_count_once(run: Run) -> None:
    routed = route(run)

    assert (routed[REPEATED]["n_examples"], routed[REPEATED]["n_repeats"]) == (7, 3)
    assert (routed[PLAIN]["n_examples"], routed[PLAIN]["n_repeats"]) == (10, 0)
    assert routed[REPEATED]["scores"]["input"]["n"] == 7
    told = "3 of 10 examples nearly repeat stronger ones and do not count"
    assert told in " ".join(run("why", "graph.json", REPEATED).out.split())


def test_where_hardly_anything_else_is_left_the_examples_are_too_few(run: Run) -> None:
    records = build_records()
    examples = records[REPEATED]["examples_quantiles"][0]["examples"]
    for i in range(3, 7):
        examples[i] = repeat(examples[0], i)
    write_again(records)

    line = route(run)[REPEATED]

    assert (line["role"], line["tier"], line["p"]) == ("artefact", 3, None)
    assert line["reason"] == (
        "too few examples: 3 usable, 5 needed; "
        "7 of 10 examples nearly repeat stronger ones and do not count"
    )


def test_the_order_of_examples_in_the_file_makes_no_difference(run: Run) -> None:
    before = route(run)
    records = build_records()
    for record in records.values():
        record["examples_quantiles"][0]["examples"].reverse()
    write_again(records)

    assert route(run) == before


def test_breadth_counts_the_lower_examples_that_show_it(run: Run) -> None:
    routed = route(run)

    held = {"held": 2, "of": 5}
    assert routed[PLAIN]["breadth"] == {**held, "by_quantile": {"1": held}}
    assert routed[NOTHING]["breadth"] is None
    told = "2 of 5 examples below the top show what decided: quantile 1: 2 of 5"
    assert told in " ".join(run("why", "graph.json", PLAIN).out.split())


def test_strange_text_makes_a_route_less_sure_and_the_run_says_so(run: Run) -> None:
    assert run("route", "graph.json", "--json").err == ""
    records = build_records()
    records[FOREIGN] = build_german(FOREIGN)
    write_again(records)
    alone = route(run)
    write_again({feature: build_german(feature) for feature in FEATURES})
    outcome = run("route", "graph.json", "--json")

    order = ["high", "medium", "low"]
    assert "less sure, for ordinary text does not know" in alone[FOREIGN]["reason"]
    margin = alone[FOREIGN]["margin"]
    by_margin = 0 if margin >= 2 else 1 if margin >= 0.7 else 2
    assert alone[FOREIGN]["confidence"] == order[min(2, by_margin + 1)]
    assert "less sure" not in alone[PLAIN]["reason"]
    assert "of the words around the examples are unknown to the ordinary text" in outcome.err
    assert "clerp calibrate" in outcome.err


def test_all_of_it_is_in_the_record_of_a_labelled_graph_and_explains_it_again(run: Run) -> None:
    run("label", "graph.json", "--alpha", "0.01", "--out", "labeled.json")
    record = json.loads(Path("labeled.json").read_text())["metadata"]["clerp"]
    routed = route(run, "--alpha", "0.01")

    assert (record["configuration"]["alpha"], record["configuration"]["threshold"]) == (0.01, None)
    assert record["null_source"] == "shipped"
    for feature, line in routed.items():
        described = record["features"][str(feature)]
        for key in ("p", "q", "p_direction", "breadth", "margin", "n_examples", "n_repeats"):
            assert described[key] == line[key], (feature, key)
    told = json.loads(run("why", "labeled.json", PLAIN, "--json").out)
    assert told["q"] == routed[PLAIN]["q"]
    assert told["route"]["p"] == routed[PLAIN]["p"]
    chance = f"a feature of nothing leads as far with a chance of {routed[PLAIN]['p']:.2g}"
    assert chance in " ".join(run("why", "labeled.json", PLAIN).out.split())
