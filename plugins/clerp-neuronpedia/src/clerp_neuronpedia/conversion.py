"""A feature row to evidence, by the rules that hold for every other source."""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.evidence.parsing import parse_record
from clerp.feature import FeatureId
from clerp_neuronpedia.explanations import rank_candidates
from clerp_neuronpedia.feature_row import Activation, FeatureRow

_Quantile = dict[str, Any]


def convert_row(
    row: FeatureRow, feature: FeatureId, *, where: str
) -> FeatureEvidence | EvidenceGap:
    """Read a row as the record of circuit-tracer that says the same; see `parse_record`.

    Examples are numbered by strength, so that ids do not depend on the order of the row. The
    digest is that of the record: explanations become candidates and change nothing else.

    Args:
        row: What Neuronpedia knows of the feature.
        feature: Whose row it is.
        where: What a reason calls the row, for example `14-clt-hp/2268`; never a path.
    """
    item = parse_record(msgspec.json.encode(_to_record(row)), feature, where=where)
    if isinstance(item, EvidenceGap):
        return item
    return replace(item, candidates=rank_candidates(row.explanations))


def _to_record(row: FeatureRow) -> dict[str, Any]:
    return {
        "examples_quantiles": _split_by_interval(row.activations),
        "top_logits": row.pos_str,
        "bottom_logits": row.neg_str,
        "act_max": row.max_act_approx,
        # The database says 0 where nobody measured it.
        "activation_frequency": row.frac_nonzero or None,
        "histogram": row.histogram,
    }


def _split_by_interval(activations: Sequence[Activation | None]) -> list[_Quantile]:
    """Put the top activations first and then those of each interval, highest first.

    SAEDashboard marks top activations with `binMin` -1. It draws those of an interval for a token
    that need not be the peak, so each goes where its peak lies, as on Neuronpedia's pages; a peak
    above every interval is one of the top. Without any top activation the highest interval is.
    """
    bounds = sorted({bound for a in activations if (bound := _find_bound(a)) is not None})
    by_bound: defaultdict[int, list[_Quantile]] = defaultdict(list)
    for activation in activations:
        by_bound[_place(activation, bounds)].append(_to_example(activation))
    return [
        {"quantile_name": _name_quantile(bound, bounds), "examples": by_bound[bound]}
        for bound in sorted(by_bound, reverse=True)
    ]


def _find_bound(activation: Activation | None) -> float | None:
    """Return the upper end of the interval; None where it is drawn from none."""
    low, high = (activation.bin_min, activation.bin_max) if activation else (None, None)
    return high if low is not None and high is not None and 0 <= low < high < math.inf else None


def _place(activation: Activation | None, bounds: Sequence[float]) -> int:
    # Malformed ones are only counted, and must not pass for the top activations.
    if activation is None:
        return 0
    return len(bounds) if _find_bound(activation) is None else bisect_left(bounds, activation.peak)


def _name_quantile(bound: int, bounds: Sequence[float]) -> str:
    return f"up to {bounds[bound]}" if bound < len(bounds) else "Top activations"


def _to_example(activation: Activation | None) -> dict[str, Any]:
    if activation is None:
        return {}
    return {"tokens": activation.tokens, "tokens_acts_list": activation.values}
