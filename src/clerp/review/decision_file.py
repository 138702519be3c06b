"""Files of decisions: JSON lines or CSV, one decision each."""

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, cast

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from clerp.errors import EvidenceError, ReviewError, UsageError
from clerp.evidence.storage import describe, read_file
from clerp.feature import FeatureId
from clerp.labels import check_label, clean_comment, clean_label
from clerp.ledger import FeatureKey, TranscoderSet
from clerp.ledger.decision import Act, Decision, GivenRole
from clerp.ledger.terms import MOST_ANNOTATORS
from clerp.report.rows import make_visible
from clerp.spreadsheet import disarm, rearm

Form = Literal["jsonl", "csv"]
MAX_BYTES = 2**28
"""Of a file of decisions; one holds some 300."""
_SHOWN_FAULTS = 10
_MOST_SECONDS = 1e9
_MOST_LAYERS = 100_000


class DecisionRow(BaseModel):
    """One decision, as files hold it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uid: str = Field(default="", max_length=64)
    """By which it is known in every ledger; where it is empty, a hash of the rest."""
    transcoder_set: str = ""
    """Of a local set, empty."""
    revision: str = ""
    feature: str
    """`14_2268`."""
    identity_digest: str = Field(default="", max_length=64)
    annotator: str = Field(min_length=1, max_length=100)
    act: Act
    label: str = Field(default="", max_length=1_000)
    role: GivenRole = ""
    comment: str = Field(default="", max_length=10_000)
    target: str = Field(default="", max_length=64)
    proposal: str = Field(default="", max_length=1_000)
    is_blind: bool = False
    is_settling: bool = False
    seconds: float | None = Field(default=None, ge=0, le=_MOST_SECONDS)
    n_wanted: int = Field(default=1, ge=1, le=MOST_ANNOTATORS)
    made_at: AwareDatetime | None = None
    """UTC; where it is missing, when it is imported."""

    @field_validator("seconds", "made_at", mode="before")
    @classmethod
    def _read_empty(cls, given: object) -> object:
        return None if given == "" else given

    @field_validator("feature")
    @classmethod
    def _check_feature(cls, given: str) -> str:
        try:
            feature = FeatureId.parse(given)
        except UsageError as fault:
            raise ValueError(str(fault)) from fault
        if feature.layer > _MOST_LAYERS:
            raise ValueError(f"there is no layer {feature.layer}")
        return str(feature)

    @field_validator("annotator")
    @classmethod
    def _check_annotator(cls, given: str) -> str:
        name = make_visible(given.strip())
        if not name:
            raise ValueError("is empty")
        return name

    @field_validator("made_at")
    @classmethod
    def _check_time(cls, given: datetime | None) -> datetime | None:
        try:
            return given and given.astimezone(UTC)
        except OverflowError as fault:
            raise ValueError("is before the year 1 or after 9999 in UTC") from fault

    @model_validator(mode="after")
    def _check_act(self) -> "DecisionRow":
        if self.act in ("accept", "edit"):
            _check_label(self.label)
        if self.act == "role" and not self.role:
            raise ValueError("role needs a role")
        if self.act in ("undo", "redo") and not self.target:
            raise ValueError(f"{self.act} needs a target")
        return self

    def to_decision(self, now: datetime) -> Decision:
        """Read the decision that the row holds."""
        made_at = now if self.made_at is None else self.made_at.astimezone(UTC).replace(tzinfo=None)
        transcoders = TranscoderSet(self.transcoder_set, self.revision)
        return Decision(
            uid=self.uid or self._hash(),
            key=FeatureKey(transcoders, FeatureId.parse(self.feature), self.identity_digest),
            annotator=self.annotator,
            act=self.act,
            made_at=made_at,
            label=check_label(self.label) if self.act in ("accept", "edit") else "",
            role=self.role,
            comment=clean_comment(self.comment),
            target=self.target,
            proposal=clean_label(self.proposal),
            is_blind=self.is_blind,
            is_settling=self.is_settling,
            seconds=self.seconds,
            n_wanted=self.n_wanted,
        )

    def _hash(self) -> str:
        # As before there were terms, so that files of then are known again.
        told = self.model_dump_json(exclude={"n_wanted"})
        return hashlib.sha256(told.encode()).hexdigest()

    @classmethod
    def from_decision(cls, decision: Decision) -> "DecisionRow":
        """Write a decision as a row."""
        key = decision.key
        return cls(
            uid=decision.uid,
            transcoder_set=key.transcoders.name,
            revision=key.transcoders.revision,
            feature=str(key.feature),
            identity_digest=key.digest,
            annotator=decision.annotator,
            act=decision.act,
            label=decision.label,
            role=decision.role,
            comment=decision.comment,
            target=decision.target,
            proposal=decision.proposal,
            is_blind=decision.is_blind,
            is_settling=decision.is_settling,
            seconds=decision.seconds,
            n_wanted=decision.n_wanted,
            made_at=decision.made_at.replace(tzinfo=UTC),
        )


def _check_label(given: str) -> None:
    try:
        check_label(given)
    except UsageError as fault:
        raise ValueError(str(fault)) from fault


def find_form(path: Path) -> Form:
    """Tell by its name how a file is written.

    Raises:
        UsageError: It ends otherwise.
    """
    match path.suffix:
        case ".jsonl":
            return "jsonl"
        case ".csv":
            return "csv"
        case _:
            raise UsageError(
                "is neither .jsonl nor .csv",
                where=str(path),
                remedy="Name a file of one of the two",
            )


def write_rows(rows: Iterable[DecisionRow], form: Form) -> bytes:
    """Write decisions as the content of a file."""
    return _write_csv(rows) if form == "csv" else _write_lines(rows)


def _write_lines(rows: Iterable[DecisionRow]) -> bytes:
    return "".join(f"{row.model_dump_json()}\n" for row in rows).encode()


def _write_csv(rows: Iterable[DecisionRow]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, DecisionRow.model_fields, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        cells = {name: "" if v is None else v for name, v in row.model_dump(mode="json").items()}
        writer.writerow({n: disarm(c) if isinstance(c, str) else c for n, c in cells.items()})
    # Spreadsheets take a file without a mark for one in a code page.
    return text.getvalue().encode("utf-8-sig")


def read_rows(path: Path) -> list[DecisionRow]:
    """Read a file of decisions.

    Raises:
        UsageError: Its name ends neither in `.jsonl` nor in `.csv`.
        ReviewError: It cannot be read, or lines are broken, of which the first are named.
    """
    form = find_form(path)
    text = _read_text(path)
    rows: list[DecisionRow] = []
    faults: list[str] = []
    parse = _parse_csv if form == "csv" else _parse_lines
    for number, parsed in parse(text, path):
        if isinstance(parsed, DecisionRow):
            rows.append(parsed)
        else:
            faults.append(f"line {number}: {parsed}")
    if faults:
        more = f"; and {len(faults) - _SHOWN_FAULTS} more" if len(faults) > _SHOWN_FAULTS else ""
        raise ReviewError(
            f"{'; '.join(faults[:_SHOWN_FAULTS])}{more}",
            where=str(path),
            remedy="Nothing was imported. Correct the file and import it again",
        )
    return rows


def _read_text(path: Path) -> str:
    try:
        return read_file(path, MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise ReviewError(
            "is not UTF-8 text", where=str(path), remedy="Save it as UTF-8"
        ) from fault
    except (EvidenceError, OSError) as fault:
        raise ReviewError(
            f"cannot be read: {describe(fault)}",
            where=str(path),
            remedy="Name a file of decisions that can be read",
        ) from fault


def _parse_lines(text: str, _: Path) -> Iterator[tuple[int, DecisionRow | str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, _validate(lambda line=line: DecisionRow.model_validate_json(line))


def _parse_csv(text: str, path: Path) -> Iterator[tuple[int, DecisionRow | str]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            yield reader.line_num, _read_cells(cast(Mapping[str | None, str | None], cells))
    except csv.Error as fault:
        raise ReviewError(
            f"line {reader.line_num}: {fault}", where=str(path), remedy="Write the file again"
        ) from fault


def _read_cells(cells: Mapping[str | None, str | None]) -> DecisionRow | str:
    # csv puts cells too many under None, and None where there are too few.
    if None in cells or None in cells.values():
        return "has another number of cells than the first line"
    given = {name: rearm(cell) for name, cell in cells.items() if cell}
    return _validate(lambda: DecisionRow.model_validate(given))


def _validate(read: Callable[[], DecisionRow]) -> DecisionRow | str:
    try:
        return read()
    except ValidationError as invalid:
        fault = invalid.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        said = f"{fault['msg'][:1].lower()}{fault['msg'][1:]}"
        return make_visible(f"{place}: {said}" if place else said)
