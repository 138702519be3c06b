"""What grouping a large graph costs: 2,000 feature nodes, 800,000 links.

The graph is planted: groups of nodes with one name, some of them unnamed or named otherwise, whose
links go along a random order of the groups. Every grouper works in a process of its own, which
reads the graph, groups it and writes it, so that peak memory is its alone. The goal is 10 s and
1 GB for each; the seconds are those of this machine.

    python -m tests.benchmarks.grouping [NODES] [LINKS]
"""

import json
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from clerp.plugins import list_registered

N_NODES, N_LINKS = 2_000, 800_000
N_LAYERS, N_POSITIONS, N_LOGITS, GROUP_SIZE = 26, 40, 10, 12
SHARE_UNNAMED, SHARE_MISNAMED = 0.3, 0.1
WORDS = (
    "Texas",
    "Austin",
    "capital",
    "state",
    "river",
    "seven",
    "yellow",
    "doctor",
    "piano",
    "bread",
)


def main() -> None:
    n_nodes, n_links = (*map(int, sys.argv[1:]), *(N_NODES, N_LINKS)[len(sys.argv) - 1 :])
    with TemporaryDirectory() as folder:
        source = Path(folder) / "graph.json"
        source.write_text(json.dumps(build_document(n_nodes, n_links)))
        size = source.stat().st_size / 2**20
        print(f"{n_nodes:,} feature nodes, {n_links:,} links, {size:,.0f} MiB of JSON")
        print("grouper    groups  grouped |   read  group  write   all s | peak MiB, grouping")
        for name in list_groupers():
            print(run_apart(name, source), flush=True)


def list_groupers() -> list[str]:
    return [entry.name for entry in list_registered() if entry.kind == "groupers"]


def build_document(n_nodes: int, n_links: int) -> dict[str, object]:
    rng = random.Random(0)
    groups = [rng.randrange(n_nodes // GROUP_SIZE) for _ in range(n_nodes)]
    depth = {group: rng.random() for group in set(groups)}
    nodes = [make_feature(i, groups[i], depth[groups[i]], rng) for i in range(n_nodes)]
    for rank, node in enumerate(rng.sample(nodes, n_nodes)):
        node["influence"] = 0.8 * (rank + 1) / n_nodes
    logits = [make_node(f"{N_LAYERS + 1}_{i}_{N_POSITIONS - 1}", "logit") for i in range(N_LOGITS)]
    for i, logit in enumerate(logits):
        logit |= {"clerp": f'Output " {WORDS[i]}" (p=0.050)', "ctx_idx": N_POSITIONS - 1}
    nodes += logits
    return {
        "metadata": {
            "slug": "large",
            "scan": "owner/transcoders",
            "transcoder_list": [],
            "prompt_tokens": [f" word{i}" for i in range(N_POSITIONS)],
            "prompt": "words",
            "node_threshold": 0.8,
            "schema_version": 1,
        },
        "qParams": {"pinnedIds": [], "supernodes": [], "linkType": "both"},
        "nodes": nodes,
        "links": draw_links(nodes, groups, n_links, rng),
    }


def make_feature(i: int, group: int, depth: float, rng: random.Random) -> dict[str, object]:
    layer = min(N_LAYERS - 1, max(0, round(N_LAYERS * depth + rng.gauss(0, 1))))
    position = (group * 7 + rng.randrange(2)) % N_POSITIONS
    word = WORDS[rng.randrange(len(WORDS)) if rng.random() < SHARE_MISNAMED else group % len(WORDS)]
    side = "say " if depth > 0.6 else ""
    label = "" if rng.random() < SHARE_UNNAMED else f"{side}{word} {group // len(WORDS)}"
    node = make_node(f"{layer}_{i}_{position}", "cross layer transcoder")
    return node | {
        "layer": str(layer),
        "ctx_idx": position,
        "clerp": label,
        "clerp_role": "output" if side else "input",
        "clerp_status": "labeled" if label else "needs_review",
        "activation": 1.5,
    }


def make_node(node_id: str, kind: str) -> dict[str, object]:
    return {
        "node_id": node_id,
        "feature": 1,
        "layer": str(N_LAYERS + 1),
        "ctx_idx": 0,
        "feature_type": kind,
        "jsNodeId": f"{node_id.rpartition('_')[0]}-0",
        "clerp": "",
        "influence": None,
    }


def draw_links(
    nodes: list[dict[str, object]], groups: list[int], n_links: int, rng: random.Random
) -> list[dict[str, object]]:
    """Draw distinct links from lower to higher layers, whose sign and size the groups share."""
    effect = {}
    layers = [int(str(node["layer"])) for node in nodes]
    drawn: set[tuple[int, int]] = set()
    while len(drawn) < n_links:
        source, target = rng.randrange(len(groups)), rng.randrange(len(nodes))
        if layers[source] < layers[target]:
            drawn.add((source, target))
    links: list[dict[str, object]] = []
    for source, target in sorted(drawn):
        ends = groups[source], groups[target] if target < len(groups) else -target
        mean = effect.setdefault(ends, rng.gauss(0, 1))
        weight = mean + rng.gauss(0, 0.5)
        ids = {"source": nodes[source]["node_id"], "target": nodes[target]["node_id"]}
        links.append({**ids, "weight": weight})
    return links


def measure_here(name: str, source: Path) -> None:
    """Print one row: what this process took to read, group and write."""
    from clerp.graph import read_graph
    from clerp.grouped import group_graph
    from clerp.plugins import find

    grouper = find("groupers", name)
    start = time.perf_counter()
    graph = read_graph(source)
    read, before = time.perf_counter(), read_peak()
    grouped = group_graph(graph, grouper)
    done, after = time.perf_counter(), read_peak()
    grouped.write(source.with_name(f"{name}.json"))
    end = time.perf_counter()
    n_grouped = sum(len(group.members) for group in grouped)
    print(
        f"{name:10} {len(grouped):6,} {n_grouped:8,} | {read - start:6.1f} {done - read:6.1f} "
        f"{end - done:6.1f} {end - start:7.1f} | {read_peak():8,.0f} {after - before:9,.0f}"
    )


def read_peak() -> float:
    """Return the most memory that this process ever held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_apart(name: str, source: Path) -> str:
    command = [sys.executable, "-m", "tests.benchmarks.grouping", "--here", name, str(source)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return run.stdout.rstrip("\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        measure_here(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
