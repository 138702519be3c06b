"""Prompts as token ids: the actor's, with the marker's place, and the critic's."""

from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from clerp.errors import InputError
from clerp_nla.pair.sidecar import MARKER_PLACE, SIDECAR, TEXT_PLACE, Sidecar


@dataclass(frozen=True, slots=True)
class ActorPrompt:
    """The prompt that is the same for every vector."""

    ids: tuple[int, ...]
    marker: int
    """Index of the token whose embedding the vector replaces."""


def write_actor_prompt(
    sidecar: Sidecar, tokenizer: PreTrainedTokenizerFast, folder: Path
) -> ActorPrompt:
    """Render the chat and find the marker in it.

    The chat template writes the start token itself, so the rendered text is cut to tokens without
    adding any. Rendering and cutting in one call splits some markers in transformers 5.

    Raises:
        InputError: The chat template fails; or the marker is not there once between its neighbours,
            or the start token is there twice or not at all: the sidecar and the tokenizer do not
            belong together.
    """
    content = sidecar.template.replace(MARKER_PLACE, sidecar.injection_char)
    try:
        rendered = tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
    # The template is a small program of the checkpoint's, which can fail in any way.
    except Exception as fault:
        reason = " ".join(str(fault).split())[:200] or type(fault).__name__
        raise InputError(
            f"its chat template cannot be rendered: {reason}", where=str(folder)
        ) from fault
    ids = tuple(tokenizer.encode(str(rendered), add_special_tokens=False))
    _check_start(ids, tokenizer, folder, adds_it=_adds_start(tokenizer))
    return ActorPrompt(ids, _find_marker(ids, sidecar, tokenizer, folder))


def write_critic_prompt(
    text: str, sidecar: Sidecar, tokenizer: PreTrainedTokenizerFast, folder: Path
) -> tuple[int, ...]:
    """Put a text into the critic's prompt, which is no chat and begins with one start token.

    Raises:
        InputError: The start token is there twice, or is missing; or the last token, at which the
            vector is read, is another one than in training.
    """
    prompt = sidecar.template.replace(TEXT_PLACE, text)
    ids = tuple(tokenizer.encode(prompt, add_special_tokens=True))
    _check_start(ids, tokenizer, folder, adds_it=tokenizer.bos_token_id is not None)
    # Only the last one: the first of them may melt into the end of the text.
    if sidecar.suffix_ids and ids[-1:] != sidecar.suffix_ids[-1:]:
        raise InputError(
            f"tokens.critic_suffix_ids: prompts end with token {sidecar.suffix_ids[-1]}, and here "
            f"with {ids[-1] if ids else 'none'}",
            where=str(folder / SIDECAR),
            remedy="The tokenizer is another one than in training: fetch the checkpoint again",
        )
    return ids


def _adds_start(tokenizer: PreTrainedTokenizerFast) -> bool:
    """Say whether the tokenizer starts every text with the start token.

    In chats of some models (ChatML) it opens each turn instead, and so stands there many times.
    """
    start = tokenizer.bos_token_id
    return start is not None and tokenizer.encode("x", add_special_tokens=True)[:1] == [start]


def _check_start(
    ids: tuple[int, ...], tokenizer: PreTrainedTokenizerFast, folder: Path, *, adds_it: bool
) -> None:
    start = tokenizer.bos_token_id
    if start is None:
        return
    if ids[:2] == (start, start):
        raise InputError(
            f"the prompt begins with two start tokens ({tokenizer.bos_token!r})",
            where=str(folder),
            remedy="The template writes it and the tokenizer adds it: mend one of the two",
        )
    if adds_it and ids[:1] != (start,):
        raise InputError(
            f"the prompt does not begin with the start token ({tokenizer.bos_token!r})",
            where=str(folder),
            remedy="Pairs learn with it: mend the tokenizer's files",
        )


def _find_marker(
    ids: tuple[int, ...], sidecar: Sidecar, tokenizer: PreTrainedTokenizerFast, folder: Path
) -> int:
    wanted = sidecar.injection_token_id
    found = [place for place, token in enumerate(ids) if token == wanted]
    if len(found) != 1 or wanted == tokenizer.unk_token_id:
        now = tokenizer.encode(sidecar.injection_char, add_special_tokens=False)
        raise InputError(
            f"tokens.injection_token_id: token {wanted} stands {len(found)} times in the prompt, "
            f"not once; the tokenizer makes {now} of {sidecar.injection_char!r}",
            where=str(folder / SIDECAR),
            remedy="The tokenizer is another one than in training: fetch the checkpoint again",
        )
    place = found[0]
    for side, step, neighbor in (
        ("left", -1, sidecar.left_neighbor_id),
        ("right", 1, sidecar.right_neighbor_id),
    ):
        beside = ids[place + step] if 0 <= place + step < len(ids) else None
        if beside != neighbor:
            raise InputError(
                f"tokens.injection_{side}_neighbor_id: {neighbor}, and the prompt has {beside}",
                where=str(folder / SIDECAR),
                remedy="The chat template or the tokenizer changed: fetch the checkpoint again",
            )
    return place
