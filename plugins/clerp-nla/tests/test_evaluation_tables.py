"""The whole evaluation, small, on the tiny pair; what its tables say is read by people."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from clerp.embedding import WordLlamaEmbedder
from clerp_nla.evaluation.__main__ import main
from clerp_nla.evaluation.features import KnownFeature, plant_features
from clerp_nla.evaluation.running import CONDITIONS, Evaluation, evaluate
from clerp_nla.evaluation.tables import TOY, list_sections, render, write_markdown
from clerp_nla.local import open_local
from clerp_nla.training.themes import Theme

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
        yield asyncio.run(evaluate(verbalizer, embedder, seed=1, n_items=66, features=features))


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
