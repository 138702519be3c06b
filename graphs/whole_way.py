"""From a prompt to an intervention on a named supernode: attribute, label, group, switch off.

    python graphs/whole_way.py "Fact: the capital of the state containing Dallas is"

The cells (`# %%`) run one by one in a notebook, too. The default model needs a GPU.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from circuit_tracer import ReplacementModel, attribute

import clerp
from clerp.grouped import Feature, GroupedGraph
from clerp.grouped.table import render_groups
from clerp.terminal import show, tell

Model = Any
"""`NNSightReplacementModel` or `TransformerLensReplacementModel`, which share no type."""
N_SHOWN = 5


# %% From the prompt to its graph, from the graph to named supernodes
def group_prompt(
    prompt: str,
    model: Model,
    features: str | Path | None = None,
    **attributing: Any,  # noqa: ANN401 - circuit-tracer's own
) -> GroupedGraph:
    """Attribute a prompt, name the features of its graph, and propose supernodes.

    Args:
        prompt: What the model goes on from.
        model: Of circuit-tracer.
        features: Activation examples; by default what the transcoders themselves name.
        attributing: Options of `circuit_tracer.attribute`.
    """
    graph = attribute(prompt, model, **attributing)
    return clerp.label(graph, features=features).group()


# %% What the model says without one of them
@dataclass(frozen=True)
class Effect:
    """Logits of the next token."""

    before: torch.Tensor
    after: torch.Tensor


def switch_off(prompt: str, model: Model, members: list[Feature]) -> Effect:
    """Set the features of a supernode to zero, each at its own position."""
    before, _ = model.get_activations(prompt)
    zeros = [(feature.layer, feature.pos, feature.feature_idx, 0.0) for feature in members]
    after, _ = model.feature_intervention(prompt, zeros)
    return Effect(before.squeeze(0)[-1], after.squeeze(0)[-1])


def name_tokens(logits: torch.Tensor, tokenizer: Any) -> str:  # noqa: ANN401 - of any model
    """Name the likeliest tokens, with their probabilities."""
    chances = logits.float().softmax(-1).topk(N_SHOWN)
    pairs = zip(chances.indices.tolist(), chances.values.tolist(), strict=True)
    return ", ".join(f"{tokenizer.decode([token])!r} {chance:.2f}" for token, chance in pairs)


# %% One after the other
def walk(
    prompt: str,
    model: Model,
    supernode: str = "",
    features: str | Path | None = None,
    **attributing: Any,  # noqa: ANN401 - circuit-tracer's own
) -> Effect:
    """Go the whole way, and show what comes of it; by default with the largest supernode."""
    grouped = group_prompt(prompt, model, features, **attributing)
    show(render_groups(grouped))
    members = grouped.features()
    chosen = supernode or max(members, key=lambda name: len(members[name]), default="")
    if chosen not in members:
        raise SystemExit(f"There is no supernode {chosen!r}. There are: {', '.join(members)}")
    effect = switch_off(prompt, model, members[chosen])
    tell(f"as it is: {name_tokens(effect.before, model.tokenizer)}")
    tell(f"without {chosen!r}: {name_tokens(effect.after, model.tokenizer)}")
    return effect


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prompt")
    parser.add_argument("--supernode", default="")
    parser.add_argument("--model", default="google/gemma-2-2b")
    parser.add_argument("--transcoders", default="mntss/clt-gemma-2-2b-426k")
    parser.add_argument("--features", default=None)
    given = parser.parse_args()
    replaced = ReplacementModel.from_pretrained(
        given.model, given.transcoders, dtype=torch.bfloat16
    )
    walk(given.prompt, replaced, given.supernode, given.features, max_feature_nodes=1_000)
