"""The whole evaluation, small, on the tiny pair; what its tables say is read by people."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import get_args
from unittest.mock import Mock

import numpy as np
import pytest
from rich.console import Console

from clerp.embedding import WordLlamaEmbedder
from clerp.verbalizers.gates import Gates
from clerp.verbalizers.outcome import FeatureVerbalization
from clerp.verbalizers.status import Status
from clerp.verbalizers.trust import Trust
from clerp_nla.evaluation import running
from clerp_nla.evaluation.__main__ import main
from clerp_nla.evaluation.controls import Condition
from clerp_nla.evaluation.features import Asked, Claimed, KnownFeature, plant_features
from clerp_nla.evaluation.inputs import InputRow, read_planted
from clerp_nla.evaluation.items import Items
from clerp_nla.evaluation.running import CONDITIONS, Evaluation, evaluate
from clerp_nla.evaluation.tables import TOY, list_failures, list_sections, render, write_markdown
from clerp_nla.local import open_local
from clerp_nla.training.themes import Theme

pytestmark = pytest.mark.slow

THEMES = (
    *(Theme("topic", name) for name in ("music", "space")),
    Theme("token", " the"),
    Theme("word class", "verb"),
    Theme("nothing"),
)


@pytest.fixture(scope="module")
def evaluation(tiny_pair: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evaluation]:
    chosen: dict[Theme, KnownFeature] = {}
    for known in plant_features(1):
        if known.planted.theme in THEMES:
            chosen.setdefault(known.planted.theme, known)
    features, embedder = list(chosen.values()), WordLlamaEmbedder("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLERP_CACHE", str(tmp_path_factory.mktemp("cache")))
        verbalizer = open_local(str(tiny_pair))
        planted = read_planted(tiny_pair, verbalizer.reach())
        few = replace(planted, known=planted.known[::8])
        measuring = evaluate(
            verbalizer, embedder, seed=1, n_items=66, features=features, planted=few
        )
        yield asyncio.run(measuring)


def test_every_condition_has_every_feature(evaluation: Evaluation) -> None:
    assert tuple(evaluation.asked) == CONDITIONS
    assert {len(asked) for asked in evaluation.asked.values()} == {len(THEMES)}


def test_without_injection_nothing_can_be_used(evaluation: Evaluation) -> None:
    assert {one.status for one in evaluation.asked["no injection"]} == {"unusable"}


def test_random_vectors_cannot_be_used(evaluation: Evaluation) -> None:
    assert {one.status for one in evaluation.asked["random vectors"]} == {"unusable"}


def test_claims_are_read_of_every_feature(evaluation: Evaluation) -> None:
    claims = [claim for one in evaluation.asked["as it is"] for claim in one.claims]
    assert {claim.about for claim in claims} == {"topic", "word class", "token"}
    assert {claim.is_true for claim in claims} == {True, False}


def test_every_input_is_asked_about_every_planted_feature(evaluation: Evaluation) -> None:
    asked = evaluation.by_input
    assert set(asked) == set(get_args(InputRow))
    assert len({tuple(one.known.planted.feature for one in those) for those in asked.values()}) == 1
    for given, those in asked.items():
        kind = "decoder" if given.startswith("decoder") else given
        assert {one.outcome.kind for one in those} == {kind}


def plant(usual: Sequence[tuple[Status, bool]], control: Sequence[Status]) -> Evaluation:
    """Make an evaluation of which only the statuses are given, and the truth of what is said."""
    known = plant_features(1)[0]

    def make(status: Status, is_true: bool) -> Asked:
        trust = Trust(Gates(1, 1), None, None, None, None, status, "")
        outcome = FeatureVerbalization(known.planted.feature, "tiny", "example", trust=trust)
        return Asked(known, outcome, (Claimed("topic", "music", 1.0, is_true),), ())

    nothing = Items({}, {}, (), np.zeros((0, 2), dtype=np.float32))
    asked: dict[Condition, Sequence[Asked]] = {
        "as it is": [make(*one) for one in usual],
        "random vectors": [make(status, False) for status in control],
    }
    return Evaluation(1, "tiny", nothing, asked, {})


SUGGESTIVE, WEAK = ("suggestive", True), ("weak", False)


@pytest.mark.parametrize(
    ("usual", "control", "failures"),
    [
        ([SUGGESTIVE, WEAK], ["suggestive", *["weak"] * 19], []),
        (
            [SUGGESTIVE, WEAK],
            ["suggestive", *["weak"] * 18],
            ["random vectors: 5.3% above weak, more than 5%"],
        ),
        ([SUGGESTIVE], ["weak"], []),
        ([WEAK], ["weak"], ["nothing is suggestive"]),
        (
            [SUGGESTIVE, ("suggestive", False), ("weak", True), WEAK],
            ["unusable"],
            ["commonest claims: 50% of the suggestive are true, no more than 50% of the weak"],
        ),
    ],
)
def test_what_is_not_as_asked_is_said_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    usual: list[tuple[Status, bool]],
    control: list[Status],
    failures: list[str],
) -> None:
    planted = plant(usual, control)

    async def measure(*_: object, **__: object) -> Evaluation:
        return planted

    assert list_failures(planted) == failures
    for name, value in (
        ("open_local", lambda _: Mock()),
        ("read_planted", lambda *_: None),
        ("find", lambda *_: None),
        ("evaluate", measure),
        ("render", lambda _: "shown"),
    ):
        monkeypatch.setattr(f"clerp_nla.evaluation.__main__.{name}", value)
    monkeypatch.setattr("sys.argv", ["evaluation", "tiny"])
    ends = pytest.raises(SystemExit, match=r"^1$") if failures else nullcontext()
    with ends:
        main()
    assert capsys.readouterr().err == "".join(f"not as asked: {line}\n" for line in failures)


def test_no_two_seeds_share_documents() -> None:
    seeds = {"items": running._ITEMS, "others": running._OTHERS}
    features = len(plant_features(1))

    assert features < min(seeds.values()) < max(seeds.values()) < 10_000
    assert len(set(seeds.values())) == 2


def test_a_folder_that_is_no_pair_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["evaluation", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_tables_say_the_same_in_a_terminal_and_in_markdown(evaluation: Evaluation) -> None:
    markdown = write_markdown(evaluation)
    console = Console(width=240, record=True)
    console.print(render(evaluation))
    shown = console.export_text()
    for section in list_sections(evaluation):
        assert section.title in shown
        assert f"**{section.title}**" in markdown
        for row in section.rows:
            assert len(row) == len(section.columns)
            assert f"| {' | '.join(row)} |" in markdown
            assert all(cell in shown for cell in row)
    assert TOY in markdown
