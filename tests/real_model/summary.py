"""What a run with a real model came to, in lines for whoever reads the tests' output."""

import re
from collections import Counter
from collections.abc import Iterable

import pytest
from tests.real_model.place import Asked, Document, Ended

_PROPERTY = "real model"
_SHOWN_NAMES = 12


def note_summary(test: pytest.Item, lines: Iterable[str]) -> None:
    """Keep lines with the test that they tell of, also in a worker of pytest-xdist."""
    test.user_properties.extend((_PROPERTY, line) for line in lines)


def collect_summaries(reports: Iterable[pytest.TestReport]) -> list[str]:
    return [
        str(line)
        for report in reports
        for name, line in report.user_properties
        if name == _PROPERTY
    ]


def summarise(transport: str, run: Ended, record: Document, answers: list[Asked]) -> list[str]:
    """Say what became of the features, what was asked, and who answered what."""
    features = record["features"].values()
    statuses = Counter(feature["status"] for feature in features)
    names = [f["label"] for f in features if f["status"] == "labeled"]
    return [
        f"{transport}: {len(record['features'])} features in {run.seconds:.0f} s, exit {run.code}",
        f"  statuses   {_count(statuses)}",
        f"  answers    {len(answers)} in {_count(Counter(a.format for a in answers))}",
        f"  tokens     {_add(a.prompt_tokens for a in answers):,} in, "
        f"{_add(a.completion_tokens for a in answers):,} out",
        f"  model      {', '.join(sorted({a.model for a in answers}))}",
        *(f"  unusable   {n} x {why}" for why, n in _count_complaints(answers).most_common()),
        f"  labels     {'; '.join(names[:_SHOWN_NAMES]) or 'none'}",
    ]


def _count(counts: Counter[str]) -> str:
    return ", ".join(f"{n} {name}" for name, n in counts.most_common())


def _add(counts: Iterable[int | None]) -> int:
    return sum(count or 0 for count in counts)


def _count_complaints(answers: list[Asked]) -> Counter[str]:
    return Counter(re.sub(r"\d+", "N", a.complaint) for a in answers if a.complaint)
