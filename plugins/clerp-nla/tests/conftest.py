"""What holds for every test of this plugin, and the tiny pair: a toy, trained on a grammar."""

from pathlib import Path

import pytest
import torch

TINY_PAIR = Path(__file__).with_name("tiny")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    # Threads that wait for each other on a busy machine cost more than they bring here.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_pair() -> Path:
    """Folder with subject/, av/, ar/, transcoders/, features/, graph.json and truth.json.

    Made by `python -m clerp_nla.training`; not to be written into.
    """
    return TINY_PAIR
