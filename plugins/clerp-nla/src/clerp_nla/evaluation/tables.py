"""An evaluation as tables, for a terminal and as Markdown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from clerp.report.listing import render_rows
from clerp.verbalizers.status import Status
from clerp_nla.evaluation.features import ABOUTS, FEATURE_SIGNALS, Asked, list_signal
from clerp_nla.evaluation.inputs import list_named
from clerp_nla.evaluation.items import ITEM_SIGNALS
from clerp_nla.evaluation.ranking import LEVEL, Ranked, Share, rank, share
from clerp_nla.evaluation.running import Evaluation
from clerp_nla.training.explaining import ClaimKind

_STATUSES: tuple[Status, ...] = get_args(Status)
MOST_ABOVE = 0.05
"""Share of the features of a control that may come out above weak."""
TOY = (
    "A toy: a pair taught by imitation alone, on a made-up grammar. The figures say how signals "
    "behave where the truth is known, and nothing of any released pair or real model."
)


@dataclass(frozen=True, slots=True)
class Section:
    """One table."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str


def list_sections(evaluation: Evaluation) -> list[Section]:
    """Tell all that was measured."""
    return [
        _tell_items(evaluation),
        _tell_features(evaluation.asked["as it is"]),
        _tell_statuses(evaluation.asked["as it is"]),
        _tell_controls(evaluation),
        _tell_inputs(evaluation),
    ]


def list_failures(evaluation: Evaluation) -> list[str]:
    """Say in a line each what is not as asked: a control is trusted, or a status means nothing.

    Shares are taken as they are, without their intervals.
    """
    usual, failed = evaluation.asked["as it is"], list[str]()
    for condition, asked in evaluation.asked.items():
        above = _share_above_weak(asked)
        if condition != "as it is" and above is not None and above.value > MOST_ABOVE:
            failed.append(f"{condition}: {above.value:.1%} above weak, more than {MOST_ABOVE:.0%}")
    high, low = (_share_headlines(usual, status) for status in ("suggestive", "weak"))
    if high is None:
        failed.append("nothing is suggestive")
    elif low is not None and high.value <= low.value:
        failed.append(
            f"commonest claims: {high.value:.0%} of the suggestive are true, no more than "
            f"{low.value:.0%} of the weak"
        )
    return failed


def render(evaluation: Evaluation) -> RenderableType:
    """Show everything in a terminal."""
    return Group(Text(_head(evaluation)), *_render_sections(evaluation), Text(TOY, style="dim"))


def write_markdown(evaluation: Evaluation) -> str:
    """Write everything as Markdown."""
    lines = [_head(evaluation), "", TOY, ""]
    for section in list_sections(evaluation):
        lines += [f"**{section.title}**", "", _write_row(section.columns)]
        lines += [_write_row(["---"] * len(section.columns)), *map(_write_row, section.rows)]
        lines += ["", section.note, ""]
    return "\n".join(lines)


def _render_sections(evaluation: Evaluation) -> Iterator[RenderableType]:
    for section in list_sections(evaluation):
        yield Text(f"\n{section.title}", style="bold")
        yield render_rows(section.columns, section.rows)
        yield Text(section.note, style="dim")


def _head(evaluation: Evaluation) -> str:
    return f"{evaluation.pair}; seed {evaluation.seed}"


def _tell_items(evaluation: Evaluation) -> Section:
    items, kinds = evaluation.items, get_args(ClaimKind)
    rows = [("true claims", *(_write_share(share(items.truths(kind))) for kind in kinds))]
    rows += [
        (
            signal,
            *(
                _write_ranked(rank(items.signals[signal][items.makes(kind)], items.truths(kind)))
                for kind in kinds
            ),
        )
        for signal in ITEM_SIGNALS
    ]
    return Section(
        f"Single vectors: how well signals tell true claims from false (n = {len(items.texts)})",
        ("", *kinds),
        tuple(rows),
        f"Area under the ROC curve [{LEVEL:.0%} of bootstrap resamples]; .5 is chance.",
    )


