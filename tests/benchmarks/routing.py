"""What routing costs beside its floor, beside the naive way, and as features grow in number.

Run `python -m tests.benchmarks.routing [N]` (10,000 features by default, 20 examples each). Times
are of the processor, all threads together, so that a busy machine changes them little; each line
comes from a process of its own.

- The floor reads the evidence and embeds once every distinct window that routing scored.
- The naive way embeds the windows of one feature and channel after the other, all three channels,
  and averages a matrix of cosines; it reads nothing, holds nothing against ordinary text, and
  decides nothing.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tests.benchmarks.routing_evidence import N_EXAMPLES, write_features

from clerp.embedding import embed_unit
from clerp.evidence import FeatureEvidence
from clerp.evidence.folder import FolderSource
from clerp.feature import FeatureId
from clerp.plugins import Embedder, find
from clerp.router import Route, find_rule, route_features
from clerp.router.window_scores import score_windows
from clerp.windows import DEFAULT_WINDOWS, cut

N = 10_000
SIZES = (1_000, 10_000, 50_000)
N_NAIVE, N_MINILM = 200, 40
DEFAULT, MINILM = "wordllama", "sentence-transformers"
NAIVE_GOALS = {DEFAULT: 5, MINILM: 50}
"""How many times as long as routing's scores the naive ones take at least."""
FLOOR_GOAL = 1.5
SLOPE_GOAL = 0.10
"""By how much a feature's time may differ between the smallest and the greatest number."""
MEMORY_GOAL = 1024
"""MB, however many the features."""
_AT_ONCE = 8192


def read(folder: Path, features: Iterable[FeatureId]) -> Iterator[FeatureEvidence]:
    known = FolderSource(str(folder)).read(features)
    yield from (k for k in known if isinstance(k, FeatureEvidence))


def route(folder: Path, features: Sequence[FeatureId], embedder: Embedder) -> Iterator[Route]:
    rule = find_rule("calibrated")
    known = FolderSource(str(folder)).read(features)
    return route_features(known, rule=rule, windows=DEFAULT_WINDOWS, embedder=embedder)


def list_distinct(
    evidence: Iterable[FeatureEvidence], scored: dict[FeatureId, set[str]]
) -> list[str]:
    texts = {
        cut(example, window)
        for known in evidence
        for window in DEFAULT_WINDOWS
        if window.name in scored[known.feature]
        for example in known.top
    }
    return sorted(texts)


def score_naively(evidence: Iterable[FeatureEvidence], embedder: Embedder) -> list[float]:
    means: list[float] = []
    for known in evidence:
        for window in DEFAULT_WINDOWS:
            texts = [text for example in known.top if (text := cut(example, window).strip())]
            if len(texts) < 2:
                continue
            vectors = embedder.embed(texts)
            lengths = np.linalg.norm(vectors, axis=1)
            cosines = (vectors @ vectors.T) / np.maximum(np.outer(lengths, lengths), 1e-9)
            means.append(float(cosines[np.triu_indices(len(texts), 1)].mean()))
    return means


def measure_route(folder: Path, features: Sequence[FeatureId]) -> dict[str, float]:
    """Route, and then do what could not be left out."""
    embedder = warm_up(folder, features)
    started = time.process_time()
    scored = {routed.feature: set(routed.scores) for routed in route(folder, features, embedder)}
    routed = time.process_time() - started
    started = time.process_time()
    texts = list_distinct(read(folder, features), scored)
    reading = time.process_time() - started
    for start in range(0, len(texts), _AT_ONCE):
        embed_unit(texts[start : start + _AT_ONCE], embedder)
    floor = time.process_time() - started
    crossed = sum("cross" in channels for channels in scored.values())
    return {
        "route": routed,
        "read": reading,
        "floor": floor,
        "windows": len(texts),
        "crossed": crossed,
    }


def measure_growth(folder: Path, features: Sequence[FeatureId]) -> dict[str, float]:
    """Route and let every route go; what a process loads once is not counted."""
    embedder = warm_up(folder, features)
    started = time.process_time()
    n = sum(1 for _ in route(folder, features, embedder))
    routed = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"route": routed, "peak_mb": peak, "features": n}


