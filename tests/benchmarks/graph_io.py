"""What reading, labelling and writing a large graph costs beside a bare JSON round trip.

Run `python tests/benchmarks/graph_io.py`. Both ways work on the same 60 MB file, in turns, each in
a process of its own so that peak memory is theirs alone. The times are CPU seconds of this machine;
only the ratio means something elsewhere.
"""

import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

ROUNDS = 5
N_FEATURES, N_ERRORS, N_EMBEDDINGS, N_LOGITS, N_LINKS = 6000, 800, 40, 10, 730_000
WAYS = ("bare", "clerp")


def build_document(n_links: int = N_LINKS) -> dict[str, object]:
    rng = random.Random(0)
    n_influences = N_FEATURES + N_ERRORS + N_EMBEDDINGS
    nodes = [
        _make_node(f"{i % 26}_{i}_{i % 40}", "cross layer transcoder", i % 26, i % 40)
        for i in range(N_FEATURES)
    ]
    nodes += [
        _make_node(f"0_{26 + i // 40}_{i % 40}", "mlp reconstruction error", i // 40, i % 40)
        for i in range(N_ERRORS)
    ]
    nodes += [_make_node(f"E_{i}_{i}", "embedding", "E", i) for i in range(N_EMBEDDINGS)]
    for rank, node in enumerate(rng.sample(nodes, n_influences)):
        node["influence"] = 0.8 * (rank + 1) / n_influences
    logits = [_make_node(f"27_{i}_39", "logit", 27, 39) for i in range(N_LOGITS)]
    for logit in logits:
        logit["clerp"] = f'Output " word{logit["node_id"]}" (p=0.100)'
    ids = [node["node_id"] for node in nodes]
    ends = ids + [logit["node_id"] for logit in logits]
    links = [
        {"source": rng.choice(ids), "target": rng.choice(ends), "weight": rng.gauss(0, 1)}
        for _ in range(n_links)
    ]
    metadata = {
        "slug": "large",
        "scan": "owner/transcoders",
        "transcoder_list": [],
        "prompt_tokens": [f" word{i}" for i in range(40)],
        "prompt": "words",
        "node_threshold": 0.8,
        "schema_version": 1,
    }
    settings = {
        "pinnedIds": [],
        "supernodes": [],
        "linkType": "both",
        "clickedId": "",
        "sg_pos": "",
    }
    return {"metadata": metadata, "qParams": settings, "nodes": nodes + logits, "links": links}


def _make_node(node_id: str, kind: str, layer: int | str, position: int) -> dict[str, object]:
    return {
        "node_id": node_id,
        "feature": 1,
        "layer": str(layer),
        "ctx_idx": position,
        "feature_type": kind,
        "token_prob": 0.0,
        "is_target_logit": False,
        "run_idx": 0,
        "reverse_ctx_idx": 0,
        "jsNodeId": f"{node_id.rpartition('_')[0]}-0",
        "clerp": "",
        "influence": None,
        "activation": 1.5 if kind == "cross layer transcoder" else None,
    }


def run_bare(source: Path, destination: Path) -> None:
    destination.write_bytes(msgspec.json.encode(msgspec.json.decode(source.read_bytes())))


def run_clerp(source: Path, destination: Path) -> None:
    from clerp.graph import NodeAnnotation, annotate, read_graph, write_document

    label = NodeAnnotation(
        "say Austin", "output", 1, "token-frequency", "labeled", 50.0, None, None
    )
    graph = read_graph(source)
    annotations = dict.fromkeys((node.place for node in graph.feature_nodes), label)
    write_document(annotate(graph, annotations, {"schema_version": 1}), destination)


def measure_here(way: str, source: Path) -> None:
    """Print CPU seconds of the work, without imports, and the peak memory of the process."""
    import clerp.graph  # noqa: F401 - both ways start from the same modules

    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    {"bare": run_bare, "clerp": run_clerp}[way](source, source.with_name(f"{way}.json"))
    seconds = time.process_time() - start
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(f"{seconds} {(peak_kib - before_kib) * 1024}\n")


def measure_apart(way: str, source: Path) -> tuple[float, float]:
    seconds, peak = map(float, run_apart(way, source).split())
    return seconds, peak


def run_apart(task: str, source: Path) -> str:
    command = [sys.executable, __file__, task, str(source)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    match sys.argv[1:]:
        case ["build", source]:
            Path(source).write_bytes(msgspec.json.encode(build_document()))
        case [way, source]:
            measure_here(way, Path(source))
        case _:
            compare()


def compare() -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "graph.json")
        # A child's peak starts at its parent's size, so the parent never holds the graph.
        run_apart("build", source)
        runs = [(way, *measure_apart(way, source)) for _ in range(ROUNDS) for way in WAYS]
        n_bytes = source.stat().st_size
    print_table(runs, n_bytes)


def print_table(runs: list[tuple[str, float, float]], n_bytes: int) -> None:
    sys.stdout.write(f"graph of {n_bytes / 1e6:.1f} MB, median of {ROUNDS} runs\n")
    medians: dict[str, float] = {}
    for way in WAYS:
        medians[way] = statistics.median(run[1] for run in runs if run[0] == way)
        peak = statistics.median(run[2] for run in runs if run[0] == way)
        sys.stdout.write(
            f"{way:6}{medians[way]:7.2f} cpu-s   peak {peak / n_bytes:5.1f} x the file\n"
        )
    sys.stdout.write(f"ratio {medians['clerp'] / medians['bare']:6.2f}\n")


if __name__ == "__main__":
    main()
