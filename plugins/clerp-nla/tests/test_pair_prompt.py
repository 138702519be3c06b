from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clerp.errors import InputError
from clerp_nla.pair.prompt import write_actor_prompt, write_critic_prompt
from clerp_nla.pair.sidecar import Sidecar, read_sidecar

from .random_pairs import ACTOR_TEMPLATE, CRITIC_TEMPLATE, MARKER, make_tokenizer, write_pair

# Opens each turn with the start token, and its tokenizer adds none.
CHATML = (
    "{% for message in [{'role': 'system', 'content': 'x'}] + messages %}<bos>{{ message.role }}\n"
    "{{ message.content }}<end>\n{% endfor %}<bos>assistant\n"
)


@pytest.fixture(scope="module")
def sidecars(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sidecar, Sidecar]:
    folder = write_pair(tmp_path_factory.mktemp("pair")).folder
    return read_sidecar(folder / "av"), read_sidecar(folder / "ar")


def test_the_actors_prompt_is_its_chat(sidecars: tuple[Sidecar, Sidecar], tmp_path: Path) -> None:
    tokenizer = make_tokenizer()

    prompt = write_actor_prompt(sidecars[0], tokenizer, tmp_path)

    asked = ACTOR_TEMPLATE.replace("{injection_char}", MARKER)
    assert tokenizer.decode(prompt.ids) == f"<bos><turn>{asked}<end><turn>"
    assert prompt.ids[prompt.marker] == sidecars[0].injection_token_id


def test_a_chat_may_open_every_turn_with_the_start_token(
    sidecars: tuple[Sidecar, Sidecar], tmp_path: Path
) -> None:
    tokenizer: Any = make_tokenizer()
    tokenizer.chat_template = CHATML
    tokenizer.backend_tokenizer.post_processor = None

    prompt = write_actor_prompt(sidecars[0], tokenizer, tmp_path)

    assert prompt.ids.count(tokenizer.bos_token_id) == 3


def test_the_critics_prompt_is_no_chat(sidecars: tuple[Sidecar, Sidecar], tmp_path: Path) -> None:
    tokenizer = make_tokenizer()

    ids = write_critic_prompt("{explanation} heat", sidecars[1], tokenizer, tmp_path)

    text = CRITIC_TEMPLATE.replace("{explanation}", "{explanation} heat", 1)
    assert tokenizer.decode(ids) == f"<bos>{text}"


def test_without_any_start_token_there_is_none(
    sidecars: tuple[Sidecar, Sidecar], tmp_path: Path
) -> None:
    tokenizer: Any = make_tokenizer()
    tokenizer.backend_tokenizer.post_processor = None
    tokenizer.bos_token = None
    tokenizer.chat_template = CHATML.replace("<bos>", "<turn>")

    actor = write_actor_prompt(sidecars[0], tokenizer, tmp_path)
    critic = write_critic_prompt("heat", sidecars[1], tokenizer, tmp_path)

    assert 2 not in (*actor.ids, *critic)


@pytest.mark.parametrize(
    "chat", [None, "{{ nothing.at.all }}", "{% broken", "{{ raise_exception('no') }}"]
)
def test_a_chat_that_cannot_be_rendered_is_refused(
    sidecars: tuple[Sidecar, Sidecar], tmp_path: Path, chat: str | None
) -> None:
    tokenizer: Any = make_tokenizer()
    tokenizer.chat_template = chat

    with pytest.raises(InputError, match="chat template cannot be rendered"):
        write_actor_prompt(sidecars[0], tokenizer, tmp_path)


def test_a_marker_that_is_no_token_is_refused(
    sidecars: tuple[Sidecar, Sidecar], tmp_path: Path
) -> None:
    unknown = replace(sidecars[0], injection_char="㊗")

    with pytest.raises(InputError, match=r"stands 0 times .* makes \[\d+(, \d+)+\] of '㊗'"):
        write_actor_prompt(unknown, make_tokenizer(), tmp_path)


def test_a_marker_that_stands_twice_is_refused(
    sidecars: tuple[Sidecar, Sidecar], tmp_path: Path
) -> None:
    twice = replace(sidecars[0], template=f"{MARKER} {sidecars[0].template}")

    with pytest.raises(InputError, match="stands 2 times"):
        write_actor_prompt(twice, make_tokenizer(), tmp_path)


@pytest.mark.parametrize("side", ["left", "right"])
def test_another_neighbor_is_refused(
    sidecars: tuple[Sidecar, Sidecar], tmp_path: Path, side: str
) -> None:
    beside = getattr(sidecars[0], f"{side}_neighbor_id")
    changed = replace(sidecars[0], **{f"{side}_neighbor_id": beside + 1})

    with pytest.raises(
        InputError, match=f"injection_{side}_neighbor_id: {beside + 1}, .* {beside}"
    ):
        write_actor_prompt(changed, make_tokenizer(), tmp_path)