def measure_scores(folder: Path, features: Sequence[FeatureId]) -> dict[str, float]:
    """Score the windows of all features as routing does, evidence at hand, all channels."""
    embedder = warm_up(folder, features)
    spent = 0.0
    chunk: list[FeatureEvidence] = []
    for known in read(folder, features):
        chunk.append(known)
        if len(chunk) == 1024 or known.feature == features[-1]:
            started = time.process_time()
            score_windows(chunk, DEFAULT_WINDOWS, embedder)
            spent += time.process_time() - started
            chunk = []
    return {"scores": spent}


def measure_naive(folder: Path, features: Sequence[FeatureId], name: str) -> dict[str, float]:
    embedder = find("embedders", name)
    embedder.embed(["the"])
    evidence = list(read(folder, features))
    started = time.process_time()
    score_naively(evidence, embedder)
    return {"naive": time.process_time() - started}


def warm_up(folder: Path, features: Sequence[FeatureId]) -> Embedder:
    """Load what a process loads once."""
    embedder = find("embedders", DEFAULT)
    list(route(folder, features[:1], embedder))
    return embedder


def run(what: str, folder: Path, n: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.routing", "--one", what, str(folder), str(n)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def run_one(what: str, folder: Path, n: int) -> dict[str, float]:
    features = json.loads((folder.parent / "features.json").read_text())
    # Spread over all layers and all texts.
    step = len(features) // n
    chosen = [FeatureId(*numbers) for numbers in features[:: max(1, step)][:n]]
    if what == "route":
        return measure_route(folder, chosen)
    if what == "growth":
        return measure_growth(folder, chosen)
    if what == "scores":
        return measure_scores(folder, chosen)
    return measure_naive(folder, chosen, what)


def show(name: str, seconds: float, n: int, base: float) -> None:
    each = seconds / n
    print(f"  {name:58} {each * 1e3:8.2f} ms a feature {each / base:8.2f}")


def compare(folder: Path, n: int) -> None:
    found = run("route", folder, n)
    base = found["route"] / n
    print(f"{n:,} features of {N_EXAMPLES} examples; the last column is against routing them")
    show("routing, evidence read, every channel that is scored", found["route"], n, base)
    show("  of it reading the evidence", found["read"], n, base)
    show("floor: reading, and every scored window embedded once", found["floor"], n, base)
    scores = run("scores", folder, n)["scores"]
    show("scores of all three windows alone, as routing makes them", scores, n, base)
    for name, size in ((DEFAULT, N_NAIVE), (MINILM, N_MINILM)):
        naive = run(name, folder, size)["naive"]
        show(f"naive scores with {name}, of {size} features", naive, size, base)
        ratio = naive / size / (scores / n)
        goal = NAIVE_GOALS[name]
        print(f"    naive over scores as routing makes them: {ratio:.1f} (goal: at least {goal})")
    ratio = found["route"] / found["floor"]
    print(f"  routing over floor: {ratio:.2f} (goal: at most {FLOOR_GOAL})")
    share = found["crossed"] / n
    print(
        f"  {found['windows']:,.0f} distinct windows; cross scored for {share:.0%} of the features"
    )


def grow(folder: Path, sizes: Sequence[int]) -> None:
    print("as features grow in number:")
    times: list[float] = []
    peaks: list[float] = []
    for size in sizes:
        found = run("growth", folder, size)
        times.append(found["route"] / size * 1e3)
        peaks.append(found["peak_mb"])
        print(f"  {size:7,} features {times[-1]:6.2f} ms a feature, at most {peaks[-1]:5.0f} MB")
    slope = times[-1] / times[0] - 1
    print(
        f"  time a feature, the most over the least: {slope:+.0%} (goal: within {SLOPE_GOAL:.0%})"
    )
    print(f"  memory: at most {max(peaks):.0f} MB (goal: at most {MEMORY_GOAL} MB)")


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        what, folder, n = sys.argv[2:5]
        print(json.dumps(run_one(what, Path(folder), int(n))))
        return
    n = int(sys.argv[1]) if len(sys.argv) > 1 else N
    sizes = [size * n // N for size in SIZES]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "features"
        features = write_features(folder, max(n, *sizes))
        numbers = json.dumps([(feature.layer, feature.index) for feature in features])
        (Path(scratch) / "features.json").write_text(numbers)
        compare(folder, n)
        grow(folder, sizes)


if __name__ == "__main__":
    main()
