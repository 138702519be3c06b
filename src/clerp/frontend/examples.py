"""Activation examples as circuit-tracer's page shows them."""

import threading
from collections.abc import Iterable
from itertools import groupby

from clerp.config import Settings
from clerp.evidence import ActivationExample, EvidenceGap, FeatureEvidence
from clerp.frontend.served import number_features
from clerp.graph import AttributionGraph, GraphInput
from clerp.plugins import Source
from clerp.sourcing import choose_origins, open_origin

_NO_SOURCE = "name them with --features"
# Beyond any layer and latent: more digits are no number that this server gave out.
_MAX_DIGITS = 18

Record = dict[str, object]


class Examples:
    """Reads the examples of one graph's features, when they are asked for.

    Args:
        graph: Whose features are answered for.
        source: None where nobody named one and none lies beside the graph.
    """

    def __init__(self, graph: AttributionGraph, source: Source | None) -> None:
        self._features = number_features(graph).features
        self._source = source
        self._turn = threading.Lock()

    def read(self, number: str) -> Record | None:
        """Return the record of a feature in circuit-tracer's form.

        Args:
            number: What the page calls the feature.

        Returns:
            None where no feature of the graph has this number alone. A feature of which nothing is
            known has a record that says why.

        Raises:
            EvidenceError: The source is broken.
        """
        if not (number.isascii() and number.isdecimal() and len(number) <= _MAX_DIGITS):
            return None
        feature = self._features.get(int(number))
        if feature is None:
            return None
        if self._source is None:
            return _explain(_NO_SOURCE)
        # Requests come from several threads, and no source promises to stand that.
        with self._turn:
            (found,) = self._source.read([feature])
        return _explain(found.reason) if isinstance(found, EvidenceGap) else make_record(found)


def open_source(given: GraphInput, graph: AttributionGraph, settings: Settings) -> Source | None:
    """Open the source that was asked for, or that lies beside the graph; no server by itself.

    Raises:
        EvidenceError: It cannot be read.
        PluginError: It is not installed.
    """
    origins = choose_origins(given, graph, settings)
    certain = next((origin for origin in origins if origin.is_certain), None)
    return None if certain is None else open_origin(certain, settings)


def make_record(evidence: FeatureEvidence) -> Record:
    """Return what is known of a feature in circuit-tracer's form of `{cantor}.json`.

    Examples of the same quantile stand together, top ones first, strongest first.
    """
    lower = sorted(evidence.lower, key=_quantile_of)
    quantiles = [
        _make_quantile("Top activations", evidence.top),
        *(
            _make_quantile(f"Lower activations, quantile {quantile}", examples)
            for quantile, examples in groupby(lower, key=_quantile_of)
        ),
    ]
    record: Record = {
        "index": evidence.feature.index,
        "examples_quantiles": quantiles,
        "top_logits": evidence.promoted,
        "bottom_logits": evidence.suppressed,
        "act_min": evidence.act_min,
        "act_max": evidence.act_max,
    }
    # The page takes a key for a value, whatever it holds.
    if evidence.histogram:
        record["histogram"] = evidence.histogram
    if evidence.density is not None:
        record["activation_frequency"] = evidence.density
    return record


def _explain(reason: str) -> Record:
    said: Record = {"quantile_name": f"No activation examples: {reason}", "examples": []}
    return {"examples_quantiles": [said], "top_logits": [], "bottom_logits": []}


def _quantile_of(example: ActivationExample) -> int:
    quantile = example.id.partition(".")[0]
    return int(quantile) if quantile.isdecimal() else 0


def _make_quantile(name: str, examples: Iterable[ActivationExample]) -> Record:
    return {"quantile_name": name, "examples": [_make_example(example) for example in examples]}


def _make_example(example: ActivationExample) -> Record:
    return {
        "tokens": example.tokens,
        "tokens_acts_list": example.activations.tolist(),
        "train_token_ind": example.peak,
        "is_repeated_datapoint": False,
    }
