"""How a model learns: batches, and steps down a gradient."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class Course:
    """How long and how fast a model learns: Adam, the rate falling to 0 in a straight line."""

    steps: int
    batch_size: int = 32
    rate: float = 2e-3
    seed: int = 0
    max_norm: float = 1.0
    """To which gradients are clipped."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Token ids, padded on the right."""

    ids: Int[Tensor, "text token"]
    mask: Int[Tensor, "text token"]

    @property
    def targets(self) -> Int[Tensor, "text token"]:
        """The ids, and -100 where nothing is to be learned."""
        return self.ids.masked_fill(self.mask == 0, -100)


def tokenize(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerFast, device: torch.device
) -> Batch:
    """Tokenise texts with a start token each."""
    rows = [tokenizer(text).input_ids for text in texts]
    width = max(map(len, rows))
    pad = tokenizer.pad_token_id
    ids = torch.tensor([row + [pad] * (width - len(row)) for row in rows], device=device)
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=device)
    return Batch(ids, mask)


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One step of a course."""

    chosen: tuple[int, ...]
    """Numbers of the samples to learn from."""
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    parameters: tuple[torch.nn.Parameter, ...]
    max_norm: float

    def follow(self, loss: Tensor) -> float:
        """Go down the gradient of a loss, and return the loss."""
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.max_norm)
        self.optimizer.step()
        self.schedule.step()
        return float(loss.detach())


def learn(
    parameters: Iterator[torch.nn.Parameter], n_samples: int, course: Course
) -> Iterator[Step]:
    """Yield each step of a course; samples are drawn anew for each by the course's seed."""
    learned = tuple(parameters)
    optimizer = torch.optim.Adam(learned, lr=course.rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, course.steps)
    chance = np.random.default_rng(course.seed)
    for _ in range(course.steps):
        chosen = chance.integers(n_samples, size=course.batch_size)
        yield Step(tuple(chosen.tolist()), optimizer, schedule, learned, course.max_norm)
