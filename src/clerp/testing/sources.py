"""What every source of activation examples is asked for."""

import math
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import cast, get_args

import numpy as np

from clerp.evidence import ActivationExample, EvidenceGap, FeatureEvidence, PromotedFrom
from clerp.feature import FeatureId
from clerp.plugins import Remote, Source
from clerp.testing.contract import (
    ContractError,
    blaming,
    check_shape,
    find_own_path,
    is_encodable,
    is_line,
    require,
)

_UNKNOWN = FeatureId(999, 2**40)
_ID = re.compile(r"\d+\.\d+")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def check_source(
    source: object, features: Sequence[FeatureId], *, unknown: FeatureId = _UNKNOWN
) -> None:
    """Check that a source keeps the contract of `clerp.plugins.Source`.

    Args:
        source: What the plugin's entry point returns.
        features: Some features to read; it must know at least one of them.
        unknown: A feature that it does not know.

    Raises:
        ContractError: It is no source; it raises; it does not yield one item for each feature, in
            order; the unknown feature is no gap with a reason; a name or reason holds a path of
            this machine; evidence is not as `clerp.evidence.FeatureEvidence` describes it; or
            a second reading, of one feature at a time or offline, tells something else.
    """
    check_shape(source, "source", "read")
    ready = cast(Source, source)
    asked = [*features, unknown]
    items = _read(ready, asked)
    for item in items:
        _check_item(item, f"the source {ready.name!r} on {item.feature}")
    _check_known(items, unknown, ready.name)
    if isinstance(source, Remote):
        kept = _read(source.offline(), asked)
        require(
            [_identify(item) for item in kept[:-1]] == [_identify(item) for item in items[:-1]],
            f"the source {ready.name!r} tells something else offline, of what it has just read",
        )
    require(
        _read(ready, []) == [], f"the source {ready.name!r} yields something when asked nothing"
    )
    again = [item for feature in reversed(asked) for item in _read(ready, [feature])]
    for first, second in zip(items, reversed(again), strict=True):
        require(
            _identify(first) == _identify(second),
            f"the source {ready.name!r} tells of {first.feature} first {_identify(first)!r} and"
            f" then {_identify(second)!r}: the same record has the same digest",
        )


def _read(source: Source, features: Sequence[FeatureId]) -> list[FeatureEvidence | EvidenceGap]:
    subject = f"the source {source.name!r}"
    with blaming(subject):
        # One pass and no length: that is all that an Iterable promises.
        items: list[object] = list(source.read(iter(features)))
    require(
        len(items) == len(features),
        f"{subject} yields {len(items)} items for {len(features)} features: one for each",
    )
    pairs = zip(features, items, strict=True)
    return [_check_whose(item, feature, subject) for feature, item in pairs]


def _check_whose(item: object, asked: FeatureId, subject: str) -> FeatureEvidence | EvidenceGap:
    if not isinstance(item, FeatureEvidence | EvidenceGap):
        raise ContractError(
            f"{subject} yields {item!r} for {asked}: it yields FeatureEvidence or an EvidenceGap"
        )
    require(
        item.feature == asked,
        f"{subject} yields {item.feature} where {asked} was asked: items are in the order asked",
    )
    return item


def _check_known(
    items: Sequence[FeatureEvidence | EvidenceGap], unknown: FeatureId, name: str
) -> None:
    require(
        isinstance(items[-1], EvidenceGap),
        f"the source {name!r} has evidence of {unknown}, which nobody knows: it yields a gap",
    )
    gaps = [str(item) for item in items[:-1] if isinstance(item, EvidenceGap)]
    require(
        len(gaps) < len(items) - 1,
        f"the source {name!r} has no evidence of any feature asked: {gaps[:1]}",
    )


def _identify(item: FeatureEvidence | EvidenceGap) -> str:
    return item.digest if isinstance(item, FeatureEvidence) else item.reason


def _check_item(item: FeatureEvidence | EvidenceGap, subject: str) -> None:
    if isinstance(item, FeatureEvidence):
        _check_evidence(item, subject)
        return
    require(is_line(item.reason), f"{subject} gives the reason {item.reason!r}: it is one line")
    path = find_own_path(item.reason)
    require(path is None, f"{subject} names {path}, a folder of this machine, as a reason")


def _check_evidence(evidence: FeatureEvidence, subject: str) -> None:
    examples = (*evidence.top, *evidence.lower)
    for example in examples:
        _check_example(example, f"{subject}, example {example.id!r}")
    _check_order(evidence.top, f"{subject}, top")
    _check_order(evidence.lower, f"{subject}, lower")
    _check_unique((example.id for example in examples), f"{subject}: two examples have the id")
    texts = ("".join(example.tokens) for example in examples)
    _check_unique(texts, f"{subject}: two examples have the text")
    _check_tokens((*evidence.promoted, *evidence.suppressed), f"{subject}, promoted tokens")
    _check_figures(evidence, subject)


def _check_example(example: ActivationExample, subject: str) -> None:
    require(_ID.fullmatch(example.id) is not None, f"{subject}: an id is `quantile.number`")
    _check_tokens(example.tokens, subject)
    activations = example.activations
    require(
        activations.dtype == np.float32 and activations.shape == (len(example.tokens),),
        f"{subject} has activations of {activations.dtype} {activations.shape}: they are one"
        f" float32 for each of {len(example.tokens)} tokens",
    )
    require(
        0 <= example.peak < len(example.tokens),
        f"{subject} peaks at {example.peak}, outside of its {len(example.tokens)} tokens",
    )
    require(bool(np.isfinite(activations).all()), f"{subject} has an activation that is not finite")
    require(
        example.peak_activation == float(activations.max()) > 0,
        f"{subject} peaks where its activation is {example.peak_activation}: the peak is the"
        " largest activation, and positive",
    )


def _check_tokens(tokens: Sequence[object], subject: str) -> None:
    unfit = [t for t in tokens if not (isinstance(t, str) and is_encodable(t))]
    require(not unfit, f"{subject}: {unfit[:1]} is no readable text")


def _check_order(examples: Sequence[ActivationExample], subject: str) -> None:
    require(
        all(one.peak_activation >= other.peak_activation for one, other in pairwise(examples)),
        f"{subject}: the examples are not strongest first",
    )


def _check_unique(values: Iterable[str], sentence: str) -> None:
    seen: set[str] = set()
    for value in values:
        require(value not in seen, f"{sentence} {value[:80]!r}: examples are distinct")
        seen.add(value)


def _check_figures(evidence: FeatureEvidence, subject: str) -> None:
    strongest = max((e.peak_activation for e in (*evidence.top, *evidence.lower)), default=0.0)
    require(
        0 <= evidence.act_min <= evidence.act_max < math.inf
        and bool(np.float32(evidence.act_max) >= np.float32(strongest)),
        f"{subject}: the range {evidence.act_min} to {evidence.act_max} is not that of positive"
        f" activations up to {strongest}",
    )
    require(
        evidence.density is None or 0 <= evidence.density <= 1,
        f"{subject}: the density {evidence.density} is no share of tokens",
    )
    require(
        evidence.promoted_from in get_args(PromotedFrom),
        f"{subject}: promoted_from is {evidence.promoted_from!r}, not one of"
        f" {get_args(PromotedFrom)}",
    )
    require(
        _DIGEST.fullmatch(evidence.digest) is not None,
        f"{subject}: the digest {evidence.digest!r} is no sha256 in hexadecimal",
    )
