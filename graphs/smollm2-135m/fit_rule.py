"""Fit the weights of the `calibrated` rule.

    python graphs/smollm2-135m/fit_rule.py --corpus build/ordinary/corpus.jsonl

Three kinds of features teach it: the `work` part of roles.jsonl, each feature once for either
annotation pass (artefacts left out); the annotated random directions in directions/, each as
often as it stands for directions; and planted features of all kinds but artefacts, with seeds below
100. It is a multinomial logistic regression with standardised inputs, in which no weight may
contradict what its input speaks for (`SIGNS`). The shares of the three and the penalty were chosen
by five-fold cross-validation within the work part, and planted seeds that teach nothing; no script
repeats that choice.

Features planted with nothing, and the directions, then tell how far chance leads.
"""

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import msgspec
import numpy as np
from jaxtyping import Bool, Float64
from scipy.optimize import minimize

from clerp.evidence import FeatureEvidence
from clerp.evidence.folder import FolderSource
from clerp.feature import FeatureId
from clerp.plugins import find
from clerp.router.duplicates import drop_near_duplicates
from clerp.router.route import Role
from clerp.router.signals import measure_all
from clerp.router.weights import INPUTS, ROLES, Weights, read_inputs
from clerp.router.yardstick import Yardstick, load_yardstick
from clerp.testing.planting import KINDS, plant_many

HERE = Path(__file__).parent
EMBEDDER = "wordllama"
WEIGHTS = HERE.parents[1] / "src" / "clerp" / "router" / "calibrated.json"
DIRECTIONS_WEIGHT, PLANTED_WEIGHT = 100.0, 1000.0
"""Directions and planted features count like so many annotated ones, whatever their number."""
PRIOR_VARIANCE = 3.0
"""Of the weights of standardised inputs: the smaller, the more a large weight costs."""
PLANTED = ((1.0, 20), (0.8, 20), (0.6, 20), (0.8, 10), (1.0, 5), (0.8, 40))
"""Purity and number of examples."""
PLANTED_SEEDS, PER_KIND, N_DOCUMENTS = (0, 1), 8, 500
NOTHING = {5: 4000, 7: 3000, 10: 3000, 15: 2000, 20: 1500, 30: 1000, 40: 1000}
"""How many features of nothing are planted, by their number of examples."""
NOTHING_SEED, N_NOTHING_DOCUMENTS = 50, 1000
CHANCES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.9)
"""Rarer leads are told from the tail of these (see `clerp.router.significance`)."""
DIRECTIONS_CHANCES = (0.02, 0.05, 0.1, 0.2, 0.5, 0.9)
N_FOLDS = 5

FOR_INPUT: Mapping[Role, int] = {"input": 1, "output": -1, "obscure": -1}
FOR_OUTPUT: Mapping[Role, int] = {"output": 1, "obscure": -1}
FOR_CROSS: Mapping[Role, int] = {"cross": 1, "obscure": -1}
SIGNS: Mapping[str, Mapping[Role, int]] = {
    "unexplained": {"input": -1, "obscure": 1},
    "commonest peak": {"input": 1, "obscure": -1},
    "peak words": {"input": 1, "obscure": -1},
    "peak words, function words": {"input": 1, "obscure": -1},
    "peak class": FOR_INPUT,
    "peak class, function words": FOR_INPUT,
    "peak coherence": FOR_INPUT,
    "peak coherence, function words": FOR_INPUT,
    "next coherence": FOR_OUTPUT,
    "next coherence, function words": FOR_OUTPUT,
    "next content coherence": FOR_OUTPUT,
    "next capitals": FOR_OUTPUT,
    "next words, unexplained": FOR_OUTPUT,
    "next words, function words": FOR_OUTPUT,
    "next class share": FOR_OUTPUT,
    "next class, function words": FOR_OUTPUT,
    "promoted fit": FOR_OUTPUT,
    "words before, function words": {"input": 1, "obscure": -1},
    "context, unexplained": FOR_CROSS,
    "context, function words": FOR_CROSS,
    "themes": FOR_CROSS,
    "themes share": FOR_CROSS,
}
"""Where an input may only speak for a role, or against it; elsewhere it may do either."""


@dataclass(frozen=True)
class Lessons:
    """Inputs of features, what they are to be, and how much each counts."""

    inputs: Float64[np.ndarray, "feature input"]
    roles: list[str]
    counts: Float64[np.ndarray, " feature"]


