import os
import subprocess
import sys
from pathlib import Path

import pytest

from clerp.ledger import name_owner, owners
from clerp.ledger.owners import is_gone

NAME = "from clerp.ledger import name_owner; print(name_owner(), flush=True); input()"


def test_this_process_is_not_gone():
    assert not is_gone(name_owner())


def test_two_runs_of_one_process_have_two_names():
    assert name_owner() != name_owner()


def test_an_ended_process_is_gone_even_before_its_parent_looks():
    child = subprocess.Popen(
        [sys.executable, "-c", NAME], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    owner = child.stdout.readline().strip()
    assert not is_gone(owner)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(owner)
    child.communicate()
    assert is_gone(owner)


def test_a_number_given_to_another_process_is_another_process():
    machine, pid, start, run = name_owner().split("-")
    assert is_gone(f"{machine}-{pid}-{int(start) + 1}-{run}")


@pytest.mark.parametrize("owner", ["", "ada", "0" * 16 + "-1-1-" + "0" * 8])
def test_who_is_not_known_is_not_gone(owner: str):
    assert not is_gone(owner)


def test_a_process_whose_start_was_not_known_is_not_gone():
    machine, _, _, run = name_owner().split("-")
    assert not is_gone(f"{machine}-{2**22 + 1}-0-{run}")


def test_a_process_that_the_system_hides_is_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    owner = name_owner()
    # As hidepid=2 of proc(5) shows the processes of others.
    monkeypatch.setattr(owners, "_PROCESSES", tmp_path)
    assert not is_gone(owner)


def test_a_process_whose_state_is_forbidden_is_not_gone(monkeypatch: pytest.MonkeyPatch):
    owner = name_owner()

    def forbid(*_: object) -> str:
        raise PermissionError

    # As hidepid=1 does.
    monkeypatch.setattr(Path, "read_text", forbid)
    assert not is_gone(owner)


def test_a_process_of_somebody_else_is_not_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    owner = name_owner()

    def forbid(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(owners, "_PROCESSES", tmp_path)
    monkeypatch.setattr(os, "kill", forbid)
    assert not is_gone(owner)


def test_a_process_that_ended_is_gone_though_the_system_shows_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    child = subprocess.run([sys.executable, "-c", NAME], input="\n", capture_output=True, text=True)
    name_owner()
    monkeypatch.setattr(owners, "_PROCESSES", tmp_path)
    assert is_gone(child.stdout.strip())


@pytest.mark.parametrize("pid", ["0", "9" * 12])
def test_what_is_no_number_of_a_process_is_not_gone(pid: str):
    machine, _, start, run = name_owner().split("-")
    assert not is_gone(f"{machine}-{pid}-{start}-{run}")
