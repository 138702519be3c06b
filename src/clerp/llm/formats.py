"""Which form of request a server takes, found out by asking."""

from collections.abc import Awaitable, Callable
from typing import get_args

from clerp.errors import FormatError
from clerp.llm.prompt import AnswerFormat
from clerp.llm.transport import Completion

_STEPS: tuple[AnswerFormat, ...] = get_args(AnswerFormat)

Ask = Callable[[AnswerFormat], Awaitable[Completion]]


class FormatLadder:
    """From a JSON schema, in two forms, to any JSON object to plain text, for one transport.

    A step that was taken down is not taken up again: calls that follow, and those under way, use
    what the server was found to take. `Completion.answer_format` says which that was.
    """

    def __init__(self) -> None:
        self._step = 0

    @property
    def answer_format(self) -> AnswerFormat:
        """What the next call asks for."""
        return _STEPS[self._step]

    async def ask(self, ask: Ask) -> Completion:
        """Ask, and ask again one step down for as long as the form is what is complained of.

        Args:
            ask: Asks once in the form that it is given.

        Raises:
            FormatError: Not even plain text is taken.
        """
        while True:
            step = self._step
            try:
                return await ask(_STEPS[step])
            except FormatError:
                if step + 1 == len(_STEPS):
                    raise
                # Another call may have gone down already.
                self._step = max(self._step, step + 1)
