"""A reader whose features look tokens up, so that batches cannot change what they do."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch

from clerp.feature import FeatureId
from clerp_circuit_tracer.collect.activity import Batch, LayerActivity, LogitEffects, Row

N_TOKENS = 50
THRESHOLD = 1.5


class TableReader:
    """Pre-activation = what the token gives + half of what the token before it gives + a shift.

    At a shift of 50 every feature fires on every token, at -50 none ever does.
    """

    scan = "tiny-clt"
    promoted_from = "summed"

    def __init__(
        self,
        features: Iterable[FeatureId],
        *,
        n_layers: int = 3,
        n_features: int = 16,
        n_tokens: int = N_TOKENS,
        shift: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.n_layers = n_layers
        self.n_features = n_features
        self.features = sorted(set(features))
        generator = torch.Generator().manual_seed(seed)
        shape = (n_tokens, len(self.features))
        self.given = torch.randn(shape, generator=generator)
        self.shift = shift
        self.n_read = 0

    def read(self, batch: Batch) -> Iterator[LayerActivity]:
        self.n_read += len(batch.rows)
        activations, margins = self.compute(batch.tokens, batch.lengths, batch.prefix)
        layers = sorted({feature.layer for feature in self.features}, reverse=True)
        for layer in layers:
            of_layer = [i for i, feature in enumerate(self.features) if feature.layer == layer]
            yield LayerActivity(layer, activations[..., of_layer], margins[..., of_layer])

    def compute(
        self, tokens: torch.Tensor, lengths: torch.Tensor, prefix: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        here = self.given[tokens]
        before = torch.nn.functional.pad(here[:, :-1], (0, 0, 1, 0))
        pre = here + before / 2 + self.shift
        margins = pre - THRESHOLD
        positions = torch.arange(tokens.shape[1])
        off = ((positions < prefix) | (positions >= lengths[:, None]))[..., None]
        activations = torch.where(margins > 0, pre, 0).masked_fill(off, 0)
        return activations, margins.masked_fill(off, -torch.inf)

    def rank_logits(self, count: int) -> Mapping[int, Sequence[LogitEffects]]:
        def effects(feature: FeatureId) -> LogitEffects:
            up = tuple(f"up {feature} {rank}" for rank in range(count))
            return LogitEffects(up, tuple(f"down {feature} {rank}" for rank in range(count)))

        layers = {feature.layer for feature in self.features}
        return {
            layer: [effects(feature) for feature in self.features if feature.layer == layer]
            for layer in layers
        }

    def read_tokens(self, ids: Sequence[int]) -> list[str]:
        return [f" t{token}" for token in ids]


def make_rows(
    n_rows: int, *, shortest: int = 2, longest: int = 90, n_tokens: int = N_TOKENS, seed: int = 0
) -> list[Row]:
    """Make rows of random tokens and lengths, each with token 0 in front."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(shortest, longest + 1, (n_rows,), generator=generator).tolist()
    rows = []
    for number, length in enumerate(lengths):
        tokens = torch.randint(1, n_tokens, (length,), generator=generator)
        tokens[0] = 0
        rows.append(Row(number, tokens))
    return rows
