"""Fit the weights of the `calibrated` rule.

    python graphs/smollm2-135m/fit_rule.py --directions build/directions \
        --corpus build/ordinary/corpus.jsonl

Three kinds of features teach it: the `work` part of roles.jsonl, each feature once for either
annotation pass (artefacts left out); every second random direction, which is to be `obscure`; and
planted features of all kinds but artefacts, with seeds below 100. Multinomial logistic regression
with standardised inputs; the shares of the three and the penalty were chosen by five-fold
cross-validation within the work part, the planted seeds and the directions that teach nothing.
"""

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from clerp.evidence import FeatureEvidence
from clerp.evidence.folder import FolderSource
from clerp.feature import FeatureId
from clerp.plugins import find
from clerp.router.calibrated import INPUTS, ROLES, Weights, read_inputs
from clerp.router.signals import measure_signals
from clerp.router.yardstick import Yardstick, load_yardstick
from clerp.testing.planting import KINDS, plant_many
from directions import FEATURES

HERE = Path(__file__).parent
WEIGHTS = HERE.parents[1] / "src" / "clerp" / "router" / "calibrated.json"
DIRECTIONS_WEIGHT, PLANTED_WEIGHT, PENALTY = 30.0, 60.0, 1.0
"""Directions and planted features count like so many annotated ones, whatever their number."""
PLANTED = ((1.0, 20), (0.8, 20), (0.6, 20), (0.8, 10), (1.0, 5), (0.8, 40))
"""Purity and number of examples."""
PLANTED_SEEDS, PER_KIND, N_DOCUMENTS = (0, 1), 8, 500
NOTHING_SIZES, NOTHING_SEED, N_NOTHING = (5, 7, 10, 15, 20, 30, 40), 50, 300
CHANCES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


@dataclass(frozen=True)
class Lessons:
    """Inputs of features, what they are to be, and how much each counts."""

    inputs: Float64[np.ndarray, "feature input"]
    roles: list[str]
    counts: Float64[np.ndarray, " feature"]


def main() -> None:
    """Fit, and write the weights where the rule reads them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directions", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    arguments = parser.parse_args()
    yardstick = load_yardstick(find("embedders", "wordllama"))
    documents = read_documents(arguments.corpus)
    lessons = [
        read_annotated(yardstick),
        read_directions(arguments.directions, yardstick),
        plant_lessons(documents, yardstick),
    ]
    fitted = fit(join(lessons))
    WEIGHTS.write_bytes(msgspec.json.format(msgspec.json.encode(fitted), indent=1) + b"\n")
    leads = measure_nothing(documents, yardstick, fitted)
    whole = msgspec.structs.replace(fitted, lead_of_nothing=leads)
    WEIGHTS.write_bytes(msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n")


def read_documents(corpus: Path) -> list[str]:
    """Take some documents of ordinary text, of all its sources."""
    texts = [json.loads(line)["text"] for line in corpus.read_text().splitlines()]
    random.Random(1).shuffle(texts)
    return texts[:N_DOCUMENTS]


def read_annotated(yardstick: Yardstick) -> Lessons:
    """Read the work part, each feature once for either pass, half each."""
    rows = [json.loads(line) for line in (HERE / "roles.jsonl").read_text().splitlines()]
    chosen = [
        row
        for row in rows
        if row["part"] == "work" and all(p["role"] != "artefact" for p in row["passes"])
    ]
    features = [FeatureId(row["layer"], row["index"]) for row in chosen]
    inputs = measure(FolderSource(str(HERE / "features")).read(features), yardstick)
    roles = [row["passes"][i]["role"] for i in (0, 1) for row in chosen]
    return Lessons(np.vstack([inputs, inputs]), roles, np.full(len(roles), 0.5))


def read_directions(folder: Path, yardstick: Yardstick) -> Lessons:
    """Read every second random direction."""
    inputs = measure(FolderSource(str(folder)).read(FEATURES[::2]), yardstick)
    n = len(inputs)
    return Lessons(inputs, ["obscure"] * n, np.full(n, DIRECTIONS_WEIGHT / n))


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
    evidence = [item for item in known if isinstance(item, FeatureEvidence)]
    return np.array([list(read_inputs(measure_signals(e, yardstick)).values()) for e in evidence])


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
    inputs = torch.tensor((lessons.inputs - mean) / spread)
    targets = torch.tensor([ROLES.index(role) for role in lessons.roles])
    weights, bias = minimise(inputs, targets, torch.tensor(lessons.counts))
    scaled = weights / spread[:, np.newaxis]
    offset = bias - mean @ scaled
    return Weights(
        revision=1,
        fitted_on="; ".join(
            (
                "the work part of graphs/smollm2-135m/roles.jsonl (judged by a model, no person)",
                "random directions of SmolLM2-135M",
                "features planted in ordinary text",
            )
        ),
        bias=dict(zip(ROLES, offset.round(4).tolist(), strict=True)),
        weights={
            name: dict(zip(ROLES, row.round(4).tolist(), strict=True))
            for name, row in zip(INPUTS, scaled, strict=True)
        },
        lead_of_nothing={"20": {"0.05": 0.0}},
    )


def minimise(
    inputs: Tensor, targets: Tensor, counts: Tensor
) -> tuple[Float64[np.ndarray, "input role"], Float64[np.ndarray, " role"]]:
    """Minimise the weighted cross entropy and the penalty on the weights' squares."""
    weights = torch.zeros(inputs.shape[1], len(ROLES), dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(len(ROLES), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weights, bias], max_iter=2000, tolerance_grad=1e-9, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        each = torch.nn.functional.cross_entropy(inputs @ weights + bias, targets, reduction="none")
        total = (counts * each).sum() + (weights**2).sum() / (2 * PENALTY)
        total.backward()
        return total

    optimizer.step(loss)
    centred = bias - bias.mean()
    return weights.detach().numpy(), centred.detach().numpy()


def measure_nothing(
    documents: Sequence[str], yardstick: Yardstick, fitted: Weights
) -> dict[str, dict[str, float]]:
    """Tell how far random positions lead `obscure`, by their number and by chance."""
    table: dict[str, dict[str, float]] = {}
    kinds = ["random positions"]
    for n in NOTHING_SIZES:
        planted = plant_many(documents, kinds, seed=NOTHING_SEED, each=N_NOTHING, n=n)
        odds = weigh(measure((feature.evidence for feature in planted), yardstick), fitted)
        leads = odds[:, :-1].max(axis=1) - odds[:, -1]
        table[str(n)] = {str(c): round(float(np.quantile(leads, 1 - c)), 4) for c in CHANCES}
    return table


def weigh(
    inputs: Float64[np.ndarray, "feature input"], fitted: Weights
) -> Float64[np.ndarray, "feature role"]:
    """Return log odds, `obscure` last."""
    weights = np.array([[row[role] for role in ROLES] for row in fitted.weights.values()])
    return inputs @ weights + np.array([fitted.bias[role] for role in ROLES])


if __name__ == "__main__":
    main()