def main() -> None:
    """Fit, and write the weights where the rule reads them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True)
    arguments = parser.parse_args()
    yardstick = load_yardstick(find("embedders", EMBEDDER))
    documents = read_documents(arguments.corpus, N_NOTHING_DOCUMENTS)
    directions = read_directions(yardstick)
    others = join([read_annotated(yardstick), plant_lessons(documents[:N_DOCUMENTS], yardstick)])
    fitted = fit(join([others, directions]))
    fitted = msgspec.structs.replace(
        fitted,
        lead_of_nothing=measure_nothing(documents, fitted),
        lead_of_directions=measure_directions(others, directions),
    )
    WEIGHTS.write_bytes(msgspec.json.format(msgspec.json.encode(fitted), indent=1) + b"\n")


def read_documents(corpus: Path, n: int) -> list[str]:
    """Take some documents of ordinary text, of all its sources."""
    texts = [json.loads(line)["text"] for line in corpus.read_text().splitlines()]
    random.Random(1).shuffle(texts)
    return texts[:n]


def read_annotated(yardstick: Yardstick) -> Lessons:
    """Read the work part, each feature once for either pass, half each."""
    rows = [
        row
        for row in read_rows(HERE / "roles.jsonl")
        if row["part"] == "work" and all(p["role"] != "artefact" for p in row["passes"])
    ]
    features = [FeatureId(row["layer"], row["index"]) for row in rows]
    inputs = measure(FolderSource(str(HERE / "features")).read(features), yardstick)
    roles = [row["passes"][i]["role"] for i in (0, 1) for row in rows]
    return Lessons(np.vstack([inputs, inputs]), roles, np.full(len(roles), 0.5))


def read_directions(yardstick: Yardstick) -> Lessons:
    """Read the annotated directions, each as often as it stands for directions."""
    rows = [row for row in read_rows(HERE / "direction-roles.jsonl") if row["role"] != "artefact"]
    features = [FeatureId(row["layer"], row["index"]) for row in rows]
    inputs = measure(FolderSource(str(HERE / "directions")).read(features), yardstick)
    stands_for = np.array([row["stands_for"] for row in rows])
    counts = DIRECTIONS_WEIGHT * stands_for / stands_for.sum()
    return Lessons(inputs, [row["role"] for row in rows], counts)


def read_rows(path: Path) -> list[dict]:
    """Read JSON Lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def plant_lessons(documents: Sequence[str], yardstick: Yardstick) -> Lessons:
    """Plant features of every kind, each kind counting alike."""
    kinds = [kind for kind, role in KINDS.items() if role != "artefact"]
    planted = [
        feature
        for seed in PLANTED_SEEDS
        for purity, n in PLANTED
        for feature in plant_many(documents, kinds, seed=seed, each=PER_KIND, n=n, purity=purity)
    ]
    inputs = measure((feature.evidence for feature in planted), yardstick)
    sizes = Counter(feature.kind for feature in planted)
    share = PLANTED_WEIGHT / len(kinds)
    counts = np.array([share / sizes[feature.kind] for feature in planted])
    return Lessons(inputs, [feature.role for feature in planted], counts)


def measure(known: Iterable[object], yardstick: Yardstick) -> Float64[np.ndarray, "feature input"]:
    """Return what the rule weighs, of each feature."""
    evidence = [
        replace(item, top=drop_near_duplicates(item.top).examples)
        for item in known
        if isinstance(item, FeatureEvidence)
    ]
    return np.array([list(read_inputs(s).values()) for s in measure_all(evidence, yardstick)])


def join(lessons: Sequence[Lessons]) -> Lessons:
    """Put lessons one after the other."""
    return Lessons(
        np.vstack([lesson.inputs for lesson in lessons]),
        [role for lesson in lessons for role in lesson.roles],
        np.concatenate([lesson.counts for lesson in lessons]),
    )


def fit(lessons: Lessons) -> Weights:
    """Fit weights of standardised inputs, and give them for inputs as they are."""
    mean = np.average(lessons.inputs, axis=0, weights=lessons.counts)
    spread = np.sqrt(np.average((lessons.inputs - mean) ** 2, axis=0, weights=lessons.counts))
    targets = np.array([[role == name for name in ROLES] for role in lessons.roles], dtype=float)
    weights, bias = minimise((lessons.inputs - mean) / spread, targets, lessons.counts)
    scaled = weights / spread[:, np.newaxis]
    offset = bias - bias.mean() - mean @ scaled
    return Weights(
        revision=2,
        embedder=EMBEDDER,
        fitted_on="; ".join(
            (
                "the work part of graphs/smollm2-135m/roles.jsonl (judged by a model, no person)",
                "random directions of SmolLM2-135M (likewise)",
                "features planted in ordinary text",
            )
        ),
        bias=dict(zip(ROLES, offset.round(4).tolist(), strict=True)),
        weights={
            name: dict(zip(ROLES, row.round(4).tolist(), strict=True))
            for name, row in zip(INPUTS, scaled, strict=True)
        },
        lead_of_nothing={},
        lead_of_directions={},
    )


