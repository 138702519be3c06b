"""What JSON needs of a graph, checked: the input of a conversion, from a file or from memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

from clerp_circuit_tracer.graph.fields import Fields

_MAX_PROMPT_CHARS = 2**22
_MAX_TRANSCODERS = 4096
_MAX_ID = 2**31
"""No tokenizer counts further."""


class LogitTarget(NamedTuple):
    """What a logit node stands for."""

    token_str: str | None
    """None in files of circuit-tracer 0.3, which have ids only."""
    vocab_idx: int


@dataclass(frozen=True, slots=True)
class GraphContents:
    """A graph before it is pruned, with tensors in main memory.

    Its nodes are, in this order: selected features, errors (layer by layer), tokens and logits.
    """

    prompt: str
    tokens: Int[Tensor, " position"]
    adjacency: Float[Tensor, "target source"]
    """Direct effects, in single precision as circuit-tracer computes them."""
    active_features: Int[Tensor, "active 3"]
    """Layer, position and index."""
    activations: Float[Tensor, " active"]
    selected_features: Int[Tensor, " selected"]
    """Rows of `active_features`."""
    logit_targets: tuple[LogitTarget, ...]
    logit_probabilities: Float[Tensor, " logit"]
    scan: str | tuple[str, ...]
    """Name of the transcoder set, or of one transcoder for each layer; may be empty."""
    n_layers: int
    tokenizer: str
    """A name on the hub or a folder."""


def read_contents(
    graph: Mapping[str, object], config: Mapping[str, object], where: str
) -> GraphContents:
    """Check a graph as `Graph.to_pt` of circuit-tracer 0.3 to 0.5 saves it.

    Args:
        graph: Its fields.
        config: Fields of its `cfg`.
        where: The file or object, as errors name it.

    Raises:
        GraphError: A field is missing or not what it should be; the key is named.
    """
    fields, settings = Fields(graph, where), Fields(config, f"{where}, cfg")
    n_layers = settings.take_count("n_layers")
    n_vocabulary = min(settings.take_count("d_vocab"), _MAX_ID)
    tokens = fields.take_indices("input_tokens", (None,), n_vocabulary)
    fields.check_filled("input_tokens", tokens)
    active = fields.take_indices("active_features", (None, 3), _MAX_ID)
    _check_places(fields, active, n_layers, len(tokens))
    selected = fields.take_indices("selected_features", (None,), len(active))
    targets = _read_targets(fields, n_vocabulary)
    n_nodes = len(selected) + (n_layers + 1) * len(tokens) + len(targets)
    return GraphContents(
        prompt=fields.take_text("input_string", _MAX_PROMPT_CHARS),
        tokens=tokens,
        adjacency=fields.take_numbers("adjacency_matrix", (n_nodes, n_nodes)).float(),
        active_features=active,
        activations=fields.take_numbers("activation_values", (len(active),)),
        selected_features=selected,
        logit_targets=targets,
        logit_probabilities=fields.take_numbers("logit_probabilities", (len(targets),)),
        scan=_read_scan(fields),
        n_layers=n_layers,
        tokenizer=settings.take_text("tokenizer_name"),
    )


def _check_places(
    fields: Fields, active: Int[Tensor, "active 3"], n_layers: int, n_tokens: int
) -> None:
    for column, name, end in ((0, "layer", n_layers), (1, "position", n_tokens)):
        highest = max(active[:, column].tolist(), default=-1)
        if highest >= end:
            raise fields.refuse("active_features", f"{name} {highest} of {end}")


def _read_targets(fields: Fields, n_vocabulary: int) -> tuple[LogitTarget, ...]:
    key = "logit_targets" if "logit_targets" in fields.values else "logit_tokens"
    targets = fields.take(key)
    fields.check_filled(key, targets)
    if isinstance(targets, list | tuple):
        return tuple(_read_target(fields, f"{key}[{i}]", item) for i, item in enumerate(targets))
    ids = fields.take_indices(key, (None,), n_vocabulary)
    return tuple(LogitTarget(None, index) for index in ids.tolist())


def _read_target(fields: Fields, key: str, target: object) -> LogitTarget:
    if not isinstance(target, tuple) or len(target) != len(LogitTarget._fields):
        raise fields.refuse(key, "expected a token and its id")
    text, index = target
    if type(index) is not int or not 0 <= index < _MAX_ID:
        raise fields.refuse(key, "expected the id of a token")
    return LogitTarget(fields.check_text(key, text), index)


def _read_scan(fields: Fields) -> str | tuple[str, ...]:
    scan = fields.take("scan")
    if scan is None:
        return ""
    if not isinstance(scan, list):
        return fields.check_text("scan", scan)
    if len(scan) > _MAX_TRANSCODERS:
        raise fields.refuse("scan", f"more than {_MAX_TRANSCODERS} transcoders")
    return tuple(fields.check_text(f"scan[{i}]", name) for i, name in enumerate(scan))
