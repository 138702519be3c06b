"""The rows of decisions."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from clerp.ledger.decision import Decision, Verdict
from clerp.ledger.queue import read_key, write_key

_COPIED = (
    *("uid", "annotator", "act", "made_at", "label", "role", "comment", "target", "proposal"),
    *("is_blind", "is_settling", "seconds", "number", "n_wanted"),
)


def write_decision(decision: Decision) -> dict[str, object]:
    """Write a decision as a row of `decisions`."""
    written = asdict(decision)
    return write_key(decision.key) | {name: written[name] for name in _COPIED}


def read_decision(row: Mapping[Any, Any]) -> Decision:
    """Read a row of `decisions`."""
    return Decision(key=read_key(row), **{name: row[name] for name in _COPIED})


def read_verdict(row: Mapping[Any, Any]) -> Verdict:
    """Read a row of `verdicts`."""
    return Verdict(row["state"], row["label"], row["role"], tuple(row["annotators"]))
