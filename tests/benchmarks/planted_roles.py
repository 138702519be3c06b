"""How rules do on features planted in text, with seeds that nothing was fitted on.

Run `python tests/benchmarks/planted_roles.py [FIRST_SEED]`. The text is that of clerp's passages of
ordinary text; nothing is also planted in Python's manual (`pydoc_data.topics`), which is about one
thing throughout. In brackets are 90 % of 2,000 resamples of the features.
"""

import sys
from collections.abc import Sequence
from pydoc_data.topics import topics

from clerp.evaluation import evaluate_roles
from clerp.evaluation.truth import AnnotatedFeature
from clerp.ordinary.passages import load_passages
from clerp.plugins import find
from clerp.router import find_rule
from clerp.testing.planting import Planted, plant_many
from clerp.windows import DEFAULT_WINDOWS

NOTHING = "random positions"
WORDS = ("word", "next word", NOTHING)
CLASSES = ("word class", "next class", "topic", "construction", NOTHING)
SETTINGS = ((WORDS, 1.0, 20), (CLASSES, 1.0, 20), (CLASSES, 0.8, 20), (CLASSES, 0.6, 20))
FEW = ((CLASSES, 1.0, 5), (CLASSES, 1.0, 10), (CLASSES, 0.8, 40))
EACH, N_NOTHING = 24, 200


def main() -> None:
    """Plant, route with every rule, and print macro-F1."""
    first = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    texts = ["".join(tokens) for tokens in load_passages().tokens]
    for number, (kinds, purity, n) in enumerate((*SETTINGS, *FEW)):
        planted = plant_many(texts, kinds, seed=first + number, each=EACH, n=n, purity=purity)
        print(f"\n{', '.join(kinds)}: purity {purity}, {n} examples, {EACH} of each kind")
        compare(planted)
    for name, text in (("passages", texts), ("Python's manual", sorted(topics.values()))):
        for n in (5, 10, 20, 40):
            planted = plant_many(text, [NOTHING], seed=first + 100 + n, each=N_NOTHING, n=n)
            share = sum(role != "obscure" for role in route(planted)) / len(planted)
            print(f"nothing in {name}, {n} examples: {share:.1%} of {len(planted)} get a role")


def compare(planted: Sequence[Planted]) -> None:
    """Print the macro-F1 of every rule."""
    evidence = [feature.evidence for feature in planted]
    truth = [
        AnnotatedFeature(layer=e.feature.layer, index=e.feature.index, role=feature.role)
        for e, feature in zip(evidence, planted, strict=True)
    ]
    report = evaluate_roles(
        evidence, truth, [find_rule("calibrated")], DEFAULT_WINDOWS, find("embedders", "wordllama")
    )
    for standing in report.comparisons[0].standings:
        f1 = standing.figures["macro_f1"]
        print(f"  {standing.name:14} {f1.value:.2f} [{f1.low:.2f}, {f1.high:.2f}]")


def route(planted: Sequence[Planted]) -> list[str]:
    """Return the roles that the default rule gives."""
    routes = find_rule("calibrated").route(
        [feature.evidence for feature in planted], DEFAULT_WINDOWS, find("embedders", "wordllama")
    )
    return [route.role for route in routes]


if __name__ == "__main__":
    main()
