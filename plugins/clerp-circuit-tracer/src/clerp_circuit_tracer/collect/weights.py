"""The rows of a transcoder's matrices that belong to wanted features."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from circuit_tracer.transcoder.activation_functions import JumpReLU
from circuit_tracer.transcoder.cross_layer_transcoder import CrossLayerTranscoder
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from clerp.errors import UsageError
from clerp.evidence import PromotedFrom
from clerp_circuit_tracer.collect.transcoders import Transcoders, count_features

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_N_SUMMED = 2**24
_N_SAMPLED = 4096


@dataclass(frozen=True, slots=True, eq=False)
class EncoderRows:
    """What of one layer's encoder computes the wanted features."""

    weight: Float[Tensor, "feature d_model"]
    bias: Float[Tensor, " feature"]
    threshold: Float[Tensor, " feature"] | None
    """The pre-activation above which a feature fires; None where features compete."""

    def project(self, inputs: Float[Tensor, "*place d_model"]) -> Float[Tensor, "*place feature"]:
        """Return pre-activations, in the precision of the rows."""
        return functional.linear(inputs.to(self.weight.dtype), self.weight, self.bias)


def read_encoder_rows(transcoders: Transcoders, layer: int, indices: Sequence[int]) -> EncoderRows:
    """Read rows of one encoder; a lazy matrix is in memory whole for that moment."""
    if isinstance(transcoders, CrossLayerTranscoder):
        weight, bias = transcoders._get_encoder_weights(layer), transcoders.b_enc[layer]
    else:
        weight, bias = transcoders[layer].W_enc, transcoders[layer].b_enc
    wanted = torch.tensor(indices, device=bias.device)
    return EncoderRows(
        weight.detach()[wanted], bias.detach()[wanted], _read_threshold(transcoders, layer, wanted)
    )


def read_decoder_rows(
    transcoders: Transcoders, layer: int, indices: Sequence[int]
) -> Float[Tensor, "feature d_model"]:
    """Read what features write: of a cross-layer transcoder, summed over the layers written to."""
    rows = transcoders._get_decoder_vectors(layer, torch.tensor(indices)).detach().float()
    return rows.sum(1) if isinstance(transcoders, CrossLayerTranscoder) else rows


def digest_rows(
    layers: Iterable[EncoderRows], directions: Iterable[Float[Tensor, "feature d_model"]]
) -> str:
    """Return the sha256 in hex of what encodes features and what they write."""
    digest = hashlib.sha256()
    encoding = (part for rows in layers for part in (rows.weight, rows.bias, rows.threshold))
    for part in (*encoding, *directions):
        if part is not None:
            digest.update(part.float().cpu().numpy().tobytes())
    return digest.hexdigest()


def digest_model(model: nn.Module) -> str:
    """Return a sha256 in hex by which a model as it was loaded is told from others.

    Both backends hang the transcoders on the model as a module of it, which is left out.

    Of each parameter and buffer it takes name, shape, number type, the sum of all entries' bits
    read as integers, which any change of one entry changes, and up to 4096 entries at equal
    distances. That is as fast as memory is read; a hash of every byte would take minutes where a
    model is large.
    """
    digest = hashlib.sha256()
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if name.startswith("transcoders."):
            continue
        flat = tensor.detach().flatten().view(_INTEGERS[tensor.element_size()])
        # In parts: the sum of a tensor is taken of a copy in 64 bits.
        total = sum(int(part.sum(dtype=torch.int64)) for part in flat.split(_N_SUMMED))
        sample = flat[:: max(1, len(flat) // _N_SAMPLED)].cpu().numpy().tobytes()
        described = (name, tuple(tensor.shape), str(tensor.dtype), total)
        digest.update(repr(described).encode() + sample)
    return digest.hexdigest()


def describe_directions(transcoders: Transcoders) -> PromotedFrom:
    """Say which decoder rows `read_decoder_rows` returns."""
    return "summed" if isinstance(transcoders, CrossLayerTranscoder) else "per layer"


def check_fit(transcoders: Transcoders, n_layers: int, d_model: int) -> None:
    """Refuse a set that was made for a model of another shape.

    Raises:
        UsageError: Number of layers or width differ.
    """
    cross = isinstance(transcoders, CrossLayerTranscoder)
    width = int(transcoders.d_model if cross else transcoders[0].d_model)
    if (transcoders.n_layers, width) != (n_layers, d_model):
        raise UsageError(
            f"the transcoders have {transcoders.n_layers} layers of width {width}, "
            f"the model has {n_layers} of width {d_model}",
            remedy="Name the model that the transcoders were trained on",
        )


def _read_threshold(
    transcoders: Transcoders, layer: int, wanted: Int[Tensor, " feature"]
) -> Float[Tensor, " feature"] | None:
    cross = isinstance(transcoders, CrossLayerTranscoder)
    function = (transcoders if cross else transcoders[layer]).activation_function
    if isinstance(function, JumpReLU):
        threshold = function.threshold.detach()
        # One number may stand for all features of a layer.
        ours = threshold[layer] if cross else threshold
        return ours.flatten().expand(count_features(transcoders))[wanted]
    if function in (functional.relu, torch.relu) or isinstance(function, nn.ReLU):
        return torch.zeros(len(wanted), device=wanted.device)
    return None
