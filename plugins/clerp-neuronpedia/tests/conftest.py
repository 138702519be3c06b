"""Rows as Neuronpedia writes them, and a server that behaves as its own is documented to."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.loopback import Asked, Loopback, Reply, serve

MODEL = "gemma-2-2b"
SET = "clt-hp"

Row = dict[str, Any]


class Build:
    """Rows with every documented field."""

    model = MODEL
    source_set = SET

    @staticmethod
    def activation(
        word: str,
        value: float = 5.0,
        *,
        interval: tuple[float, float] | None = None,
        n_tokens: int = 10,
        **more: Any,
    ) -> Row:
        """A context that no other word shares and that peaks on its sixth token."""
        values = [0.0] * n_tokens
        values[5] = value
        low, high = interval or (-1.0, value)
        return {
            "id": f"id-{word}",
            "tokens": [f" {word}{n}" for n in range(n_tokens)],
            "dataIndex": None,
            "index": "0",
            "layer": f"0-{SET}",
            "modelId": MODEL,
            "dataSource": "a corpus",
            "maxValue": value,
            "maxValueTokenIndex": 5,
            "minValue": 0.0,
            "values": values,
            "dfaValues": values,
            "dfaTargetIndex": 4,
            "dfaMaxValue": value,
            "creatorId": "someone",
            "createdAt": "2025-05-01T00:00:00.000Z",
            "lossValues": values,
            "logitContributions": None,
            "binMin": low,
            "binMax": high,
            "binContains": -1.0 if interval is None else 0.25,
            "qualifyingTokenIndex": 5,
            **more,
        }

    @staticmethod
    def explanation(text: str, method: str = "np_max-act-logits", **more: Any) -> Row:
        return {
            "description": text,
            "typeName": method,
            "explanationModelName": "gpt-4o-mini",
            **more,
        }

    @classmethod
    def row(
        cls,
        layer: int = 3,
        index: int = 7,
        activations: Iterable[Row] | None = None,
        *,
        source_set: str = SET,
        **more: Any,
    ) -> Row:
        if activations is None:
            name = f"l{layer}i{index}"
            activations = [cls.activation(f"{name}n{n}", 5.0 - n) for n in range(3)]
        return {
            "modelId": MODEL,
            "layer": f"{layer}-{source_set}",
            "index": str(index),
            "sourceSetName": source_set,
            "creatorId": "someone",
            "createdAt": "2025-05-01T00:00:00.000Z",
            "maxActApprox": 5.5,
            "hasVector": False,
            "vector": [0.5] * 16,
            "topkCosSimIndices": [1, 2],
            "topkCosSimValues": [0.5, 0.25],
            "neg_str": [" cold"],
            "neg_values": [-1.0],
            "pos_str": ["▁warm", "▁hot"],
            "pos_values": [2.0, 1.0],
            "frac_nonzero": 0.003,
            "freq_hist_data_bar_heights": [1.0] * 50,
            "freq_hist_data_bar_values": [1.0] * 50,
            "activations": list(activations),
            "explanations": [],
            **more,
        }


@pytest.fixture(scope="session")
def build() -> type[Build]:
    return Build


@dataclass
class FakeNeuronpedia:
    """Answers `POST /api/features` by what its route does: find, sort by index alone, leave out."""

    rows: list[Row] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    loopback: Loopback = field(init=False)

    @property
    def batches(self) -> list[list[Row]]:
        """What each request asked for."""
        return [json.loads(asked.body) for asked in self.loopback.requests]

    @property
    def asked(self) -> list[tuple[str, int]]:
        """Layer and index of everything that was asked for, in order."""
        return [(place["layer"], place["index"]) for batch in self.batches for place in batch]

    def answer(self, asked: Asked) -> Reply:
        if asked.method != "POST" or asked.path != "/api/features":
            return Reply(b"<!DOCTYPE html>", status=404)
        body = json.loads(asked.body)
        if not all(isinstance(place["index"], int) for place in body):
            return Reply(b'{"message": "index must be a number"}', status=400)
        wanted = {(p["modelId"], p["layer"], str(p["index"])) for p in body}
        places = [place["index"] for place in body]
        found = [r for r in self.rows if (r["modelId"], r["layer"], r["index"]) in wanted]
        found.sort(key=lambda row: places.index(int(row["index"])))
        return self.reply(found)

    def reply(self, answer: Any) -> Reply:
        return Reply(json.dumps(answer).encode(), headers=self.headers)


@pytest.fixture
def neuronpedia(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeNeuronpedia]:
    """A server of its own and an empty cache."""
    fake = FakeNeuronpedia()
    monkeypatch.setenv("CLERP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NEURONPEDIA_API_KEY", raising=False)
    with serve(fake.answer) as fake.loopback:
        monkeypatch.setenv("NEURONPEDIA_URL", fake.loopback.address)
        yield fake


class Export:
    """Writes rows as Neuronpedia's export script does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, rows: Iterable[Row], *, below: str = "") -> Path:
        """Write the rows of one or several layers and return the folder above theirs."""
        by_layer: defaultdict[str, list[Row]] = defaultdict(list)
        for row in rows:
            by_layer[row["layer"]].append(row)
        for layer, members in by_layer.items():
            self._write_layer(self.folder / below / layer, members)
        return self.folder / below

    def _write_layer(self, folder: Path, rows: list[Row]) -> None:
        place = ("modelId", "layer", "index")
        parts: dict[str, list[Row]] = {"features": [], "activations": [], "explanations": []}
        # By index as text, as the database sorts it.
        for row in sorted(rows, key=lambda row: row["index"]):
            owner = {key: row[key] for key in place}
            for part in ("activations", "explanations"):
                parts[part] += [{**line, **owner} for line in row[part]]
            parts["features"].append({k: v for k, v in row.items() if k not in parts})
        for part, lines in parts.items():
            self.write_lines(folder / part / "batch-0.jsonl.gz", map(json.dumps, lines))

    @staticmethod
    def write_lines(path: Path, lines: Iterable[str]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(path, "wt", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
        return path


@pytest.fixture
def export(tmp_path: Path) -> Export:
    return Export(tmp_path / "exports")
