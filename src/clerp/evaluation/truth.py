"""Roles that annotators gave to features, as JSON lines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from clerp.errors import EvidenceError, UsageError
from clerp.evidence.storage import describe, read_file
from clerp.feature import FeatureId
from clerp.router import Role

MAX_BYTES = 16 * 2**20
MAX_FEATURES = 10_000
"""Resampling holds a number for every feature and resample."""

_REMEDY = (
    'Write one object a line: {"layer": 0, "index": 113, "role": "input", "labels": []}, or '
    "passes, two of them, in place of role and labels"
)


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Pass(_Strict):
    """What one reading of a feature's evidence came to."""

    role: Role
    runner_up: Role | None
    """The role that comes next."""
    sure: bool
    fits: int = Field(ge=0)
    """Top examples that the label fits."""
    label: str


class AnnotatedFeature(_Strict):
    """A feature and its role: one that is settled, or those of two independent passes."""

    layer: int = Field(ge=0)
    index: int = Field(ge=0)
    part: Literal["work", "test"] | None = None
    role: Role | None = None
    labels: tuple[str, ...] = ()
    passes: tuple[Pass, Pass] | None = None

    @model_validator(mode="after")
    def _check_form(self) -> "AnnotatedFeature":
        if (self.role is None) == (self.passes is None) or (self.passes and self.labels):
            raise PydanticCustomError("form", "has either a role, with labels, or two passes")
        return self

    @property
    def feature(self) -> FeatureId:
        """Which feature it is."""
        return FeatureId(self.layer, self.index)

    @property
    def roles(self) -> tuple[Role, ...]:
        """The settled role alone, or the role of each pass."""
        if self.passes is not None:
            return tuple(reading.role for reading in self.passes)
        return () if self.role is None else (self.role,)


def read_truth(path: Path) -> tuple[AnnotatedFeature, ...]:
    """Read a file of roles, each line of the same form.

    Raises:
        UsageError: There is no such file, or it cannot be read.
        EvidenceError: A line is malformed, of another form than the first, or names a feature
            again; or there are none, or too many.
    """
    lines = _read_lines(path)
    seen: dict[FeatureId, int] = {}
    truth: list[AnnotatedFeature] = []
    for number, line in lines:
        where = f"{path}, line {number}"
        annotated = _parse(line, where)
        _check_like(annotated, truth, where)
        if annotated.feature in seen:
            raise EvidenceError(
                f"the feature {annotated.feature} has a role already, in line "
                f"{seen[annotated.feature]}",
                where=where,
                remedy="Keep one of the two lines",
            )
        seen[annotated.feature] = number
        truth.append(annotated)
    return tuple(truth)


def _read_lines(path: Path) -> list[tuple[int, bytes]]:
    try:
        content = read_file(path, MAX_BYTES)
    except (EvidenceError, OSError) as fault:
        raise UsageError(
            f"cannot be read: {describe(fault)}",
            where=str(path),
            remedy="Name a file of roles: --truth FILE",
        ) from fault
    lines = [(n, line) for n, line in enumerate(content.splitlines(), start=1) if line.strip()]
    if not lines:
        raise EvidenceError("holds no role", where=str(path), remedy=_REMEDY)
    if len(lines) > MAX_FEATURES:
        raise EvidenceError(
            f"holds {len(lines):,} lines, more than {MAX_FEATURES:,}",
            where=str(path),
            remedy="Evaluate on fewer features",
        )
    return lines


def _parse(line: bytes, where: str) -> AnnotatedFeature:
    try:
        return AnnotatedFeature.model_validate_json(line)
    except ValidationError as invalid:
        fault = invalid.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        what = f"{fault['msg'][:1].lower()}{fault['msg'][1:]}"
        raise EvidenceError(
            f"{place}: {what}" if place else what, where=where, remedy=_REMEDY
        ) from invalid


def _check_like(annotated: AnnotatedFeature, truth: Sequence[AnnotatedFeature], where: str) -> None:
    if truth and len(annotated.roles) != len(truth[0].roles):
        raise EvidenceError(
            "some features have one role and others two passes",
            where=where,
            remedy="Put them into files of their own",
        )
