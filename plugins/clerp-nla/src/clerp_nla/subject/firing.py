"""Whether a feature fires where its evidence says so, when its transcoder runs on our model."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from clerp.feature import FeatureId
from clerp.verbalizers import Missed, Passage
from clerp_nla.inputs.decoder import needing_transcoders
from clerp_nla.subject.tokens import Encoded, encode_passage, pad_right

FACTOR = 2.0
"""By which an activation may differ from the evidence's: a passage is often a piece of a longer
text, and what is missing in front of it changes activations, though seldom by half."""
CONTEXT = 1024
"""Most tokens of a passage."""


class FiringCheck:
    """Some features of a transcoder set, run on a model as `clerp collect` does.

    It takes memory for the model once more, and for the encoders of the features' layers.

    Args:
        model: Folder of the subject, or its name on the hub.
        transcoders: `OWNER/REPO[//SUB][@REVISION]` or a folder.
        features: Those that will be asked for.
        device: Where both run.
        dtype: In what both compute.

    Raises:
        PluginError: clerp-circuit-tracer is not installed.
        UsageError: A feature is not of the set, or model and set do not fit.
        InputError, RemoteError: Model or set cannot be loaded.
    """

    def __init__(
        self,
        model: str | Path,
        transcoders: str,
        features: Iterable[FeatureId],
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        with needing_transcoders():
            from clerp_circuit_tracer.collect.backend import Placement
            from clerp_circuit_tracer.collect.job import open_backend
            from clerp_circuit_tracer.collect.reader import FeatureReader
            from clerp_circuit_tracer.collect.transcoders import load_transcoders

        loaded = load_transcoders(transcoders, hooks=None, device=device, dtype=dtype)
        backend = open_backend("nnsight", model, loaded, Placement(device, dtype), 1)
        self._tokenizer, self._prefix = backend.tokenizer, backend.prefix
        self._reader = FeatureReader(backend, loaded, list(features))

    def confirm(self, feature: FeatureId, passages: Sequence[Passage]) -> list[Passage | Missed]:
        """Return each passage, in order, or why it shows the feature no longer.

        A passage is missed where its last token is another one for this model, and where the
        feature is off there or differs from the evidence by more than a factor of two.
        """
        cut = [encode_passage(passage, self._tokenizer, CONTEXT) for passage in passages]
        activations = iter(self._measure(feature, [c.ids for c in cut if isinstance(c, Encoded)]))
        return [
            found if isinstance(found, Missed) else _judge(passage, next(activations))
            for passage, found in zip(passages, cut, strict=True)
        ]

    def _measure(self, feature: FeatureId, rows: Sequence[Sequence[int]]) -> list[float]:
        if not rows:
            return []
        from clerp_circuit_tracer.collect.activity import Batch, Row

        rows = [self._begin(row) for row in rows]
        listed = [Row(number, torch.tensor(row)) for number, row in enumerate(rows)]
        lengths = torch.tensor([len(row) for row in rows])
        padded = torch.tensor(pad_right(rows, filler=rows[0][0]))
        batch = Batch(listed, padded, lengths, prefix=len(self._prefix))
        (activity,) = [a for a in self._reader.read(batch) if a.layer == feature.layer]
        of_layer = [f for f in self._reader.features if f.layer == feature.layer]
        column = activity.activations[..., of_layer.index(feature)].cpu()
        return column[torch.arange(len(rows)), lengths - 1].tolist()

    def _begin(self, row: Sequence[int]) -> Sequence[int]:
        """Put in front of a row what collection puts there: for some models a turn of a chat."""
        if tuple(row[: len(self._prefix)]) == self._prefix:
            return row
        has_start = row[0] == self._tokenizer.bos_token_id
        return [*self._prefix, *(row[1:] if has_start else row)]


def _judge(passage: Passage, activation: float) -> Passage | Missed:
    if activation <= 0:
        return Missed(passage, "the feature is off here when it is run again")
    ratio = activation / passage.activation if passage.activation > 0 else float("inf")
    if not 1 / FACTOR <= ratio <= FACTOR:
        return Missed(
            passage,
            f"the feature is at {activation:.3g} here when it is run again, and at "
            f"{passage.activation:.3g} in the evidence",
        )
    return passage
