"""Every number that the evidence of a collection depends on, apart from model and corpus."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from clerp.evidence.parsing import MAX_EXAMPLES


class CollectSettings(BaseModel):
    """What is kept of a feature, and how the rows are run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    """Draws the examples of the lower intervals and the random inactive ones."""
    top_examples: int = Field(default=20, ge=1, le=200)
    intervals: int = Field(default=5, ge=1, le=20)
    """Ranges of activation, each between two equally spaced quantiles."""
    interval_examples: int = Field(default=5, ge=0, le=100)
    inactive_examples: int = Field(default=10, ge=0, le=100)
    """Of each kind: random ones and near misses."""
    context: int = Field(default=24, ge=1, le=128)
    """Tokens on either side of the peak."""
    spacing: int = Field(default=16, ge=2)
    """Fewest tokens between two peaks of one row."""
    distinct: int = Field(default=8, ge=1)
    """Two examples differ within so many tokens on either side of the peak."""
    peak_sample: int = Field(default=192, ge=1, le=4096)
    """Window peaks from which the examples of the intervals are chosen."""
    other_sample: int = Field(default=96, ge=1, le=4096)
    """Other positive places, for intervals with too few peaks."""
    logit_tokens: int = Field(default=10, ge=0, le=100)
    """Promoted tokens, and as many suppressed ones."""
    percentiles: int = Field(default=100, ge=1, le=1000)
    """Length of `quantile_values`, which end at `act_max`; circuit-tracer's page takes places among
    100 of them for percentiles."""
    histogram_bins: int = Field(default=40, ge=1, le=1000)
    quantile_error: float = Field(default=0.005, gt=1e-4, lt=0.1)
    """Relative error of `quantile_values`, of the intervals' borders and of the histogram."""
    batch_tokens: int = Field(default=2048, ge=1)
    """Most tokens of one batch, padding among them; a longer row is a batch of its own. A run that
    goes on may have another number: no evidence depends on it."""
    shard_rows: int = Field(default=64, ge=1)
    """Rows that are sorted by length together."""

    @property
    def width(self) -> int:
        """Tokens of a window."""
        return 2 * self.context + 1

    @model_validator(mode="after")
    def _check_distances(self) -> Self:
        # Peaks that see each other are equally high, so that the first of them can stand for all.
        if self.spacing > self.context + 1:
            raise ValueError("spacing must not be larger than context + 1")
        if self.distinct > self.context:
            raise ValueError("distinct must not be larger than context")
        return self

    @model_validator(mode="after")
    def _check_number(self) -> Self:
        n_examples = self.top_examples + self.intervals * self.interval_examples
        if n_examples > MAX_EXAMPLES:
            raise ValueError(f"{n_examples} examples a feature; at most {MAX_EXAMPLES} are read")
        return self
