"""Flags and settings that cannot be used, and the installed command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.command_line import Outcome, assert_refused
from tests.integration.bad_input.workplace import (
    CAP,
    DAMAGED,
    RECORD,
    Workplace,
    assert_only_damaged_waits,
    change_examples,
    set_activations,
)
from tests.tiny_graph import build_records

BAD_FLAGS = {
    "--rule": ("x", "there is no rule 'x'", "Known: calibrated, protocol"),
    "--target": ("x", "there is no target 'x'", "Known: circuit-tracer"),
    "--embedder": ("x", "there is no embedder 'x'", "Installed: "),
    "--labeler": ("x", "there is no labeler 'x'", "Installed: "),
    "--windows": ("x", "'x' is not a window", "Write windows like input=-1:0"),
    "--alpha": ("1", "the alpha 1 is no chance", "Give --alpha a number from 5e-05 to below 1"),
    "--threshold": ("3", "the rule calibrated takes no threshold", "Give --alpha"),
    "--existing": ("x", "existing", "compare"),
    "--style": ("x", "style", "bracket"),
    "--max-graph-bytes": ("x", "max-graph-bytes", ""),
    "--rows": ("x", "rows", ""),
    "--nosuch": ("x", "--nosuch", "clerp label --help"),
}


@pytest.mark.parametrize(
    ("flag", "value", "what", "remedy"),
    [(flag, *case) for flag, case in BAD_FLAGS.items()],
    ids=BAD_FLAGS,
)
def test_a_bad_flag_is_bad_usage(
    place: Workplace, flag: str, value: str, what: str, remedy: str
) -> None:
    place.assert_label_refused(what, remedy, flags=(flag, value))


@pytest.mark.parametrize("threshold", ["nan", "inf", "0", "-1"])
def test_a_threshold_that_decides_nothing_is_refused(place: Workplace, threshold: str) -> None:
    flags = ("--rule", "protocol", "--threshold", threshold)
    place.assert_label_refused(f"the threshold {float(threshold):g}", flags=flags)


def test_an_empty_name_of_a_ledger_is_not_a_ledger_that_forgets(place: Workplace) -> None:
    place.assert_label_refused("ledger", flags=("--ledger", ""))


@pytest.mark.parametrize(
    "arguments",
    [["nosuch"], ["label"], ["why", "graph.json", "Dallas"], ["why", "graph.json", "99_1"]],
)
def test_a_bad_command_is_bad_usage(place: Workplace, arguments: list[str]) -> None:
    assert_refused(place.run(*arguments))


@pytest.mark.parametrize("content", ["rule = [", "colour = 1", "concurrency = 0", b"\xff"])
def test_a_bad_settings_file_is_named(place: Workplace, content: str | bytes) -> None:
    text = content if isinstance(content, bytes) else content.encode()
    (place.folder / "clerp.toml").write_bytes(text)

    place.assert_label_refused("clerp: clerp.toml: ")


def run_process(folder: Path, *command: object) -> Outcome:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "always", "OPENBLAS_NUM_THREADS": "1"},
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def test_the_installed_command_says_one_line_without_traceback_or_warning(
    place: Workplace,
) -> None:
    command = Path(sys.executable).with_name("clerp")
    outcome = run_process(place.folder, command, "label", "none.json")
    assert_refused(outcome, "clerp: none.json: there is no such file", "Check the path")

    outcome = run_process(place.folder, command, "label", place.graph, "--nosuch")
    assert_refused(outcome, "--nosuch", "clerp label --help")


def test_bad_evidence_brings_no_warning_of_numpy_to_the_terminal(place: Workplace) -> None:
    record = build_records()[DAMAGED]
    change_examples(set_activations(float("nan"), 1e39, -1e400))(record)
    (place.features / RECORD).write_text(json.dumps(record))
    command = Path(sys.executable).with_name("clerp")

    outcome = run_process(place.folder, command, "label", place.graph, "--out", place.out)

    assert_only_damaged_waits(place, outcome, "activation not finite")
    assert outcome.err == f"Written: {place.out}\n"


def test_a_file_of_two_gigabytes_is_refused_without_being_read(place: Workplace) -> None:
    """In a process that has less memory than that."""
    huge = place.folder / "huge.json"
    huge.touch()
    os.truncate(huge, 2**31)
    limited = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31));"
        "from clerp.cli import main; main()"
    )

    outcome = run_process(place.folder, sys.executable, "-c", limited, "label", huge)

    assert_refused(outcome, f"clerp: {huge}: more than 1,073,741,824 bytes of JSON", CAP)
