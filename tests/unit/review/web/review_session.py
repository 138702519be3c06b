"""A session that stands on nothing but itself, and what it shows."""

from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any, cast

from clerp.errors import ConflictError, UnknownItemError, UsageError
from clerp.feature import FeatureId
from clerp.ledger import FeatureKey, TranscoderSet
from clerp.ledger.decision import Act, Decision, Standing
from clerp.review.agreement import RoleAgreement
from clerp.review.item import (
    DisputedItem,
    ListedItem,
    Namesake,
    OccurrenceView,
    Place,
    ReviewItem,
    Sight,
)
from clerp.review.session import Choice, ReviewSession
from clerp.review.snapshot import (
    CandidateView,
    ExampleView,
    FeatureSnapshot,
    GraphSnapshot,
    NeighbourView,
    NodeView,
    OccurrenceSnapshot,
    ProposalView,
    ScoreView,
)

TRANSCODERS = TranscoderSet("org/set")
_WORDS = (
    *("the", "old", "man", "walked", "across", "a", "quiet", "street", "and", "looked", "for"),
    *("his", "lost", "keys", "while", "two", "children", "played", "near", "some", "tall"),
)


def name_item(number: int) -> str:
    return sha256(str(number).encode()).hexdigest()


def make_example(place: int, *, quantile: int = 0, n_tokens: int = 50) -> ExampleView:
    peak = n_tokens // 2
    tokens = [f" {_WORDS[(7 * place + i) % len(_WORDS)]}" for i in range(n_tokens)]
    activations = [0.0] * n_tokens
    tokens[peak] = " Austin"
    activations[peak] = (8.0 - 0.1 * place) / (quantile + 1)
    activations[peak - 2] = activations[peak] / 3
    return ExampleView(f"{quantile}.{place}", quantile, tuple(tokens), tuple(activations), peak)


def make_proposal(**changed: Any) -> ProposalView:
    proposal = ProposalView(
        role="output",
        tier=2,
        confidence="medium",
        route_reason="The tokens after the peak are alike: z 4.1 against 2.6.",
        steps=("output z 4.1 >= 2.6: yes", "input z 1.2 >= 2.6: no"),
        scores={
            "input": ScoreView(0.21, 1.2, 0.11, 20),
            "output": ScoreView(0.48, 4.1, 0.0004, 20),
        },
        margin=1.4,
        p=0.0004,
        status="labeled",
        label="say Austin",
        method="litellm",
        model="model-2026-01-01",
        reason="In 18 of 20 examples the next word is Austin or another capital.",
        hint="capital | Austin | Austin, Texas",
        notes=("Holds only at the top of the range.",),
        candidates=(CandidateView("Texas cities", "np_max-act-logits", "other-model"),),
    )
    return replace(proposal, **changed)


