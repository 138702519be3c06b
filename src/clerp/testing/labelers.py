"""What every labeler is asked for."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from clerp.errors import LabelerError
from clerp.event_loop import run_to_end
from clerp.labelers import LabelRequest
from clerp.plugins import Labeler, Ledgered
from clerp.testing.asking import ask_again, ask_at_once, name_case
from clerp.testing.cases import Case, make_cases
from clerp.testing.contract import ContractError, blaming, check_shape, is_text, require

if TYPE_CHECKING:
    from clerp.testing.counting_ledger import CountingLedger

_LEDGERED = ("label", "with_ledger", "show_prompt", "aclose")


def check_labeler(
    labeler: object, *, requests: Sequence[LabelRequest] = (), deterministic: bool = True
) -> None:
    """Check that a labeler keeps the contract of `clerp.plugins.Labeler`.

    It is asked about some twenty features in three roles, several at the same time, and about each
    of them again, one by one in another order. One feature is ordinary; the others have one example
    or none, special tokens, scripts without spaces, emoji, control characters, markup or huge
    tokens.

    A labeler with `with_ledger` is held to `clerp.plugins.Ledgered`, too: it gets a ledger in
    memory, must answer the second time from that alone, must not answer from an empty one that it
    may not add to, and is closed at the end. A provider that is paid is paid for the first time:
    give it a fake one.

    Args:
        labeler: What the plugin's entry point returns.
        requests: More to ask, of the kind that it is made for. These and the ordinary feature it
            must answer; on the others it may also raise `LabelerError`.
        deterministic: Whether the same request must get the same answer.

    Raises:
        ContractError: It is no labeler; its method raises anything but `LabelerError`, or returns
            anything but `Label` and `Abstention`; a label is empty, longer than 40 characters or
            not clean, or names another method or evidence that was not given; something in an
            answer cannot be written to JSON or names a folder of this machine; the request was
            changed; the second answer is another one; or an answer that was paid for is not kept.
    """
    check_shape(labeler, "labeler", "label")
    if hasattr(labeler, "with_ledger"):
        check_shape(labeler, "labeler with a ledger", *_LEDGERED)
        with _open_ledger() as ledger, _open_ledger() as empty:
            ledgered = _LedgerCheck(cast(Ledgered, labeler), ledger, empty)
            run_to_end(lambda: ledgered.check(requests, deterministic))
    else:
        run_to_end(lambda: _check_plain(cast(Labeler, labeler), requests, deterministic))


async def _check_plain(
    labeler: Labeler, requests: Sequence[LabelRequest], deterministic: bool
) -> None:
    first = await ask_at_once(labeler, _list_cases(requests))
    # Made anew: who remembers requests by identity has not seen these.
    await ask_again(labeler, _list_cases(requests), first, deterministic=deterministic)


def _list_cases(requests: Sequence[LabelRequest]) -> list[Case]:
    own = (
        Case(f"requests[{number}]", request, is_ordinary=True)
        for number, request in enumerate(requests)
    )
    return [*make_cases(), *own]


@contextmanager
def _open_ledger() -> "Generator[CountingLedger]":
    # SQLAlchemy is imported only where there is a ledger.
    from clerp.ledger import open_ledger
    from clerp.testing.counting_ledger import CountingLedger

    with open_ledger(":memory:") as ledger:
        yield CountingLedger(ledger)


class _LedgerCheck:
    """A labeler with the ledger that it fills, and one that stays empty."""

    def __init__(
        self, labeler: Ledgered, ledger: "CountingLedger", empty: "CountingLedger"
    ) -> None:
        self._labeler = labeler
        self._ledger = ledger
        self._empty = empty
        self._name = cast(Labeler, labeler).name

    async def check(self, requests: Sequence[LabelRequest], deterministic: bool) -> None:
        """Ask, ask again from the ledger alone, and ask where the ledger is empty."""
        paid = self._attach(self._ledger, ask=True)
        try:
            first = await ask_at_once(paid, _list_cases(requests))
            self._require_records(answered=any(outcome != "broke" for outcome in first.values()))
            silent = self._attach(self._ledger, ask=False)
            before = self._ledger.n_recorded
            await ask_again(silent, _list_cases(requests), first, deterministic=deterministic)
            require(self._ledger.n_recorded == before, f"{self._subject} asked despite ask=False")
            await self._check_silence()
            self._check_prompts()
        finally:
            with blaming(f"aclose of {self._subject}"):
                await cast(Ledgered, paid).aclose()

    @property
    def _subject(self) -> str:
        return f"the labeler {self._name!r}"

    def _attach(self, ledger: "CountingLedger", *, ask: bool) -> Labeler:
        with blaming(f"with_ledger of {self._subject}"):
            attached = self._labeler.with_ledger(ledger, ask=ask)
        check_shape(attached, "labeler with a ledger", *_LEDGERED)
        require(attached.name == self._name, f"with_ledger renames {self._subject}")
        return attached

    def _require_records(self, *, answered: bool) -> None:
        require(
            self._ledger.n_recorded > 0 or not answered,
            f"{self._subject} recorded nothing in the ledger that with_ledger gave it",
        )

    async def _check_silence(self) -> None:
        silent = self._attach(self._empty, ask=False)
        case = next(make_cases())
        with blaming(name_case(silent, case)):
            try:
                answer = await silent.label(case.request)
            except LabelerError:
                require(self._empty.n_recorded == 0, f"{self._subject} asked despite ask=False")
                return
        raise ContractError(
            f"{self._subject} answered {answer!r} from an empty ledger: with ask=False it raises"
            " LabelerError for what is not there"
        )

    def _check_prompts(self) -> None:
        for case in make_cases():
            subject = name_case(cast(Labeler, self._labeler), case)
            with blaming(subject):
                prompt: object = self._labeler.show_prompt(case.request)
            require(
                is_text(prompt),
                f"{subject} shows the prompt {prompt!r}: that is no text",
            )
