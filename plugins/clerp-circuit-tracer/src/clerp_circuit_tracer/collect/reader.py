"""A model with its transcoders, as statistics read it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from clerp.evidence import PromotedFrom
from clerp.feature import FeatureId
from clerp_circuit_tracer.collect.activity import Batch, LayerActivity, LogitEffects
from clerp_circuit_tracer.collect.backend import Backend
from clerp_circuit_tracer.collect.encoders import Encoded, check_encoder, make_encoder
from clerp_circuit_tracer.collect.logits import rank_tokens
from clerp_circuit_tracer.collect.transcoders import Transcoders, count_features, name_scan
from clerp_circuit_tracer.collect.vocabulary import Vocabulary
from clerp_circuit_tracer.collect.wanted import sort_wanted
from clerp_circuit_tracer.collect.weights import (
    check_fit,
    describe_directions,
    digest_rows,
    read_decoder_rows,
    read_encoder_rows,
)

# Tokens of the first batch on which each layer is held against the transcoder's own encoder.
_N_CHECKED = 4


class FeatureReader:
    """The wanted features of a transcoder set on the model that it was trained on.

    Implements `ActivityReader`. Between batches it holds the rows of the wanted features; a
    batch is encoded while the model runs, so that no more than one layer's inputs are kept.

    Attributes:
        features: The wanted ones, in ascending order.
        digest: sha256 in hex of what encodes them and what they write.

    Args:
        backend: The model.
        transcoders: On the model's device and in its precision, as backends leave them.
        features: The wanted ones, in any order.
        promoted_from: What the decoder rows are, where the transcoders' own kind does not say it.

    Raises:
        UsageError: The transcoders were made for a model of another shape or lack a feature, or
            no feature is wanted.
    """

    def __init__(
        self,
        backend: Backend,
        transcoders: Transcoders,
        features: Iterable[FeatureId],
        *,
        promoted_from: PromotedFrom | None = None,
    ) -> None:
        check_fit(transcoders, backend.n_layers, backend.d_model)
        self.scan: str = name_scan(transcoders)
        self.n_layers = transcoders.n_layers
        self.n_features = count_features(transcoders)
        self.promoted_from: str = promoted_from or describe_directions(transcoders)
        self._backend = backend
        self._transcoders = transcoders
        wanted = sort_wanted(features, self)
        self.features = wanted.features
        self._wanted = {
            layer: [feature.index for _, feature in wanted.of_layer(layer)]
            for layer in wanted.spans
        }
        self._vocabulary = Vocabulary(backend.tokenizer)
        rows = {
            layer: read_encoder_rows(transcoders, layer, indices)
            for layer, indices in self._wanted.items()
        }
        self._directions = {
            layer: read_decoder_rows(transcoders, layer, indices)
            for layer, indices in self._wanted.items()
        }
        self.digest = digest_rows(rows.values(), self._directions.values())
        self._encoders = {
            layer: make_encoder(transcoders, layer, indices, rows[layer])
            for layer, indices in self._wanted.items()
        }
        self._checked = False

    @torch.no_grad()
    def read(self, batch: Batch) -> Iterator[LayerActivity]:
        """Run the model and yield each layer that has wanted features, in ascending order.

        Raises:
            InputError: A layer's features are not computed as the transcoder itself does.
        """
        encoded: dict[int, Encoded] = {}
        samples: dict[int, Float[Tensor, "token d_model"]] = {}
        sampled = slice(batch.prefix, min(int(batch.lengths[0]), batch.prefix + _N_CHECKED))

        def visit(layer: int, inputs: Float[Tensor, "row position d_model"]) -> None:
            encoded[layer] = self._encoders[layer].encode(inputs)
            if not self._checked:
                samples[layer] = inputs[0, sampled].clone()

        self._backend.visit_inputs(batch.tokens, list(self._encoders), visit)
        self._check(samples)
        valid = _find_valid(batch)
        for layer, found in encoded.items():
            masked = found.mask(valid.to(found.margins.device))
            yield LayerActivity(layer, masked.activations, masked.margins)

    def rank_logits(self, count: int) -> Mapping[int, Sequence[LogitEffects]]:
        """Return, by layer, the tokens that each wanted feature promotes and suppresses most."""
        unembedding = self._backend.unembedding
        with torch.no_grad():
            return {
                layer: rank_tokens(
                    directions, unembedding.norm, unembedding.rows, self._vocabulary, count
                )
                for layer, directions in self._directions.items()
            }

    def read_tokens(self, ids: Sequence[int]) -> list[str]:
        """Return one readable string a token, as circuit-tracer's frontend shows it."""
        return self._vocabulary.read(ids)

    def _check(self, samples: Mapping[int, Float[Tensor, "token d_model"]]) -> None:
        for layer, inputs in samples.items():
            if len(inputs):
                indices = self._wanted[layer]
                check_encoder(self._encoders[layer], self._transcoders, layer, indices, inputs)
                self._checked = True


def _find_valid(batch: Batch) -> Bool[Tensor, "row position"]:
    positions = torch.arange(batch.tokens.shape[1])
    return (positions >= batch.prefix) & (positions < batch.lengths.cpu()[:, None])
