"""Collect the committed evidence again, over the texts that it was made from, and compare.

The rows of the corpus are drawn as `build.py` draws them; the transcoders are the committed rows.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from builder.attribution import list_features
from builder.config import BuildConfig
from builder.corpus import pack_corpus, read_sources
from builder.facts import read_evidence
from builder.model import load_tokenizer
from clerp.feature import FeatureId
from clerp_circuit_tracer.collect import CollectSettings, collect

logger = logging.getLogger("evidence")

HERE = Path(__file__).parent
# The committed numbers have four significant digits.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Comparison:
    """How many features have the same of what is committed.

    Attributes:
        features: All of them.
        tops: With the same top examples.
        ends: With the same least and greatest activation.
        frequencies: Which fire as often.
        promoted: With the same promoted tokens, in the same order.
    """

    features: int
    tops: int
    ends: int
    frequencies: int
    promoted: int


def collect_again(materials: Path, out: Path) -> None:
    """Collect the features of all committed graphs.

    Args:
        materials: What `materials.py` wrote.
        out: The folder to write.
    """
    config = BuildConfig()
    documents = read_sources(config.corpus, materials / "downloads")
    tokenizer = load_tokenizer(materials / "model")
    graphs = [path for path in HERE.glob("*-*.json") if path.stem != "graph-metadata"]
    collect(
        sorted(set().union(*map(list_features, graphs))),
        model=materials / "model",
        transcoders=materials / "transcoders",
        corpus=pack_corpus(config.corpus, tokenizer, documents, config.seed).tokens,
        out=out,
        device="cpu",
        settings=CollectSettings(seed=config.seed, **asdict(config.evidence)),
        report=lambda progress: logger.info("%d tokens", progress.tokens),
    )


def compare(committed: Mapping[FeatureId, dict], again: Mapping[FeatureId, dict]) -> Comparison:
    """Compare two folders of evidence, feature by feature."""
    pairs = [(record, again[feature]) for feature, record in committed.items()]
    return Comparison(
        features=len(pairs),
        tops=sum(_list_tops(one) == _list_tops(other) for one, other in pairs),
        ends=sum(
            all(_is_close(one[end], other[end]) for end in ("act_min", "act_max"))
            for one, other in pairs
        ),
        frequencies=sum(
            _is_close(one["activation_frequency"], other["activation_frequency"])
            for one, other in pairs
        ),
        promoted=sum(one["top_logits"] == other["top_logits"] for one, other in pairs),
    )


def _list_tops(record: dict) -> set[tuple[str, ...]]:
    return {tuple(example["tokens"]) for example in record["examples_quantiles"][0]["examples"]}


def _is_close(one: float, other: float) -> bool:
    return abs(one - other) <= TOLERANCE * abs(one)


def _index(records: Iterable[dict]) -> dict[FeatureId, dict]:
    return {FeatureId(record["layer"], record["index"]): record for record in records}


def main() -> None:
    """Read the command line, collect and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--materials", type=Path, required=True, help="what materials.py wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for the new evidence")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    if not arguments.out.exists():
        collect_again(arguments.materials, arguments.out)
    found = compare(*(_index(read_evidence(f)) for f in (HERE / "features", arguments.out)))
    logger.info("%s", found)


if __name__ == "__main__":
    main()
