"""What holds for every test of this plugin."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    # Threads that wait for each other on a busy machine cost more than they bring here.
    torch.set_num_threads(1)
