"""A pair that is not there any more: what it said, from a file.

The file is JSON, one object a line: first which pair it was and of which model, then the answers
as a ledger keeps them. It says what was asked in that run, and nothing else.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar

import msgspec
import numpy as np
from jaxtyping import Float32

from clerp.errors import InputError, NotAvailableError, UsageError, VerbalizerError
from clerp.graph.writing import write_atomically
from clerp.ledger import Answer
from clerp.verbalizers import (
    Explained,
    Extraction,
    Missed,
    ModelClaim,
    PairIdentity,
    Passage,
    Sampling,
    Verbalization,
    stored,
)
from clerp.verbalizers.recording import RecordedCalls
from clerp.verbalizers.stored import Ordinary, Storage
from clerp_nla.matching.names import is_same_model

MAX_LINE_BYTES = 2**26
MAX_BYTES = 2**31
_Form = TypeVar("_Form")


class _Head(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    form: Literal["clerp nla recording 1"]
    name: str
    takes: Literal["vectors", "passages"]
    pair: PairIdentity


class _Line(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    key: str
    method: str
    parsed: str
    text: str = ""
    complaint: str = ""


@dataclass(frozen=True, slots=True)
class _Recording:
    head: _Head
    answers: Mapping[str, Answer]
    where: str

    @property
    def storage(self) -> Storage:
        return Storage(self.head.pair)

    def check(self, claim: ModelClaim) -> PairIdentity:
        if not is_same_model(claim.model, self.head.pair.base_model):
            raise NotAvailableError(
                f"the recording is of {self.head.pair.base_model}, and the graph is of "
                f"{claim.model or 'no model'}",
                remedy=f"A recording or an NLA of {claim.model or 'the model'} is needed",
            )
        return self.head.pair

    def find(self, key: str, what: str) -> Answer:
        answer = self.answers.get(key)
        if answer is None:
            raise VerbalizerError(
                f"the recording does not have this {what}",
                where=self.where,
                remedy="Ask for the features and terms that were asked for when it was made",
            )
        return answer


@dataclass(slots=True)
class RecordedVectors:
    """A `VectorVerbalizer` from a file."""

    recording: _Recording
    name: str
    """That of the verbalizer that was recorded, said to be so."""

    @property
    def setting(self) -> str:
        """Which pair it is of: several recordings may have one name."""
        return str(self.recording.head.pair)

    def check(self, claim: ModelClaim) -> PairIdentity:
        """Return the pair that was recorded.

        Raises:
            NotAvailableError: It is for another model.
        """
        return self.recording.check(claim)

    async def extract(self, passages: Sequence[Passage]) -> list[Extraction | Missed]:
        """Return what was read at the end of each passage.

        Raises:
            VerbalizerError: It is not on record.
        """
        storage = self.recording.storage
        keys = [storage.make_extract_key(passage) for passage in passages]
        found = [self.recording.find(key, "passage") for key in keys]
        return [stored.read_residual(a, p) for a, p in zip(found, passages, strict=True)]

    async def describe(
        self, vectors: Float32[np.ndarray, "vector d_model"], sampling: Sampling
    ) -> list[Verbalization]:
        """Return what was said of each vector.

        Raises:
            VerbalizerError: It is not on record.
        """
        keys = [self.recording.storage.make_describe_key(vector, sampling) for vector in vectors]
        return [stored.read_verbalization(self.recording.find(key, "vector")) for key in keys]

    async def compare(
        self, texts: Sequence[str], vectors: Float32[np.ndarray, "vector d_model"]
    ) -> Float32[np.ndarray, "text vector"]:
        """Return the cosines of each text with all these vectors.

        Raises:
            VerbalizerError: They are not on record.
        """
        of = stored.digest(vectors)
        keys = [self.recording.storage.make_compare_key(text, of) for text in texts]
        rows = [stored.read_cosines(self.recording.find(key, "text")) for key in keys]
        return np.array(rows, dtype=np.float32).reshape(len(texts), len(vectors))

    async def describe_nothing(self, sampling: Sampling) -> Verbalization:
        """Return what was said of no vector.

        Raises:
            VerbalizerError: It is not on record.
        """
        key = self.recording.storage.make_nothing_key(sampling)
        return stored.read_verbalization(self.recording.find(key, "sampling"))

    def recall_ordinary(self) -> Ordinary:
        """Return what ordinary residuals were like.

        Raises:
            VerbalizerError: It is not on record.
        """
        key = self.recording.storage.make_ordinary_key()
        found = self.recording.find(key, "measure of ordinary residuals")
        return stored.read_ordinary(found, self.recording.head.pair.d_model)


@dataclass(slots=True)
class RecordedPassages:
    """A `PassageVerbalizer` from a file."""

    recording: _Recording
    name: str
    """That of the verbalizer that was recorded, said to be so."""

    @property
    def setting(self) -> str:
        """Which pair it is of: several recordings may have one name."""
        return str(self.recording.head.pair)

    def check(self, claim: ModelClaim) -> PairIdentity:
        """Return the pair that was recorded.

        Raises:
            NotAvailableError: It is for another model.
        """
        return self.recording.check(claim)

    async def explain(
        self, passages: Sequence[Passage], sampling: Sampling
    ) -> list[Explained | Missed]:
        """Return what was said of the end of each passage.

        Raises:
            VerbalizerError: It is not on record.
        """
        storage = self.recording.storage
        keys = [storage.make_explain_key(passage, sampling) for passage in passages]
        found = [self.recording.find(key, "passage") for key in keys]
        return [stored.read_explanation(a, p) for a, p in zip(found, passages, strict=True)]


def open_recorded(argument: str) -> RecordedVectors | RecordedPassages:
    """Make the verbalizer `recorded-nla:FILE`.

    Raises:
        UsageError: There is no file name.
        InputError: The file cannot be read, or a line is not as it should be.
    """
    if not argument:
        raise UsageError("recorded-nla takes a file", remedy="Write recorded-nla:FILE.jsonl")
    path = Path(argument)
    try:
        with path.open("rb") as file:
            recording = _read(file, str(path))
    except OSError as fault:
        raise InputError(f"cannot be read: {fault.strerror}", where=str(path)) from fault
    name = f"recorded {recording.head.name}"
    if recording.head.takes == "vectors":
        return RecordedVectors(recording, name)
    return RecordedPassages(recording, name)


def write_recording(path: Path, calls: RecordedCalls) -> None:
    """Write all answers that a run used, from its ledger or new, so that it can be replayed.

    Args:
        path: The file; an old one is replaced when the new one is whole.
        calls: After the run.

    Raises:
        OutputError: It cannot be written.
    """
    head = _Head(
        form="clerp nla recording 1",
        name=calls.verbalizer.name,
        takes="vectors" if calls.takes_vectors else "passages",
        pair=calls.pair,
    )
    used = sorted(calls.answers.used.values(), key=lambda answer: answer.key)
    lines = [_Line(a.key, a.method, a.parsed, a.text, a.complaint) for a in used]
    content = b"".join(msgspec.json.encode(line) + b"\n" for line in (head, *lines))
    write_atomically(content, path)


def _read(file: BinaryIO, where: str) -> _Recording:
    lines = _split(file, where)
    first = next(lines, None)
    if first is None:
        raise InputError("the recording is empty", where=where)
    head = _decode(first, _Head, f"{where}, line 1")
    answers: dict[str, Answer] = {}
    for number, line in enumerate(lines, start=2):
        read = _decode(line, _Line, f"{where}, line {number}")
        if read.key in answers:
            raise InputError("two answers with one key", where=f"{where}, line {number}")
        answers[read.key] = _make(read, head)
    return _Recording(head, answers, where)


def _split(file: BinaryIO, where: str) -> Iterator[bytes]:
    n_bytes = 0
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        n_bytes += len(line)
        if len(line) > MAX_LINE_BYTES or n_bytes > MAX_BYTES:
            raise InputError(
                f"more than {MAX_LINE_BYTES:,} bytes a line or {MAX_BYTES:,} in all",
                where=f"{where}, line {number}",
            )
        yield line


def _decode(line: bytes, form: type[_Form], where: str) -> _Form:
    try:
        return msgspec.json.decode(line, type=form)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise InputError(
            f"no line of a recording: {fault}",
            where=where,
            remedy="Give a file that clerp wrote with write_recording",
        ) from fault


def _make(line: _Line, head: _Head) -> Answer:
    return Answer(
        key=line.key,
        text=line.text,
        model=str(head.pair),
        prompt_tokens=None,
        completion_tokens=None,
        cost_usd=None,
        finish_reason="",
        method=line.method,
        schema_version=stored.SCHEMA_VERSION,
        parsed=line.parsed,
        complaint=line.complaint,
    )
