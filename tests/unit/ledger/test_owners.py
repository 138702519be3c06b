import os
import subprocess
import sys

import pytest

from clerp.ledger import name_owner
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