def _tell_features(asked: Sequence[Asked]) -> Section:
    columns = [[(one, c) for one in asked for c in one.claims if c.about == a] for a in ABOUTS]
    columns.append([(one, one.headline) for one in asked if one.headline])
    truths = [np.array([claim.is_true for _, claim in column]) for column in columns]
    rows = [("true claims", *(_write_share(share(truth)) for truth in truths))]
    for signal in FEATURE_SIGNALS:
        values = [list_signal([one for one, _ in column], signal) for column in columns]
        ranked = (rank(v, t) for v, t in zip(values, truths, strict=True))
        rows.append((signal, *map(_write_ranked, ranked)))
    return Section(
        f"Features: the same, of what most texts of a feature say (n = {len(asked)})",
        ("", *ABOUTS, "the commonest claim"),
        tuple(rows),
        "A claim is true of a feature if it holds wherever the feature fires.",
    )


def _tell_statuses(asked: Sequence[Asked]) -> Section:
    rows: list[tuple[str, ...]] = []
    for status in _STATUSES:
        those = [one for one in asked if one.status == status]
        kept = np.array([true for one in those for true in one.kept], dtype=np.bool_)
        about = [f"{sum(o.known.planted.theme.about == a for o in those)}" for a in _THEMES]
        headlines = _share_headlines(asked, status)
        shares = (_write_share(headlines), _write_share(share(kept)))
        rows.append((status, str(len(those)), *about, *shares))
    return Section(
        "Status: share of true claims",
        (
            "",
            "features",
            *(f"about {a}" for a in _THEMES),
            "commonest true",
            "kept true",
        ),
        tuple(rows),
        "Kept claims are made where the feature fires and not where it is off.",
    )


_THEMES = (*ABOUTS, "nothing")


def _tell_controls(evaluation: Evaluation) -> Section:
    rows: list[tuple[str, ...]] = []
    for condition, asked in evaluation.asked.items():
        counts = [sum(one.status == status for one in asked) for status in _STATUSES]
        rows.append((condition, *map(str, counts), _write_share(_share_above_weak(asked))))
    return Section(
        "What must not be trusted: features by status",
        ("", *_STATUSES, "above weak"),
        tuple(rows),
        f"Asked: at most {MOST_ABOVE:.0%} above weak in all but the first row.",
    )


def _tell_inputs(evaluation: Evaluation) -> Section:
    rows: list[tuple[str, ...]] = []
    for given, asked in evaluation.by_input.items():
        named = (_write_share(share(list_named(asked, about))) for about in ABOUTS)
        headlines = np.array([c.is_true for one in asked if (c := one.headline)], dtype=np.bool_)
        silent = sum(one.headline is None for one in asked)
        rows.append((given, *named, _write_share(share(headlines)), str(silent)))
    n = max(map(len, evaluation.by_input.values()), default=0)
    return Section(
        f"Inputs: of how many planted features the commonest claim is true (n = {n})",
        ("", *(f"about {a}: the {a}" for a in ABOUTS), "the commonest of all", "no text"),
        tuple(rows),
        "Rows of another feature are those of the next one about something of the same kind.",
    )


def _share_headlines(asked: Sequence[Asked], status: Status) -> Share | None:
    headlines = [c.is_true for one in asked if one.status == status and (c := one.headline)]
    return share(np.array(headlines, dtype=np.bool_))


def _share_above_weak(asked: Sequence[Asked]) -> Share | None:
    return share(np.array([one.status == "suggestive" for one in asked], dtype=np.bool_))


def _write_ranked(ranked: Ranked | None) -> str:
    return "-" if ranked is None else f"{ranked.area:.2f} [{ranked.low:.2f}, {ranked.high:.2f}]"


def _write_share(found: Share | None) -> str:
    return "-" if found is None else f"{found.value:.0%} [{found.low:.0%}, {found.high:.0%}]"


def _write_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
