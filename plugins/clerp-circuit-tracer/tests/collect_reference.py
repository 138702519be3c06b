"""The same evidence as `clerp collect` gathers, computed slowly from the whole corpus at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from clerp_circuit_tracer.collect.activity import Row
from clerp_circuit_tracer.collect.settings import CollectSettings

from .collect_reader import TableReader


@dataclass(frozen=True, slots=True)
class Spot:
    """A token of the corpus, what the feature does there, and the text around it."""

    row: int
    position: int
    value: float
    followed: bool
    near: tuple[int, ...]
    window: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """One feature over the whole corpus."""

    n_tokens: int
    positive: np.ndarray
    peaks: list[Spot]
    others: list[Spot]
    near_misses: list[Spot]
    off_windows: list[Spot]


def observe(
    rows: Sequence[Row], reader: TableReader, number: int, settings: CollectSettings, prefix: int
) -> Reference:
    """Look at every token of every row by itself."""
    peaks: list[Spot] = []
    others: list[Spot] = []
    near_misses: list[Spot] = []
    off_windows: dict[tuple[int, int], Spot] = {}
    n_tokens = 0
    for row in rows:
        tokens = row.tokens.tolist()
        length = len(tokens)
        n_tokens += max(length - prefix, 0)
        lengths = torch.tensor([length])
        activations, margins = reader.compute(row.tokens[None], lengths, prefix)
        on = activations[0, :, number].tolist()
        margin = margins[0, :, number].tolist()
        drive = [a if a > 0 else m for a, m in zip(on, margin, strict=True)]
        for p in range(prefix, length):
            start = max(prefix, min(p - settings.context, length - settings.width))
            end = min(start + settings.width, length)
            spot = Spot(
                row=row.number,
                position=p,
                value=drive[p],
                followed=p + settings.context < length,
                near=tuple(
                    tokens[q] if prefix <= q < length else -1
                    for q in range(p - settings.distinct, p + settings.distinct + 1)
                ),
                window=tuple(tokens[start:end]),
            )
            earlier = drive[max(prefix, p - settings.spacing + 1) : p]
            tops = drive[p] == max(drive[start:end]) and drive[p] not in earlier
            if drive[p] > 0:
                (peaks if tops else others).append(spot)
            elif tops:
                near_misses.append(spot)
            if max(drive[start:end]) <= 0:
                off_windows.setdefault((row.number, start), spot)
    positive = np.array([spot.value for spot in (*peaks, *others)])
    return Reference(n_tokens, positive, peaks, others, near_misses, list(off_windows.values()))


def rank_contexts(spots: Iterable[Spot], size: int) -> list[Spot]:
    """Return the best spot of each of the best contexts."""
    best: dict[tuple[int, ...], Spot] = {}
    for spot in sorted(spots, key=lambda spot: (-spot.value, spot.row, spot.position)):
        best.setdefault(spot.near, spot)
    return list(best.values())[:size]


def select(spots: Iterable[Spot], count: int, spacing: int) -> list[Spot]:
    """Take the first spots that share no text and lie apart."""
    chosen: list[Spot] = []
    for spot in spots:
        if len(chosen) < count and all(
            spot.near != other.near
            and spot.window != other.window
            and (spot.row != other.row or abs(spot.position - other.position) >= spacing)
            for other in chosen
        ):
            chosen.append(spot)
    return chosen
