"""What the finished evidence looks like, counted from the files themselves."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

# A feature that fires on more of all tokens says little about any of them.
DENSE_SHARE = 0.1


@dataclass(frozen=True)
class EvidenceFacts:
    """Counts over the features that have evidence.

    Attributes:
        features: All of them.
        dense: Fire on more than a tenth of the tokens.
        sequence_start: At least half of the top examples peak on the first token of a row.
        few_examples: Have fewer top examples than were asked for.
        few_interval_examples: Lack an example in one of the lower ranges.
    """

    features: int
    dense: int
    sequence_start: int
    few_examples: int
    few_interval_examples: int


def count_evidence(folder: Path, top_examples: int, interval_examples: int) -> EvidenceFacts:
    """Count the kinds of features in an evidence folder."""
    features = list(read_evidence(folder))
    tops = [feature["examples_quantiles"][0]["examples"] for feature in features]
    lows = [feature["examples_quantiles"][1:] for feature in features]
    return EvidenceFacts(
        features=len(features),
        dense=sum(feature["activation_frequency"] > DENSE_SHARE for feature in features),
        sequence_start=sum(
            2 * sum(example["train_token_ind"] == 0 for example in top) >= len(top) for top in tops
        ),
        few_examples=sum(len(top) < top_examples for top in tops),
        few_interval_examples=sum(
            any(len(group["examples"]) < interval_examples for group in low) for low in lows
        ),
    )


def read_evidence(folder: Path) -> Iterator[dict]:
    """Yield every record of an evidence folder with its `layer` added."""
    index = json.loads(gzip.decompress((folder / "index.json.gz").read_bytes()))
    for layer, entry in index.items():
        content = (folder / entry["filename"]).read_bytes()
        offsets = entry["offsets"]
        for start, end in pairwise(offsets):
            if start < end:
                (size,) = struct.unpack_from("<I", content, start)
                record = json.loads(gzip.decompress(content[start + 4 : start + 4 + size]))
                yield {"layer": int(layer), **record}
