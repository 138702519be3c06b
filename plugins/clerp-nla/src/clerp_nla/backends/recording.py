"""The file that keeps what a pair said in one run.

It is JSON, one object a line: first which pair it was and of which model, then the answers as a
ledger keeps them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar

import msgspec

from clerp.errors import InputError, NotAvailableError, VerbalizerError
from clerp.graph.writing import write_atomically
from clerp.ledger import Answer
from clerp.verbalizers import ModelClaim, PairIdentity, stored
from clerp.verbalizers.recording import RecordedCalls
from clerp.verbalizers.stored import Storage
from clerp_nla.matching.names import is_same_model

MAX_LINE_BYTES = 2**26
MAX_BYTES = 2**31
_RECORDED = "recorded "
_Form = TypeVar("_Form")


class Head(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The first line."""

    form: Literal["clerp nla recording 1"]
    name: str
    """Of the verbalizer that was recorded."""
    takes: Literal["vectors", "passages"]
    pair: PairIdentity


def say_recorded(name: str) -> str:
    """Name what stands for a verbalizer or a pair, once."""
    return f"{_RECORDED}{name.removeprefix(_RECORDED)}"


class _Line(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    key: str
    method: str
    parsed: str
    text: str = ""
    complaint: str = ""


@dataclass(frozen=True, slots=True)
class Recording:
    """A file that was read."""

    head: Head
    answers: Mapping[str, Answer]
    """By key."""
    where: str

    @property
    def storage(self) -> Storage:
        """What makes the keys of its answers."""
        return Storage(self.head.pair)

    def check(self, claim: ModelClaim) -> PairIdentity:
        """Return the pair that was recorded, by a name that says so.

        A file may say anything: what is read from it must not answer for the pair itself.

        Raises:
            NotAvailableError: It is for another model.
        """
        if not is_same_model(claim.model, self.head.pair.base_model):
            raise NotAvailableError(
                f"the recording is of {self.head.pair.base_model}, and the graph is of "
                f"{claim.model or 'no model'}",
                remedy=f"A recording or an NLA of {claim.model or 'the model'} is needed",
            )
        return replace(self.head.pair, name=say_recorded(self.head.pair.name))

    @property
    def setting(self) -> str:
        """All that tells the pair from others: several recordings may have one name."""
        return "\n".join(map(str, astuple(self.head.pair)))

    def find(self, key: str, what: str) -> Answer:
        """Return the answer with a key.

        Raises:
            VerbalizerError: It is not on record; `what` says of what it would be.
        """
        answer = self.answers.get(key)
        if answer is None:
            raise VerbalizerError(
                f"the recording does not have this {what}",
                where=self.where,
                remedy="Ask for the features and terms that were asked for when it was made",
            )
        return answer


def write_recording(path: Path, calls: RecordedCalls) -> None:
    """Write all answers that a run used, from its ledger or new, so that it can be replayed.

    Args:
        path: The file; an old one is replaced when the new one is whole.
        calls: After the run.

    Raises:
        OutputError: It cannot be written.
    """
    head = Head(
        form="clerp nla recording 1",
        name=calls.verbalizer.name,
        takes="vectors" if calls.takes_vectors else "passages",
        pair=calls.pair,
    )
    used = sorted(calls.answers.used.values(), key=lambda answer: answer.key)
    lines = [_Line(a.key, a.method, a.parsed, a.text, a.complaint) for a in used]
    content = b"".join(msgspec.json.encode(line) + b"\n" for line in (head, *lines))
    write_atomically(content, path)


def read_recording(path: Path) -> Recording:
    """Read a file that `write_recording` wrote.

    Raises:
        InputError: It cannot be read, or a line is not as it should be.
    """
    try:
        with path.open("rb") as file:
            return _read(file, str(path))
    except OSError as fault:
        raise InputError(f"cannot be read: {fault.strerror}", where=str(path)) from fault


def _read(file: BinaryIO, where: str) -> Recording:
    lines = _split(file, where)
    first = next(lines, None)
    if first is None:
        raise InputError("the recording is empty", where=where)
    head = _decode(first, Head, f"{where}, line 1")
    answers: dict[str, Answer] = {}
    for number, line in enumerate(lines, start=2):
        read = _decode(line, _Line, f"{where}, line {number}")
        if read.key in answers:
            raise InputError("two answers with one key", where=f"{where}, line {number}")
        answers[read.key] = _make(read, head)
    return Recording(head, answers, where)


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
            remedy="Give a file that clerp verbalize --record wrote",
        ) from fault


def _make(line: _Line, head: Head) -> Answer:
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
