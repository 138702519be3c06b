"""The record of a feature, in circuit-tracer's schema (`frontend/feature_models.py`).

Two keys are not of that schema; its readers pass over keys that they do not know.
`promoted_from` says which decoder rows the promoted tokens come from. `inactive_examples` holds
windows in which the feature is off, `random` ones and `near_misses` with their `margin`. They
stand apart, because tools take whatever is in `examples_quantiles` for active.
"""

from collections.abc import Callable, Sequence

import numpy as np

from clerp_circuit_tracer.collect.activity import ActivityReader, LogitEffects
from clerp_circuit_tracer.collect.examples import choose_examples, choose_inactive
from clerp_circuit_tracer.collect.findings import Findings, read_margins
from clerp_circuit_tracer.collect.pools import PooledWindow
from clerp_circuit_tracer.collect.settings import CollectSettings

ReadTokens = Callable[[Sequence[int]], list[str]]
Record = dict[str, object]


def describe_feature(
    findings: Findings,
    number: int,
    index: int,
    effects: LogitEffects,
    reader: ActivityReader,
    settings: CollectSettings,
) -> Record:
    """Make the record of one feature.

    A feature that never fired has one too, without examples: a reader then says that there is no
    example, and its promoted tokens and near misses are still there to see.

    Args:
        findings: Of the whole corpus.
        number: Number of the feature among the wanted ones.
        index: Its index in its layer.
        effects: What it promotes and suppresses.
        reader: For the name of the transcoders and readable tokens.
        settings: How many examples, how wide.
    """
    distribution = findings.tallies.describe(number)
    groups = choose_examples(findings, number, distribution, settings)
    inactive = choose_inactive(findings, number, settings)
    read = reader.read_tokens
    return {
        "transcoder_id": reader.scan,
        "index": index,
        "examples_quantiles": [
            {
                "quantile_name": group.name,
                "examples": [_describe_window(window, read) for window in group.windows],
            }
            for group in groups
        ],
        "top_logits": list(effects.promoted),
        "bottom_logits": list(effects.suppressed),
        "act_min": _round(distribution.act_min),
        "act_max": _round(distribution.act_max),
        "quantile_values": [_round(value) for value in distribution.quantiles],
        "histogram": list(distribution.histogram),
        "activation_frequency": _round(distribution.n_positive / max(findings.n_tokens, 1)),
        "promoted_from": reader.promoted_from,
        "inactive_examples": {
            "random": [_describe_window(window, read) for window in inactive.random],
            "near_misses": [_describe_miss(window, read) for window in inactive.near_misses],
        },
    }


def _describe_window(window: PooledWindow, read_tokens: ReadTokens) -> Record:
    return {
        "tokens_acts_list": [_round(value) for value in window.activations.tolist()],
        "train_token_ind": window.peak,
        "is_repeated_datapoint": False,
        "tokens": read_tokens(window.tokens.tolist()),
    }


def _describe_miss(window: PooledWindow, read_tokens: ReadTokens) -> Record:
    margin = float(read_margins(np.array([window.rank]))[0])
    return {**_describe_window(window, read_tokens), "margin": _round(margin)}


def _round(value: float) -> float:
    # Adding zero turns -0.0 into 0.0.
    return float(f"{value:.6g}") + 0.0
