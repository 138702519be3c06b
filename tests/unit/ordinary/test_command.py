"""`clerp calibrate`."""

import json
from pathlib import Path

import pytest
import typer
from tests.unit.ordinary.small_text import write_story
from typer.testing import CliRunner

from clerp.embedding import WordLlamaEmbedder
from clerp.errors import ClerpError, InputError, OutputError, PluginError, UsageError
from clerp.ordinary import load_contexts, load_ordinary
from clerp.ordinary.command import calibrate

app = typer.Typer()
app.command()(calibrate)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "story.jsonl"
    lines = (json.dumps({"text": d.text, "source": d.source}) for d in write_story())
    path.write_text("\n".join(lines))
    return path


def test_a_corpus_becomes_ordinary_text(corpus: Path, tmp_path: Path):
    out = tmp_path / "out"

    done = CliRunner().invoke(app, ["--corpus", str(corpus), "--out", str(out)])

    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert [line.removeprefix("Written: ") for line in done.stderr.splitlines()] == [
        str(out / "counts.safetensors.zst"),
        str(out / "contexts-wordllama-l2_supercat-256.safetensors.zst"),
    ]
    text = load_ordinary(out)
    assert text.name == "story"
    assert [source.name for source in text.counts.sources] == ["book 0", "book 1"]
    assert load_contexts(WordLlamaEmbedder(), out).mean_contexts(["whale"], "both").any()


def test_a_text_file_will_do(corpus: Path, tmp_path: Path):
    book = tmp_path / "book.txt"
    book.write_text("\n".join(document.text for document in write_story()))

    done = CliRunner().invoke(app, ["--corpus", str(book), "--out", str(tmp_path / "out")])

    assert done.exit_code == 0, done.output
    assert load_ordinary(tmp_path / "out").rate("whale") > 0.01


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"--corpus": "missing.jsonl"}, UsageError),
        ({"--embedder": "nobody"}, PluginError),
        ({"--embedder": "wordllama:large"}, UsageError),
        ({"--out": "story.jsonl"}, OutputError),
        ({"--corpus": "empty.txt"}, InputError),
    ],
)
def test_what_cannot_be_used_is_told_and_nothing_is_written(
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: dict[str, str],
    fault: type[ClerpError],
):
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").touch()
    given = {"--corpus": corpus.name, "--out": "out"} | arguments

    done = CliRunner().invoke(app, [part for pair in given.items() for part in pair])

    assert type(done.exception) is fault
    assert not list(tmp_path.rglob("*.zst*"))
