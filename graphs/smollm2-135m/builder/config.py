"""Every number the build depends on, in one place."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SourceShare:
    """How many tokens of the corpus come from one source."""

    source: str
    tokens: int


@dataclass(frozen=True)
class CorpusConfig:
    """The mixture of texts and how it is cut.

    Attributes:
        shares: Tokens to take from each source, BOS not counted.
        sequence_length: Tokens of one model input, its BOS included.
        training_sequences: The first so many sequences train the transcoder.
        heldout_sequences: The next so many measure it; they train nothing.
    """

    shares: tuple[SourceShare, ...] = (
        SourceShare("speeches-spoken", 130_000),
        SourceShare("speeches-written", 60_000),
        SourceShare("factbook", 110_000),
        SourceShare("moby-dick", 70_000),
        SourceShare("docutils", 40_000),
    )
    sequence_length: int = 256
    training_sequences: int = 400
    heldout_sequences: int = 40


@dataclass(frozen=True)
class TrainingConfig:
    """The sparse dictionary of each layer.

    Attributes:
        features: Features per layer (F).
        active: Mean number of features active on a token (BatchTopK's k, so also the L0).
        active_start: k at the first step; it falls linearly to `active`.
        anneal: Share of the steps over which k falls.
        steps: Optimiser steps per layer.
        batch_tokens: Tokens per step.
        learning_rate: Adam's, decayed linearly to zero over the last fifth.
        revive_every: Steps between two searches for features that never fired.
        ridge: Penalty on a decoder's change, relative to the mean feature energy.
    """

    features: int = 1024
    active: int = 16
    active_start: int = 64
    anneal: float = 0.3
    steps: int = 400
    batch_tokens: int = 2048
    learning_rate: float = 4e-3
    revive_every: int = 50
    ridge: float = 0.003


@dataclass(frozen=True)
class Prompt:
    """One text to attribute; `slug` names its graph."""

    slug: str
    text: str


@dataclass(frozen=True)
class AttributionConfig:
    """What is attributed and how far the graphs are pruned.

    Attributes:
        max_logits: Most answers that become logit nodes.
        max_features: Active features that circuit-tracer keeps, by influence.
        batch_rows: Feature nodes per backward pass.
        node_threshold: Share of the influence that the kept nodes carry.
        edge_threshold: The same for links.
        min_answer_probability: A prompt whose best answer is weaker is refused.
    """

    prompts: tuple[Prompt, ...] = (
        Prompt("capital-of-france", "The capital of France is"),
        Prompt("counting-to-six", "one, two, three, four, five,"),
        Prompt("east-and-west", "The sun rises in the east and sets in the"),
        Prompt("man-in-the-mirror", "The man in the mirror. The man in the"),
    )
    max_logits: int = 5
    max_features: int = 1024
    batch_rows: int = 128
    node_threshold: float = 0.8
    edge_threshold: float = 0.95
    min_answer_probability: float = 0.3


@dataclass(frozen=True)
class EvidenceConfig:
    """What is kept of a feature.

    Attributes:
        top_examples: Examples with the highest peaks.
        intervals: Ranges of lower activation, each between two quantiles.
        interval_examples: Examples of each range.
        context: Tokens on either side of the peak.
        spacing: Fewest tokens between two peaks of one text.
        distinct: Two examples differ within so many tokens on either side of the peak.
        logit_tokens: Promoted tokens, and as many suppressed ones.
        percentiles: Length of `quantile_values`: 1 %, 2 %, ... 100 %.
        histogram_bins: Equal bins between the least and the greatest activation.
    """

    top_examples: int = 20
    intervals: int = 5
    interval_examples: int = 5
    context: int = 24
    spacing: int = 16
    distinct: int = 8
    logit_tokens: int = 10
    percentiles: int = 100
    histogram_bins: int = 40


@dataclass(frozen=True)
class BuildConfig:
    """The whole recipe."""

    scan: str = "smollm2-135m-clt"
    seed: int = 20260
    threads: int = 2
    batch_sequences: int = 8
    shard_sequences: int = 40
    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    attribution: AttributionConfig = field(default_factory=AttributionConfig)
    evidence: EvidenceConfig = field(default_factory=EvidenceConfig)
