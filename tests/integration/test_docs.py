"""Every command and script of the documents is run as it stands there."""

import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.evidence_servers import make_row, serve_hub, serve_neuronpedia, write_export
from tests.fake_llm import always_good, run_fake_llm
from tests.loopback import serve
from tests.tiny_graph import build_records, write_bins
from tests.traced_graphs import WORDS, save_transcoders, trace_graph, write_json

from clerp.graph import read_graph

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "graphs/smollm2-135m/README.md",
    *sorted(ROOT.glob("plugins/*/README.md")),
)
_TOY = "plugins/clerp-nla/tests/tiny"
_BLOCK = re.compile(r"^ *```(bash|python)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


def list_blocks(language: str) -> list[tuple[Path, str]]:
    """List the blocks of a language, each with the document that it stands in."""
    return [
        (path, textwrap.dedent(block))
        for path in DOCUMENTS
        for lang, block in _BLOCK.findall(path.read_text())
        if lang == language
    ]


def list_lines(block: str, *programs: str) -> list[str]:
    """List the lines of a block that start one of the programs."""
    lines = [line.partition("  #")[0].strip() for line in block.splitlines()]
    return [line for line in lines if shlex.split(line)[:1] and line.split()[0] in programs]


def name_blocks(blocks: list[tuple[Path, str]]) -> list[Any]:
    return [
        pytest.param(block, id=f"{path.relative_to(ROOT).parent.name or 'README'}-{number}")
        for number, (path, block) in enumerate(blocks)
    ]


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled graphs, and all that the documents call by a name of the reader's own."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "graphs", folder / "graphs")
    traced = trace_graph(folder / "my-model")
    traced.to_pt(str(folder / "graph.pt"))
    write_json(traced, folder, "graph")
    save_transcoders(folder / "my-transcoders")
    save_transcoders(folder / "my-layers")
    (folder / "my-layers" / "config.yaml").unlink()
    shutil.copytree(ROOT / _TOY, folder / _TOY)
    for copying in {line for _, block in list_blocks("bash") for line in list_lines(block, "cp")}:
        subprocess.run(shlex.split(copying), cwd=folder, check=True)
    (folder / "texts").mkdir()
    text = " ".join(random.Random(0).choices(WORDS, k=3000))
    (folder / "texts" / "counting.txt").write_text(text)
    for feature, record in build_records(read_graph(folder / "graph.json").features).items():
        row = make_row(feature, record, "gemma-2-2b", "clt-hp")
        write_export(folder / "gemma-2-2b" / row["layer"], [row], f"batch-{feature.index}")
    return folder


@pytest.fixture
def copy(ready: Path, tmp_path: Path) -> Path:
    return shutil.copytree(ready, tmp_path / "clone")


@pytest.fixture
def environment(copy: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    records = build_records(read_graph(copy / "graph.json").features)
    hub = serve_hub(write_bins(tmp_path / "hub", records))
    rows = [make_row(f, record, "gemma-2-2b", "clt-hp") for f, record in records.items()]
    with (
        run_fake_llm(always_good) as fake,
        serve(hub) as files,
        serve(serve_neuronpedia(rows)) as features,
    ):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        yield {
            **os.environ,
            "PATH": path,
            "OPENAI_API_BASE": fake.address,
            "OPENAI_API_KEY": "sk-canary-0123456789abcdefghij",
            "HF_ENDPOINT": files.address,
            "NEURONPEDIA_URL": features.address,
            "CLERP_CACHE": str(tmp_path / "cache"),
        }


def test_no_command_of_a_document_is_left_out() -> None:
    known = {"clerp", "make", "export", "source", "pip", "cp", "pytest"}
    for path, block in list_blocks("bash"):
        assert {line.split()[0] for line in block.splitlines() if line.strip()} <= known, path


BUILT = "build/"
"""Commands on what only a longer build makes; `make collected` runs them."""
COMMANDS = [
    (path, block)
    for path, block in list_blocks("bash")
    if list_lines(block, "clerp") and BUILT not in block
]


def test_commands_on_what_was_built_are_those_that_make_runs() -> None:
    built = [
        line
        for _, block in list_blocks("bash")
        for line in list_lines(block, "clerp")
        if BUILT in line
    ]
    planned = subprocess.run(
        ["make", "--dry-run", "collected", "BIN=bin"], cwd=ROOT, capture_output=True, text=True
    )
    assert len(built) == 1
    assert f"bin/{built[0]}\n" in planned.stdout


@pytest.mark.parametrize("block", name_blocks(COMMANDS))
def test_commands_do_what_they_say(block: str, copy: Path, environment: dict[str, str]) -> None:
    for command in list_lines(block, "clerp"):
        if _PAGE.match(command):
            visit_page(command, copy, environment)
            continue
        done = subprocess.run(
            shlex.split(command), cwd=copy, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout or _DONE.search(done.stderr)
        assert "Traceback" not in done.stderr


_PAGE = re.compile(r"clerp (review(?! export| import| terms)|open)")
_DONE = re.compile(r"Written: |decisions added|judge each of")


def visit_page(command: str, folder: Path, environment: dict[str, str]) -> None:
    """Start the page, open it as a browser does, and end it as Ctrl-C does."""
    quiet = environment | {"BROWSER": "true"}
    page = subprocess.Popen(
        [*shlex.split(command), "--port", "0"],
        cwd=folder,
        env=quiet,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert page.stderr is not None
    with page.stderr as told:
        try:
            address = next(line for line in told if "/enter?" in line).split()[-1]
            with httpx.Client(follow_redirects=True) as visitor:
                visitor.get(address)
                answer = visitor.get(address.partition("enter?")[0])
        finally:
            page.send_signal(signal.SIGINT)
        assert page.wait(20) == 130
        assert "Traceback" not in told.read()
    assert answer.status_code == 200
    assert "<script" in answer.text


MAKES = sorted({line for _, block in list_blocks("bash") for line in list_lines(block, "make")})


@pytest.mark.parametrize("command", MAKES)
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


@pytest.mark.parametrize("script", name_blocks(list_blocks("python")))
def test_a_script_of_a_document_runs(script: str, copy: Path, environment: dict[str, str]) -> None:
    before = set(copy.iterdir())
    done = subprocess.run(
        [sys.executable, "-W", "ignore::ResourceWarning", "-c", script],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in set(copy.iterdir()) - before} & {"labeled.json", "features"}


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
