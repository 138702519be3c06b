"""Items, answers and a set to record."""

from dataclasses import replace

from clerp.feature import FeatureId
from clerp.ledger import Answer, FeatureKey, Ledger, QueueItem, TranscoderSet

SET = TranscoderSet("owner/transcoders", "main")


def make_item(
    index: int = 7, graphs: tuple[str, ...] = ("dallas",), **changes: object
) -> QueueItem:
    item = QueueItem(
        key=FeatureKey(SET, FeatureId(3, index)),
        evidence_digest="d" * 64,
        graphs=graphs,
        role="obscure",
        tier=3,
        status="needs_review",
        reason="no window is coherent",
        hint="Texas | is | Austin",
        share=0.1,
    )
    return replace(item, **changes)


def make_answer(key: str = "k", **changes: object) -> Answer:
    answer = Answer(key, '{"label": "US states"}', "m-2026", 600, 40, 0.001, "stop", {"seed": None})
    return replace(answer, **changes)


def queue(ledger: Ledger, *items: QueueItem, graphs: tuple[str, ...] = ("dallas",)) -> None:
    ledger.queue_features(items, transcoders=SET, graphs=graphs, run_id="run")
