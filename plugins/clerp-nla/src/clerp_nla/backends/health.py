"""What an NLA server says of itself, and which pair that makes it."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath

from clerp.errors import NotAvailableError, VerbalizerError
from clerp.verbalizers import ModelClaim, PairIdentity
from clerp_nla.matching.names import is_same_model

_MOST_WIDTH = 2**15


@dataclass(frozen=True, slots=True)
class Health:
    """What the server says of itself."""

    verbalizer_model: str
    reconstructor_available: bool
    source_model: str | None = None
    extraction_layer: int | None = None
    d_model: int | None = None
    verbalizer_quantization: str | None = None
    reconstructor_fp8: bool | None = None
    reconstructor_int4: bool | None = None
    source_fp8: bool | None = None


def identify(health: Health, claim: ModelClaim, where: str) -> PairIdentity:
    """Say which pair a server has, if it fits the model of a graph.

    Args:
        health: What the server says.
        claim: What the graph says.
        where: What an error calls the server.

    Raises:
        NotAvailableError: It is for another model, or lacks a part.
        VerbalizerError: Its figures cannot be.
    """
    model, layer, d_model = health.source_model, health.extraction_layer, health.d_model
    if not model or layer is None or d_model is None:
        raise NotAvailableError(
            "the server does not say of which model and layer it has residuals",
            where=where,
            remedy="Start it with its source model",
        )
    if not is_same_model(claim.model, model):
        raise NotAvailableError(
            f"the server has an NLA of {model}, and the graph is of {claim.model or 'no model'}",
            remedy=f"An NLA server of {claim.model or 'the model'} is needed",
        )
    if not health.reconstructor_available:
        raise NotAvailableError(
            "the server has no reconstructor, so that nothing shows whether its texts fit",
            where=where,
            remedy="Start it with the AR of the pair",
        )
    if not 0 < d_model <= _MOST_WIDTH or layer < 0:
        raise VerbalizerError(f"no layer {layer} of width {d_model} can be read", where=where)
    name = PurePosixPath(health.verbalizer_model.replace("\\", "/"))
    # A folder of the server's is its own business.
    shown = name.name if name.is_absolute() else str(name)
    return PairIdentity(shown or "unnamed", _sum_up(health), model, layer, d_model)


def _sum_up(health: Health) -> str:
    """Return a digest of all that decides what the server says, and its precision."""
    content = json.dumps(asdict(health), sort_keys=True).encode()
    precisions = {
        "verbalizer": health.verbalizer_quantization or "",
        "reconstructor": _name_precision(health.reconstructor_fp8, health.reconstructor_int4),
        "source": _name_precision(health.source_fp8, None),
    }
    told = [f"{part} {precision}" for part, precision in precisions.items() if precision]
    return f"{hashlib.sha256(content).hexdigest()[:12]} ({', '.join(told) or 'not quantized'})"


def _name_precision(is_fp8: bool | None, is_int4: bool | None) -> str:
    return "int4" if is_int4 else "fp8" if is_fp8 else ""