def minimise(
    inputs: Float64[np.ndarray, "feature input"],
    targets: Float64[np.ndarray, "feature role"],
    counts: Float64[np.ndarray, " feature"],
) -> tuple[Float64[np.ndarray, "input role"], Float64[np.ndarray, " role"]]:
    """Minimise the weighted cross entropy and the penalty on the weights' squares, within signs."""
    n_inputs, n_roles = inputs.shape[1], targets.shape[1]
    split = n_inputs * n_roles

    def evaluate(packed: Float64[np.ndarray, " weight"]) -> tuple[float, np.ndarray]:
        weights, bias = packed[:split].reshape(n_inputs, n_roles), packed[split:]
        odds = inputs @ weights + bias
        odds -= odds.max(axis=1, keepdims=True)
        total = np.exp(odds).sum(axis=1, keepdims=True)
        loss = counts @ (np.log(total[:, 0]) - (targets * odds).sum(axis=1))
        slope = counts[:, np.newaxis] * (np.exp(odds) / total - targets)
        gradient = (inputs.T @ slope + weights / PRIOR_VARIANCE).ravel()
        penalty = float((weights**2).sum()) / (2 * PRIOR_VARIANCE)
        return float(loss) + penalty, np.concatenate([gradient, slope.sum(axis=0)])

    limits = {1: (0.0, None), -1: (None, 0.0), 0: (None, None)}
    bounds = [limits[SIGNS.get(name, {}).get(role, 0)] for name in INPUTS for role in ROLES]
    found = minimize(
        evaluate,
        np.zeros(split + n_roles),
        jac=True,
        method="L-BFGS-B",
        bounds=[*bounds, *[(None, None)] * n_roles],
        options={"maxiter": 5000, "maxfun": 10_000},
    )
    return found.x[:split].reshape(n_inputs, n_roles), found.x[split:]


def measure_nothing(documents: Sequence[str], fitted: Weights) -> dict[str, dict[str, float]]:
    """Tell how far random positions lead `obscure`, by their number and by chance."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        measured = pool.map(measure_planted_nothing, [documents] * len(NOTHING), NOTHING)
        return {
            str(n): list_leads(find_leads(inputs, fitted), CHANCES)
            for n, inputs in zip(NOTHING, measured, strict=True)
        }


def measure_planted_nothing(
    documents: Sequence[str], n: int
) -> Float64[np.ndarray, "feature input"]:
    """Plant features of n random positions, and return what the rule weighs of each."""
    planted = plant_many(documents, ["random positions"], seed=NOTHING_SEED, each=NOTHING[n], n=n)
    yardstick = load_yardstick(find("embedders", EMBEDDER))
    return measure((feature.evidence for feature in planted), yardstick)


def measure_directions(others: Lessons, directions: Lessons) -> dict[str, float]:
    """Tell how far directions lead `obscure` where the rule was fitted without them."""
    n = len(directions.roles)
    leads = np.zeros(n)
    for fold in range(N_FOLDS):
        held_out = np.arange(n) % N_FOLDS == fold
        fitted = fit(join([others, select(directions, ~held_out)]))
        leads[held_out] = find_leads(directions.inputs[held_out], fitted)
    return list_leads(leads, DIRECTIONS_CHANCES, directions.counts)


def select(lessons: Lessons, chosen: Bool[np.ndarray, " feature"]) -> Lessons:
    """Keep some of the features."""
    roles = [role for role, kept in zip(lessons.roles, chosen.tolist(), strict=True) if kept]
    return Lessons(lessons.inputs[chosen], roles, lessons.counts[chosen])


def find_leads(
    inputs: Float64[np.ndarray, "feature input"], fitted: Weights
) -> Float64[np.ndarray, " feature"]:
    """Return how far the best role leads `obscure`."""
    odds = weigh(inputs, fitted)
    return odds[:, :-1].max(axis=1) - odds[:, -1]


def list_leads(
    leads: Float64[np.ndarray, " feature"],
    chances: Sequence[float],
    counts: Float64[np.ndarray, " feature"] | None = None,
) -> dict[str, float]:
    """Return the leads that are exceeded with each of some chances."""
    levels = [1 - chance for chance in chances]
    found = np.quantile(leads, levels, weights=counts, method="inverted_cdf")
    return dict(zip(map(str, chances), found.round(4).tolist(), strict=True))


def weigh(
    inputs: Float64[np.ndarray, "feature input"], fitted: Weights
) -> Float64[np.ndarray, "feature role"]:
    """Return log odds, `obscure` last."""
    weights = np.array([[row[role] for role in ROLES] for row in fitted.weights.values()])
    return inputs @ weights + np.array([fitted.bias[role] for role in ROLES])


if __name__ == "__main__":
    main()
