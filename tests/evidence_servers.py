"""Loopback servers that hold activation examples: the Hub's shape and Neuronpedia's."""

import gzip
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.loopback import Answerer, Asked, Reply, answer_file, not_found

from clerp.feature import FeatureId

COMMIT = "0123456789abcdef0123456789abcdef01234567"

_FILE = re.compile(r"/(?P<repository>.+)/resolve/(?P<revision>[^/]+)/(?:.+/)?features/(?P<name>.+)")


def serve_hub(folder: Path, repository: str = "") -> Answerer:
    """Answer with the files of one folder for a repository, or for every one."""

    def answer(asked: Asked) -> Reply:
        match = _FILE.fullmatch(asked.path)
        if match is None or (repository and match["repository"] != repository):
            return not_found(asked)
        return answer_file(folder / match["name"], asked, **{"X-Repo-Commit": COMMIT})

    return answer


def serve_neuronpedia(rows: Iterable[dict[str, Any]]) -> Answerer:
    """Answer the features asked for, sorted by index alone, without those that it lacks."""
    known = {(row["modelId"], row["layer"], row["index"]): row for row in rows}

    def answer(asked: Asked) -> Reply:
        if (asked.method, asked.path) != ("POST", "/api/features"):
            return not_found(asked)
        wanted = [(f["modelId"], f["layer"], str(f["index"])) for f in json.loads(asked.body)]
        found = sorted((known[key] for key in wanted if key in known), key=lambda row: row["index"])
        return Reply(json.dumps(found).encode(), headers={"Content-Type": "application/json"})

    return answer


def make_row(
    feature: FeatureId, record: dict[str, Any], model: str, source_set: str, *labels: str
) -> dict[str, Any]:
    """Write a record of circuit-tracer's as a row of Neuronpedia's."""
    (quantile,) = record["examples_quantiles"]
    return {
        "modelId": model,
        "layer": f"{feature.layer}-{source_set}",
        "index": str(feature.index),
        "pos_str": record["top_logits"],
        "neg_str": record["bottom_logits"],
        "frac_nonzero": 0.01,
        "maxActApprox": 5.5,
        "activations": [_make_activation(example) for example in quantile["examples"]],
        "explanations": [
            {
                "description": label,
                "typeName": "np_max-act-logits",
                "explanationModelName": "gpt-4o-mini",
            }
            for label in labels
        ],
    }


def write_export(folder: Path, rows: Iterable[dict[str, Any]], name: str = "batch-0") -> None:
    """Write rows of one layer as Neuronpedia exports them, below the folder of their source."""
    parts: dict[str, list[dict[str, Any]]] = {"features": [], "activations": [], "explanations": []}
    for row in rows:
        owner = {key: row[key] for key in ("modelId", "layer", "index")}
        parts["features"].append({key: v for key, v in row.items() if key not in parts})
        for part in ("activations", "explanations"):
            parts[part] += [{**line, **owner} for line in row[part]]
    for part, lines in parts.items():
        path = folder / part / f"{name}.jsonl.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress("".join(f"{json.dumps(line)}\n" for line in lines).encode()))


def _make_activation(example: dict[str, Any]) -> dict[str, Any]:
    values = example["tokens_acts_list"]
    return {
        "tokens": example["tokens"],
        "values": values,
        "maxValue": max(values),
        "maxValueTokenIndex": values.index(max(values)),
        "binMin": -1,
        "binMax": -1,
        "binContains": -1,
    }
