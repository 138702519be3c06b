"""Every error that clerp raises on purpose.

ClerpError                     caught by the command line: one line, no traceback
├── UsageError                 a flag, setting or argument that cannot be used
├── InputError                 something that was read is not what it should be
│   ├── GraphError             an attribution graph
│   └── EvidenceError          a source of activation examples
│       ├── MissingEvidenceError   the place holds none; another place may
│       └── RemoteError        a server did not answer, or not as documented
├── OutputError                a file that could not be written
├── LedgerError                the ledger could not be opened, read or written
│   └── LedgerBusyError        another process has locked it
├── ReviewError                something that was decided in review cannot be used
│   ├── ConflictError          somebody decided meanwhile
│   └── UnknownItemError       the queue has no such feature
├── PluginError                unknown, registered twice or lacking a dependency
├── VerbalizerError            a verbalizer broke, or does not fit
│   ├── NotAvailableError      no verbalizer fits the model: said of its features, the run goes on
│   └── ExhaustedError         it answers no more for now: it is not asked again in this run
└── LabelerError               a labeler broke: the feature is `failed`
    ├── TransportError         the provider did not answer, or refused
    │   ├── BusyError          not now; later it may
    │   ├── DeniedError        no further call can succeed
    │   └── FormatError        not a request of this form; another may do
    ├── BudgetError            it could have cost more than is left
    └── AnswerError            the provider answered something that is not a label
"""

from collections.abc import Mapping
from types import MappingProxyType

_NOTHING: Mapping[str, str | float | int | None] = MappingProxyType({})


class ClerpError(Exception):
    """What went wrong, where, and what to do about it.

    Args:
        what: The fault, without a full stop.
        where: File and place (line, key, node), if there is one.
        remedy: One sentence with the next step, if there is one.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        # `what` alone: copies and pickles are made from the positional arguments.
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f". {self.remedy}" if self.remedy else ""
        # Paths and what other libraries say may break the line.
        return " ".join(f"{place}{self.what}{remedy}".splitlines())


class UsageError(ClerpError):
    """A flag, setting or argument that cannot be used."""


class InputError(ClerpError):
    """Something that was read is not what it should be."""


class GraphError(InputError):
    """An attribution graph that cannot be read."""


class EvidenceError(InputError):
    """A source of activation examples that cannot be read."""


class MissingEvidenceError(EvidenceError):
    """A place that holds no activation examples at all; another one may."""


class RemoteError(EvidenceError):
    """A server did not answer, or not as documented; what came before is kept for the next run."""

    exit_code = 2


class OutputError(ClerpError):
    """A file that could not be written; what was there before is unchanged."""


class LedgerError(ClerpError):
    """The ledger could not be opened, read or written."""


class LedgerBusyError(LedgerError):
    """Another process has locked the ledger; later it may be free."""

    exit_code = 2


class ReviewError(ClerpError):
    """Something that was decided in review, or a file of such, cannot be used."""


class ConflictError(ReviewError):
    """Somebody decided about the feature meanwhile."""


class UnknownItemError(ReviewError):
    """The queue has no such feature."""


class PluginError(ClerpError):
    """A plugin that is unknown, registered twice or lacks a dependency."""


class VerbalizerError(ClerpError):
    """A verbalizer broke: what it should have said is missing, and nothing stands in for it."""

    exit_code = 2


class NotAvailableError(VerbalizerError):
    """No verbalizer fits the model of a graph, or it could not be shown to work on it."""

    exit_code = 1


class ExhaustedError(VerbalizerError):
    """A verbalizer answers no more for now; what it said is kept, and a later run goes on."""


class LabelerError(ClerpError):
    """A labeler broke; the feature becomes `failed` with this reason.

    Args:
        what: As for `ClerpError`.
        where: As for `ClerpError`.
        remedy: As for `ClerpError`.
        details: What belongs on record all the same, with the keys of `Label.details`: what was
            paid before it broke.
    """

    exit_code = 2

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        remedy: str = "",
        details: Mapping[str, str | float | int | None] = _NOTHING,
    ) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.details = dict(details)


class TransportError(LabelerError):
    """The provider did not answer, or refused.

    Args:
        what: As for `ClerpError`.
        where: As for `ClerpError`.
        remedy: As for `ClerpError`.
        may_be_billed: Whether it may have answered all the same, and the answer was lost.
    """

    def __init__(
        self, what: str, *, where: str = "", remedy: str = "", may_be_billed: bool = True
    ) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.may_be_billed = may_be_billed


class BusyError(TransportError):
    """The provider cannot answer now: rate limit, overload, lost connection. Later it may.

    Args:
        what: As for `ClerpError`.
        where: As for `ClerpError`.
        remedy: As for `ClerpError`.
        retry_after: Seconds that it asked to wait, if it did.
        may_be_billed: As for `TransportError`.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        remedy: str = "",
        retry_after: float | None = None,
        may_be_billed: bool = True,
    ) -> None:
        super().__init__(what, where=where, remedy=remedy, may_be_billed=may_be_billed)
        self.retry_after = retry_after


class DeniedError(TransportError):
    """No further call can succeed: the key is refused, the quota used up, the model unknown."""


class FormatError(TransportError):
    """The provider does not take a request of this form; another form may do."""


class BudgetError(LabelerError):
    """The answer was not asked for: it could have cost more than what is left of the budget."""


class AnswerError(LabelerError):
    """The provider answered something that is not a label."""