def make_snapshot(**changed: Any) -> FeatureSnapshot:
    lower = [make_example(i, quantile=q, n_tokens=50) for q in range(1, 4) for i in range(8)]
    snapshot = FeatureSnapshot(
        proposal=make_proposal(),
        examples=(*(make_example(i) for i in range(21)), *lower),
        set_aside=(("repeated context", 3),),
        promoted=(" Austin", " Dallas", " Houston", "Austin", " Texas", " Antonio", " TX"),
        suppressed=(" Paris", " London", "\n", " Rome"),
        density=0.0031,
        act_min=0.1,
        act_max=8.0,
        histogram=tuple(float(1000 // (i * i + 1)) for i in range(40)),
    )
    return replace(snapshot, **changed)


def make_occurrence(slug: str, names: dict[str, Namesake] | None = None) -> OccurrenceView:
    tokens = (
        "<bos>",
        "The",
        " capital",
        " of",
        " the",
        " state",
        " with",
        " big",
        " Dallas",
        " is",
    )
    nodes = (NodeView("n1", 8, 3.1, 38.0, 0.012), NodeView("n2", 9, 5.2, 64.0, 0.03))
    near = (
        NeighbourView("feature", "9_101", 0.31),
        NeighbourView("feature", "4_77", -0.12),
        NeighbourView("token", " Dallas", 0.09),
    )
    return OccurrenceView(
        graph=GraphSnapshot(slug, tokens),
        occurrence=OccurrenceSnapshot(
            nodes,
            near,
            (NeighbourView("logit", " Austin", 0.44), NeighbourView("feature", "21_5", 0.2)),
        ),
        names=names or {"9_101": Namesake(name_item(1), "9_101", "Texas")},
    )


def make_item(number: int, **changed: Any) -> ReviewItem:
    feature = FeatureId(14, 2268 + number)
    item = ReviewItem(
        item=name_item(number),
        key=FeatureKey(TRANSCODERS, feature),
        seen=0,
        snapshot=make_snapshot(),
        share=0.012,
        is_blind=False,
        occurrences=(make_occurrence("dallas-austin"), make_occurrence("capital-of-texas")),
        own=None,
        others=(),
        verdict=None,
        disputed=(),
        history=(),
        similar=(Namesake(name_item(2), "18_311", "say a capital"),),
    )
    return replace(item, **changed)


class FakeSession(ReviewSession):
    """Keeps what is decided in a list, and raises `fault` where a test sets one."""

    def __init__(self, n_items: int = 5, **choice: Any) -> None:
        self.choice = Choice(
            annotator="ann", guideline="Say what the peak tokens share.\nShort.", **choice
        )
        self.n_items = n_items
        self.reset()

    def reset(self) -> None:
        """Forget what was decided and changed."""
        self.items = {name_item(i): make_item(i) for i in range(self.n_items)}
        self.decided: list[dict[str, Any]] = []
        self.sights: list[Sight | None] = []
        self.fault: Exception | None = None

    def find_next(self, after: str | None = None) -> str | None:
        judged = {decision["item"] for decision in self.decided}
        return next((i for i in self.items if i not in judged and i != after), None)

    def find_neighbour(self, item: str, step: int) -> str | None:
        order = list(self.items)
        place = order.index(item) + step
        return order[place] if 0 <= place < len(order) else None

    def show(self, item: str) -> ReviewItem:
        self._fail()
        if item not in self.items:
            raise UnknownItemError("the queue has no such feature")
        return self.items[item]

    def place(self, item: str) -> Place:
        order = list(self.items)
        return Place(order.index(item) + 1, len(order), len(self.decided), 0.83, 2400.0)

    def decide(
        self,
        item: str,
        *,
        act: Act,
        seen: int,
        label: str = "",
        role: Any = "",
        comment: str = "",
        seconds: float | None = None,
        sight: Sight | None = None,
    ) -> Decision:
        before = self.show(item)
        if seen != before.seen:
            raise ConflictError("bob wrote \u202esay Dallas <b>")
        if act == "edit" and not label:
            raise UsageError("no label is given", remedy="Write one")
        self.sights.append(sight)
        given = {"act": act, "label": label, "role": role, "comment": comment}
        self.decided.append({"item": item, "seconds": seconds, **given})
        decision = Decision(
            f"u{len(self.decided)}",
            before.key,
            "ann",
            act,
            datetime(2026, 1, 2, 3, 4),
            label=label,
            role=role,
            comment=comment,
        )
        judgement = act if act in ("accept", "edit", "reject") else ""
        own = Standing("ann", cast(Any, judgement), label, role)
        self.items[item] = replace(
            before, seen=seen + 1, own=own, history=(*before.history, decision), is_blind=False
        )
        return decision

    def undo(self) -> str | None:
        self._fail()
        return self.decided.pop()["item"] if self.decided else None

    def redo(self) -> str | None:
        self._fail()
        return None

    def list_items(self, *, limit: int, offset: int) -> list[ListedItem]:
        self._fail()
        return [
            ListedItem(
                i,
                str(v.key.feature),
                "output",
                2,
                "no labeler ran",
                "say Austin",
                v.share,
                "",
                False,
                True,
            )
            for i, v in list(self.items.items())[offset : offset + limit]
        ]

    def has_item(self, item: str) -> bool:
        return item in self.items

    def count_items(self) -> int:
        return len(self.items)

    def list_disputes(self) -> list[DisputedItem]:
        standings = (
            Standing("ann", "edit", "say Austin", "output"),
            Standing("bob", "reject", comments=("<i>why</i>",)),
        )
        return [DisputedItem(name_item(0), "14_2268", ("name", "role"), standings)]

    def suggest(self, typed: str, limit: int = 8) -> list[str]:
        labels = ["say Austin", "say a capital", "Texas", "US geography"]
        return [label for label in labels if typed.casefold() in label.casefold()][:limit]

    def agreement(self) -> list[RoleAgreement]:
        return [
            RoleAgreement(("ann", "bob"), True, None, 40, (40, 40), 0.81),
            RoleAgreement(("ann", "bob"), False, "artefact", 40, (0, 0), None),
        ]

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault
