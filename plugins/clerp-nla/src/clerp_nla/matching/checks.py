"""Whether a pair belongs to a model, as far as files tell; what they cannot is for the self-test.

Each check has a message of its own, and nothing is described where one fails.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from clerp.errors import NotAvailableError
from clerp.verbalizers import ModelClaim, PairIdentity
from clerp_nla.matching.names import is_same_model
from clerp_nla.pair.checkpoint import load_tokenizer
from clerp_nla.subject.anatomy import Anatomy
from clerp_nla.subject.loading import load_config

if TYPE_CHECKING:
    from clerp_nla.pair.pair import Pair

PROBES = (
    "The quick brown fox, 42 years old, jumped over it.",
    "  two spaces\n\nand\ttabs; naïve café — “quoted”",
    "def f(x: int) -> str:\n    return f'{x!r}'",
    "東京は日本の首都です。 Привет, мир! مرحبا 🙂",
    "https://example.org/?q=a%20b&n=1e-5 CamelCaseWords UPPER",
)
"""Texts that tokenizers of different models cut differently."""
_SHAPES = (
    "model_type",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "intermediate_size",
)
_LEAST_NORM, _MOST_NORM = 0.5, 2.0
"""Of the mean norm of residuals to the injection scale; scales are near the 75th percentile."""


def check_model(identity: PairIdentity, claim: ModelClaim) -> None:
    """Hold what a pair says of its model against what a graph says.

    Neither names a revision of the model.

    Raises:
        NotAvailableError: The models differ, or the graph names none.
    """
    if not claim.model:
        raise NotAvailableError(
            "the graph does not say of which model it is, so no pair can be held against it",
            remedy="Graphs of circuit-tracer have it in their metadata, as `scan` or `model`",
        )
    if not is_same_model(identity.base_model, claim.model):
        raise NotAvailableError(
            f"the pair {identity.name} was trained on {identity.base_model}, and the graph is of "
            f"{claim.model}",
            remedy=f"A pair that was trained on {claim.model} is needed",
        )


def check_shape(pair: "Pair", anatomy: Anatomy, folder: Path) -> None:
    """Hold the shapes of both halves against the model's.

    The actor began as a copy of the model, so all of its shape is the same; the critic keeps the
    blocks 0 to K.

    Raises:
        NotAvailableError: They differ, or the model has no block K.
        InputError: A configuration cannot be read.
    """
    identity = pair.identity
    if anatomy.d_model != identity.d_model:
        raise NotAvailableError(
            f"the pair reads vectors of {identity.d_model} numbers, and the model's have "
            f"{anatomy.d_model}",
            remedy="Take the pair that was trained on this model",
        )
    if identity.layer >= anatomy.n_layers:
        raise NotAvailableError(
            f"the pair reads block {identity.layer}, and the model has {anatomy.n_layers}, "
            "numbered from 0",
            remedy="Take the pair that was trained on this model",
        )
    theirs = load_config(folder).get_text_config()
    ours = load_config(pair.place.actor).get_text_config()
    for key in _SHAPES:
        one, other = getattr(ours, key, None), getattr(theirs, key, None)
        if one != other:
            raise NotAvailableError(
                f"{key}: the actor has {one}, the model {other}; it did not begin as a copy of it",
                remedy="Take the pair that was trained on this model",
            )


def check_tokenizers(pair: "Pair", folder: Path, texts: Sequence[str]) -> None:
    """Hold both tokenizers of a pair against the model's.

    Args:
        pair: Whose halves have one each.
        folder: Of the model.
        texts: To cut, beside `PROBES`.

    Raises:
        NotAvailableError: One cuts a text differently.
        InputError: One cannot be loaded.
    """
    model = load_tokenizer(folder)
    for half, place in (("actor", pair.place.actor), ("critic", pair.place.critic)):
        tokenizer = load_tokenizer(place)
        for text in (*PROBES, *texts):
            ours, theirs = (t.encode(text, add_special_tokens=False) for t in (tokenizer, model))
            if ours != theirs:
                raise NotAvailableError(
                    f"the {half} cuts {text[:40]!r} to other tokens than the model does",
                    remedy="Take the pair that was trained on this model",
                )


def check_norm(vectors: Float32[np.ndarray, "vector d_model"], scale: float) -> None:
    """Hold the norm at which the actor learned to read vectors against that of residuals.

    Args:
        vectors: Residuals of ordinary text at block K.
        scale: The actor's injection scale.

    Raises:
        NotAvailableError: The mean norm is not half to twice of it.
    """
    mean = float(np.linalg.norm(vectors, axis=1).mean())
    if not _LEAST_NORM <= mean / scale <= _MOST_NORM:
        raise NotAvailableError(
            f"residuals of the model have a mean norm of {mean:.4g} at the pair's layer, and the "
            f"actor learned to read vectors of norm {scale:.4g}: the layer, or the scale in the "
            "sidecar, is not the one of its training",
            remedy="Check extraction_layer_index and injection_scale of nla_meta.yaml",
        )
