"""Groupers against the supernodes that people made.

Only feature nodes inside a person's supernode count: what a person left out may be of no interest,
or may have been too much work. Groupers see the whole graph with its labels, and neither groups nor
pins. A node that one leaves out is a group of its own.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from clerp.errors import UsageError
from clerp.evaluation.group_baselines import BASELINES
from clerp.evaluation.group_truth import TrueGroups
from clerp.evaluation.measures import Figures
from clerp.evaluation.partitions import AGREEMENTS, Agreement, overlay
from clerp.evaluation.resampling import (
    LEVEL,
    RESAMPLES,
    SEED,
    Estimate,
    centre,
    draw_features,
    estimate,
)
from clerp.grouping import group_nodes, read_names
from clerp.plugins import Grouper

_Partition = Sequence[Hashable]
_Draws = Mapping[str, Mapping[Agreement, Figures]]


@dataclass(frozen=True, slots=True)
class Entrant:
    """How far a grouper, or a baseline, agrees with people."""

    name: str
    is_baseline: bool
    figures: Mapping[Agreement, Estimate]
    behind: Mapping[Agreement, Estimate]
    """How far the first grouper is ahead of this one, on the same resamples."""


@dataclass(frozen=True, slots=True)
class GroupCount:
    """How much an entrant groups, among the nodes that count."""

    groups: int
    """Groups of at least two nodes."""
    nodes: int
    """Nodes in these."""


@dataclass(frozen=True, slots=True)
class NodeGroups:
    """One node that counts: what people and groupers made of it."""

    node_id: str
    truth: str
    found: Mapping[str, str | None]
    """Name of the supernode, by grouper; None where it left the node out."""


@dataclass(frozen=True, slots=True)
class GraphGroups:
    """All entrants on one graph."""

    graph: str
    digest: str
    truth: tuple[tuple[str, int], ...]
    """People's supernodes and how many nodes that count each has; names may repeat."""
    n_counted: int
    n_shared: int
    """Feature nodes that do not count because several supernodes have them."""
    n_proposed: int
    """Supernodes that do not count because they are clerp's proposals, renamed or changed."""
    n_feature_nodes: int
    entrants: tuple[Entrant, ...]
    counts: Mapping[str, GroupCount]
    nodes: tuple[NodeGroups, ...]


@dataclass(frozen=True, slots=True)
class GroupsReport:
    """How far groupers agree with people, and how sure that is."""

    first: str
    """The grouper that every other entrant is compared with."""
    level: float
    """Share of resamples that lies between the ends of an interval."""
    resamples: int
    seed: int
    graphs: tuple[GraphGroups, ...]
    mean: tuple[Entrant, ...]
    """Over the graphs, all of one weight. They are taken as given: only nodes are resampled."""


@dataclass(frozen=True, slots=True)
class _Trial:
    """What all entrants made of one graph."""

    truth: TrueGroups
    found: Mapping[str, Mapping[str, str]]
    """Name of the supernode, by grouper and node id."""
    partitions: Mapping[str, _Partition]
    """By entrant, what the nodes of a group share; nodes in the order of the truth."""


def evaluate_groups(truths: Sequence[TrueGroups], groupers: Mapping[str, Grouper]) -> GroupsReport:
    """Hold groupers and the baselines against people's supernodes.

    Args:
        truths: One for each graph.
        groupers: By name; the first is compared with every other and with the baselines.

    Raises:
        UsageError: There is no graph or no grouper, or one has the name of a baseline.
    """
    _check(truths, groupers)
    trials = [_try(truth, groupers) for truth in truths]
    draws = [_measure(trial, stream) for stream, trial in enumerate(trials)]
    return GroupsReport(
        first=next(iter(groupers)),
        level=LEVEL,
        resamples=RESAMPLES,
        seed=SEED,
        graphs=tuple(map(_describe, trials, draws)),
        mean=_compare(_average(draws)),
    )


def _check(truths: Sequence[TrueGroups], groupers: Mapping[str, Grouper]) -> None:
    if not truths or not groupers:
        raise UsageError("there is nothing to compare", remedy="Give a graph and a grouper")
    if taken := sorted(BASELINES.keys() & groupers.keys()):
        raise UsageError(f"{taken[0]!r} is a baseline", remedy="Call the grouper otherwise")


def _try(truth: TrueGroups, groupers: Mapping[str, Grouper]) -> _Trial:
    names = read_names(truth.graph)
    found: dict[str, dict[str, str]] = {}
    for name, grouper in groupers.items():
        supernodes = group_nodes(truth.graph, names, grouper).supernodes
        found[name] = {node_id: group.name for group in supernodes for node_id in group.node_ids}
    # A tuple is no name: a node that was left out is alone.
    partitions: dict[str, _Partition] = {
        name: [group_of.get(node.node_id, (node.node_id,)) for node in truth.nodes]
        for name, group_of in found.items()
    }
    for name, share in BASELINES.items():
        partitions[name] = [share(node, names) for node in truth.nodes]
    return _Trial(truth, found, partitions)


def _measure(trial: _Trial, stream: int) -> _Draws:
    truth = np.array(trial.truth.groups)
    weights = draw_features(len(truth), stream)
    measured: dict[str, Mapping[Agreement, Figures]] = {}
    for name, groups in trial.partitions.items():
        overlap = overlay(truth, _number(groups), weights)
        figures: dict[Agreement, Figures] = {
            how: measure(overlap) for how, measure in AGREEMENTS.items()
        }
        # Copies of a node always share a group, which V, unlike pairs, takes for agreement.
        figures["v_measure"] = centre(figures["v_measure"])
        measured[name] = figures
    return measured


def _number(groups: _Partition) -> Int[np.ndarray, " node"]:
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    return np.array([numbers[group] for group in groups], dtype=np.int64)


def _average(draws: Sequence[_Draws]) -> _Draws:
    return {
        name: {how: np.mean([each[name][how] for each in draws], axis=0) for how in AGREEMENTS}
        for name in draws[0]
    }


def _compare(measured: _Draws) -> tuple[Entrant, ...]:
    first = next(iter(measured.values()))
    return tuple(
        Entrant(
            name=name,
            is_baseline=name in BASELINES,
            figures={how: estimate(draws) for how, draws in figures.items()},
            behind={how: estimate(first[how] - draws) for how, draws in figures.items()},
        )
        for name, figures in measured.items()
    )


def _describe(trial: _Trial, measured: _Draws) -> GraphGroups:
    truth = trial.truth
    sizes = Counter(truth.groups)
    return GraphGroups(
        graph=truth.name,
        digest=truth.graph.digest,
        truth=tuple((name, sizes[place]) for place, name in enumerate(truth.names)),
        n_counted=len(truth.nodes),
        n_shared=truth.n_shared,
        n_proposed=truth.n_proposed,
        n_feature_nodes=len(truth.graph.feature_nodes),
        entrants=_compare(measured),
        counts={name: _count(groups) for name, groups in trial.partitions.items()},
        nodes=tuple(
            NodeGroups(
                node_id=node.node_id,
                truth=truth.names[group],
                found={name: group_of.get(node.node_id) for name, group_of in trial.found.items()},
            )
            for node, group in zip(truth.nodes, truth.groups, strict=True)
        ),
    )


def _count(groups: _Partition) -> GroupCount:
    sizes = [size for size in Counter(groups).values() if size > 1]
    return GroupCount(len(sizes), sum(sizes))
