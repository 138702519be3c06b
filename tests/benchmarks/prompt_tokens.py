"""How many tokens a label's prompt has, by method, on the bundled evidence.

Run `python tests/benchmarks/prompt_tokens.py [TOKENIZER.json]`. Counted is all that is sent:
system, user and the schema of the answer. The tokenizer that ships (wordllama's, of Llama 2, 32,000
tokens) counts more than those of newer models; beside it stand four characters a token and, where
its file is given, another tokenizer. `small-llm` is asked about the label of tier 1, and left out
where there is none.
"""

import asyncio
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from tokenizers import Tokenizer

from clerp import testing
from clerp.errors import LabelerError
from clerp.evidence import FeatureEvidence
from clerp.evidence.folder import FolderSource
from clerp.feature import FeatureId
from clerp.graph import read_graph
from clerp.labelers import LabelRequest
from clerp.labelers.methods import METHODS
from clerp.labelers.token_frequency import TokenFrequencyLabeler
from clerp.labels import Label
from clerp.llm import Prompt

SAMPLE = Path(__file__).parents[2] / "graphs" / "smollm2-135m"
GRAPHS = ("capital-of-france", "counting-to-six", "east-and-west", "man-in-the-mirror")
SHIPPED = str(files("wordllama") / "tokenizers" / "l2_supercat_tokenizer_config.json")

Counter = Callable[[str], float]


def main() -> None:
    requests = list(make_requests())
    counters = make_counters(sys.argv[1:])
    print(f"{len(requests)} features")
    print(f"{'method':16} {'labels':>6}  {'counted by':24} {'median':>6} {'90 %':>6} {'most':>6}")
    for name in METHODS:
        prompts = list(make_prompts(name, requests))
        for counter, count in counters.items():
            sizes = sorted(measure(prompt, count) for prompt in prompts)
            tenth = sizes[int(0.9 * len(sizes))]
            print(
                f"{name:16} {len(sizes):6}  {counter:24} {statistics.median(sizes):6.0f} "
                f"{tenth:6.0f} {sizes[-1]:6.0f}"
            )
    print_shared(requests)


def make_counters(tokenizers: Iterable[str]) -> Mapping[str, Counter]:
    counters: dict[str, Counter] = {"4 characters a token": lambda text: len(text) / 4}
    for path in (SHIPPED, *tokenizers):
        counters[Path(path).parent.name if path != SHIPPED else "wordllama"] = make_counter(path)
    return counters


def make_counter(path: str) -> Counter:
    tokenizer = Tokenizer.from_file(path)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def measure(prompt: Prompt, count: Counter) -> float:
    schema = json.dumps(prompt.schema.model_json_schema(), separators=(",", ":"))
    return sum(map(count, (prompt.system, prompt.user, schema)))


def make_prompts(method: str, requests: Iterable[LabelRequest]) -> Iterator[Prompt]:
    for request in requests:
        try:
            yield METHODS[method].build(request).prompt
        except LabelerError:
            continue


def make_requests() -> Iterator[LabelRequest]:
    activations: defaultdict[FeatureId, list[float]] = defaultdict(list)
    for graph in GRAPHS:
        for node in read_graph(SAMPLE / f"{graph}.json").feature_nodes:
            assert node.activation is not None
            activations[node.feature].append(node.activation)
    for evidence in FolderSource(str(SAMPLE / "features")).read(sorted(activations)):
        assert isinstance(evidence, FeatureEvidence)
        request = testing.make_request(evidence)
        yield replace(
            request,
            activations=tuple(activations[evidence.feature]),
            proposal=propose(request),
        )


def propose(request: LabelRequest) -> Label | None:
    named = asyncio.run(TokenFrequencyLabeler().label(request))
    return named if isinstance(named, Label) else None


def print_shared(requests: Iterable[LabelRequest]) -> None:
    """Say how often the nodes' activations change what the default method shows."""
    shared = [request for request in requests if len(request.activations) > 1]
    method = next(iter(METHODS.values()))
    same = 0
    for request in shared:
        alone = (replace(request, activations=(a,)) for a in request.activations)
        same += len({method.build(each).prompt.hash for each in alone}) == 1
    print(f"{same} of {len(shared)} features with several nodes have one prompt for all of them")


if __name__ == "__main__":
    main()
