"""Which form of request a server takes."""

import asyncio

import pytest

from clerp.errors import BusyError, FormatError
from clerp.llm.formats import FormatLadder
from clerp.llm.prompt import AnswerFormat
from clerp.llm.transport import Completion


class Server:
    """Takes some formats and refuses the others."""

    def __init__(self, *taken: AnswerFormat) -> None:
        self.taken = taken
        self.asked: list[AnswerFormat] = []

    async def ask(self, answer_format: AnswerFormat) -> Completion:
        self.asked.append(answer_format)
        await asyncio.sleep(0)
        if answer_format not in self.taken:
            raise FormatError(f"no {answer_format}")
        return Completion("{}", "m", "stop", 1, 1, None, answer_format=answer_format)


async def test_a_server_that_knows_schemas_is_asked_once():
    server, ladder = Server("json_schema"), FormatLadder()
    assert (await ladder.ask(server.ask)).answer_format == "json_schema"
    assert server.asked == ["json_schema"]


@pytest.mark.parametrize(
    ("taken", "asked"),
    [
        ("json_object_schema", ["json_schema", "json_object_schema"]),
        ("json_object", ["json_schema", "json_object_schema", "json_object"]),
        ("text", ["json_schema", "json_object_schema", "json_object", "text"]),
    ],
)
async def test_it_goes_down_to_what_is_taken_and_stays_there(
    taken: AnswerFormat, asked: list[AnswerFormat]
):
    server, ladder = Server(taken), FormatLadder()
    for _ in range(2):
        assert (await ladder.ask(server.ask)).answer_format == taken
    assert server.asked == [*asked, taken]
    assert ladder.answer_format == taken


async def test_calls_at_once_go_down_together_and_no_further_than_needed():
    server, ladder = Server("json_object", "text"), FormatLadder()
    said = await asyncio.gather(*[ladder.ask(server.ask) for _ in range(8)])
    assert {completion.answer_format for completion in said} == {"json_object"}
    refused = ["json_schema"] * 8 + ["json_object_schema"] * 8
    assert server.asked == refused + ["json_object"] * 8


async def test_a_server_that_takes_nothing_ends_it():
    server, ladder = Server(), FormatLadder()
    with pytest.raises(FormatError, match="no text"):
        await ladder.ask(server.ask)
    assert server.asked == ["json_schema", "json_object_schema", "json_object", "text"]


async def test_another_fault_goes_through_and_changes_nothing():
    ladder = FormatLadder()

    async def ask(answer_format: AnswerFormat) -> Completion:
        raise BusyError(f"busy with {answer_format}")

    with pytest.raises(BusyError, match="busy with json_schema"):
        await ladder.ask(ask)
    assert ladder.answer_format == "json_schema"
