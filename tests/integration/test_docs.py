"""Every command and script of the documents is run as it stands there."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fake_llm import GOOD_ANSWER, chat, run_fake_llm

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "graphs/smollm2-135m/README.md",
    ROOT / "plugins/clerp-hello/README.md",
)
_BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def list_commands(*programs: str) -> list[str]:
    """List the lines of all bash blocks that start one of the programs."""
    blocks = [
        b for path in DOCUMENTS for lang, b in _BLOCK.findall(path.read_text()) if lang == "bash"
    ]
    lines = [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return sorted({line for line in lines if shlex.split(line)[:1] and line.split()[0] in programs})


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled graphs where a command may write beside them."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "graphs", folder / "graphs")
    return folder


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    with run_fake_llm() as fake:
        fake.answers(*[chat(GOOD_ANSWER)] * 50)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        yield {
            **os.environ,
            "PATH": path,
            "OPENAI_API_BASE": fake.address,
            "OPENAI_API_KEY": "sk-canary-0123456789abcdefghij",
        }


def test_no_command_of_a_document_is_left_out() -> None:
    known = {"clerp", "make", "export", "source", "pip", "cp"}
    for path in DOCUMENTS:
        for language, block in _BLOCK.findall(path.read_text()):
            if language == "bash":
                programs = {line.split()[0] for line in block.splitlines() if line.strip()}
                assert programs <= known, path


@pytest.mark.parametrize("command", list_commands("clerp"))
def test_a_command_does_what_it_says(command: str, copy: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        shlex.split(command), cwd=copy, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", list_commands("make"))
def test_a_target_exists(command: str) -> None:
    done = subprocess.run(
        [*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_demo_labels_a_graph_and_says_where_it_is(tmp_path: Path) -> None:
    # The environment is there already, or this suite would not run.
    command = ["make", "-o", "install", "-o", ".venv/core", "demo", f"DEMO={tmp_path / 'demo'}"]
    bin_folder = f"BIN={Path(sys.executable).parent}"
    done = subprocess.run([*command, bin_folder], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "features labelled" in done.stdout
    assert str(tmp_path / "demo" / "capital-of-france.labeled.json") in done.stdout
    assert {path.name for path in (tmp_path / "demo").iterdir()} >= {
        "capital-of-france.labeled.json",
        "graph-metadata.json",
        "clerp.db",
    }


def test_the_script_of_the_readme_runs(copy: Path, environment: dict[str, str]) -> None:
    scripts = [
        b for lang, b in _BLOCK.findall((ROOT / "README.md").read_text()) if lang == "python"
    ]
    assert len(scripts) == 1
    done = subprocess.run(
        [sys.executable, "-W", "ignore::ResourceWarning", "-c", scripts[0]],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (copy / "labeled.json").exists()


def test_the_row_that_the_readme_explains_is_the_one_that_is_printed() -> None:
    readme = (ROOT / "README.md").read_text()
    picture = (ROOT / "graphs" / "capital-of-france.svg").read_text()
    row = re.search(r"The row `(.*?)`", readme)
    assert row is not None
    shown = re.sub(r"<[^>]+>|&#160;", " ", picture)
    line = next(line for line in shown.splitlines() if " 0_870 " in line)
    for cell in row[1].split(" · "):
        assert cell in " ".join(line.split()), (cell, line)


def test_the_figures_that_the_readme_quotes_are_those_that_are_printed() -> None:
    readme = " ".join((ROOT / "README.md").read_text().split())
    shown = re.sub(r"<[^>]+>|&#160;", " ", (ROOT / "graphs" / "capital-of-france.svg").read_text())
    printed = " ".join(shown.split())
    misfits = re.search(
        r"the (\d+) labels of the bundled graph (\d+) can .* (\d+) of them, with ([\d.]+%)", readme
    )
    tiers = re.search(r"(\d+) of (\d+) features are tier 1", readme)
    assert misfits is not None
    assert tiers is not None
    assert f"Of {misfits[2]} labels that can be checked, {misfits[3]} do not name" in printed
    assert f"({misfits[4]})" in printed
    assert f"all features {misfits[1]} of {tiers[2]}" in printed
    assert re.search(rf"1 token frequency \d+ of {tiers[1]} ", printed)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_a_document_names_exists(path: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", path.read_text()):
        assert (path.parent / link).exists(), link
