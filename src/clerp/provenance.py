"""What a labelled graph says of how it was labelled: `metadata.clerp`.

No clock, path, ledger or endpoint is in it: the same graph, evidence and settings write the same
bytes.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version

import msgspec

from clerp.config import OF_NLA, RECORDED, Settings
from clerp.graph import SCHEMA_VERSION, AttributionGraph
from clerp.labeled import shown_text
from clerp.llm.costs import tabulate_costs
from clerp.llm.opening import forget_address
from clerp.nla import forget_place
from clerp.ordinary.loading import SHIPPED
from clerp.outcome import LabeledFeature, list_charges
from clerp.plugins import find
from clerp.pool import Pool
from clerp.router import find_rule, name_null


def describe_run(
    pool: Pool, graph: AttributionGraph, features: Sequence[LabeledFeature], settings: Settings
) -> dict[str, object]:
    """Make the record of one graph of a pool."""
    # Beside no NLA they say nothing.
    silent = () if settings.nla else OF_NLA
    configuration: dict[str, object] = settings.model_dump(include={*RECORDED}.difference(silent))
    configuration |= _describe_rule(settings) | _describe_models(settings)
    if settings.nla:
        configuration["nla"] = forget_place(settings.nla)
    described: dict[str, object] = {
        "configuration": configuration,
        "source": pool.source,
        "embedder": find("embedders", settings.embedder).name,
        "null": _describe_null(settings),
        "null_source": _name_source(settings),
        "graphs": sorted({member.digest for member in pool.graphs}),
        "costs": [row.to_record() for row in tabulate_costs(list_charges(features))],
        "features": {str(f.feature): _describe(f, settings) for f in features},
    }
    return {
        "schema_version": SCHEMA_VERSION,
        "clerp_version": version("clerp"),
        "run_id": _hash([graph.digest, described]),
        **described,
    }


def _describe_rule(settings: Settings) -> dict[str, object]:
    rule = find_rule(settings.rule, settings.threshold, alpha=settings.alpha)
    return {"alpha" if settings.rule == "calibrated" else "threshold": rule.threshold}


def _describe_models(settings: Settings) -> dict[str, object]:
    named = {name: getattr(settings, name) for name in ("llm", "refine", "fallback_model")}
    return {name: model and forget_address(model) for name, model in named.items()}


def _describe_null(settings: Settings) -> Mapping[str, str] | None:
    return name_null(settings.null) if settings.rule == "calibrated" else None


def _name_source(settings: Settings) -> str | None:
    """Say whose the ordinary text is; where it lies is this machine's business."""
    if settings.rule != "calibrated":
        return None
    return "shipped" if settings.null == SHIPPED else "folder"


def _describe(labeled: LabeledFeature, settings: Settings) -> dict[str, object]:
    route, label = labeled.route, labeled.label
    return {
        "clerp": shown_text(labeled, settings.style, show_hints=settings.show_hints),
        "label": label.text if label else "",
        "role": route.role,
        "tier": route.tier,
        "status": labeled.status,
        "method": labeled.method,
        "confidence": label.confidence if label else route.confidence,
        "reason": labeled.reason,
        "route_reason": route.reason,
        "notes": list(labeled.notes),
        "misfits": None if labeled.misfits is None else list(labeled.misfits),
        "margin": route.margin,
        "p": route.p,
        "q": labeled.q,
        "p_direction": route.p_direction,
        "breadth": asdict(route.breadth) if route.breadth else None,
        "scores": {channel: asdict(score) for channel, score in route.scores.items()},
        "n_examples": route.n_examples,
        "n_repeats": route.n_repeats,
        "evidence": list(label.evidence) if label else [],
        "evidence_digest": labeled.evidence_digest,
        "details": dict(labeled.details),
        "candidates": [asdict(candidate) for candidate in labeled.candidates],
        **({"verbalization": said.to_record()} if (said := labeled.verbalization) else {}),
    }


def _hash(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()[:16]
