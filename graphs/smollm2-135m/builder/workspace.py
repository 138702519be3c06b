"""The folder in which a build keeps its stages, and how long they took."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from .config import BuildConfig
from .errors import BuildError
from .storage import write_json

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workspace:
    """Where each stage leaves its product.

    Attributes:
        config: The configuration that everything else here was made with.
        timings: Wall seconds spent, by stage.
        downloads: Fetched packages.
        model: The language model as a float32 checkpoint.
        corpus: Packed token ids.
        shards: MLP inputs and outputs, for training and for measuring.
        transcoders: One trained dictionary a layer.
        clt: The cross-layer transcoder in circuit-tracer's format.
        quality: Reconstruction on held-out text.
        traces: Unpruned graphs.
        graphs: Pruned graphs, one folder a prompt.
        features: The evidence.
        weights: Rows of the graphs' features.
    """

    config: Path
    timings: Path
    downloads: Path
    model: Path
    corpus: Path
    shards: Path
    transcoders: Path
    clt: Path
    quality: Path
    traces: Path
    graphs: Path
    features: Path
    weights: Path

    @classmethod
    def under(cls, root: Path) -> Workspace:
        """Lay a workspace out in `root`."""
        return cls(
            config=root / "config.json",
            timings=root / "timings.json",
            downloads=root / "downloads",
            model=root / "model",
            corpus=root / "corpus.safetensors",
            shards=root / "shards",
            transcoders=root / "transcoders",
            clt=root / "clt",
            quality=root / "quality.json",
            traces=root / "traces",
            graphs=root / "graphs",
            features=root / "features",
            weights=root / "weights.safetensors",
        )

    def claim(self, config: BuildConfig) -> None:
        """Bind the workspace to one configuration: products of two must never mix.

        Raises:
            BuildError: It was made with another one.
        """
        described = json.loads(json.dumps(asdict(config)))
        if not self.config.exists():
            write_json(self.config, described)
        elif json.loads(self.config.read_text()) != described:
            raise BuildError("the work folder was made with another configuration: use a new one")

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the wall time of the body to the stage's total, which outlives a restart."""
        logger.info("stage %s", stage)
        start = time.monotonic()
        yield
        spent = Counter(json.loads(self.timings.read_text()) if self.timings.exists() else {})
        spent[stage] += round(time.monotonic() - start)
        write_json(self.timings, dict(spent))
