"""An actor and a critic, taught by examples: vectors, and what is to be said of them.

The actor is a copy of the subject whose prompt holds one vector in the place of the marker's
embedding. The critic is the subject's blocks up to K, without the last norm, and a linear head. No
reinforcement follows, so that both only imitate.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from clerp_nla.training.learning import Course, learn, tokenize
from clerp_nla.training.tokenizer import MARKER

ACTOR_TEMPLATE = "Explain <concept>{injection_char}</concept> in <explanation> tags."
CRITIC_TEMPLATE = "Summary of the following text: <text>{explanation}</text> <summary>"
ANSWER = "<explanation>\n{text}\n</explanation>"


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """Vectors of one block, and a text for each."""

    vectors: Float32[np.ndarray, "place d_model"]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ActorPrompt:
    """The chat that the actor goes on with."""

    ids: tuple[int, ...]
    marker: int
    """Place of the marker."""
    char: str
    """The marker as it is written."""
    scale: float
    """Length that vectors are given."""


def write_prompt(
    tokenizer: PreTrainedTokenizerFast, scale: float, char: str = MARKER
) -> ActorPrompt:
    """Render the chat, one start token included."""
    message = {"role": "user", "content": ACTOR_TEMPLATE.format(injection_char=char)}
    chat = tokenizer.apply_chat_template([message], add_generation_prompt=True, tokenize=False)
    assert isinstance(chat, str)
    ids: list[int] = tokenizer(chat, add_special_tokens=False).input_ids
    return ActorPrompt(tuple(ids), ids.index(tokenizer.get_vocab()[char]), char, scale)


def train_actor(
    subject: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    lessons: Lessons,
    course: Course,
    prompt: ActorPrompt,
) -> PreTrainedModel:
    """Teach a copy of a model to say what belongs to a vector.

    Args:
        subject: Stays as it is.
        tokenizer: Its own; knows the marker and has a chat template.
        lessons: What to say of what.
        course: How long.
        prompt: In which the vectors are put.
    """
    actor = copy.deepcopy(subject).train()
    for step in learn(actor.parameters(), len(lessons.texts), course):
        answers = [
            f"{ANSWER.format(text=lessons.texts[i])}{tokenizer.eos_token}" for i in step.chosen
        ]
        rows = [tokenizer(answer, add_special_tokens=False).input_ids for answer in answers]
        width = max(map(len, rows))
        # The mask is causal and padding is on the right: what comes before does not see it.
        ids = torch.tensor(
            [[*prompt.ids, *row, *[tokenizer.pad_token_id] * (width - len(row))] for row in rows],
            device=actor.device,
        )
        targets = torch.tensor(
            [[-100] * len(prompt.ids) + row + [-100] * (width - len(row)) for row in rows],
            device=actor.device,
        )
        vectors = torch.from_numpy(lessons.vectors[list(step.chosen)]).to(actor.device)
        embeds = put_in(actor.get_input_embeddings()(ids), vectors, prompt)
        step.follow(actor(inputs_embeds=embeds, labels=targets).loss)
    return actor.eval()


def put_in(
    embeds: Float[Tensor, "text token d_model"],
    vectors: Float[Tensor, "text d_model"],
    prompt: ActorPrompt,
) -> Float[Tensor, "text token d_model"]:
    """Put vectors, at the prompt's length, in the place of the marker's embedding."""
    scaled = vectors * (prompt.scale / vectors.norm(dim=1, keepdim=True))
    changed = embeds.clone()
    changed[:, prompt.marker] = scaled.to(embeds.dtype)
    return changed


class CriticModel(nn.Module):
    """Text to vector: blocks of a model, no last norm, and a head that first changes nothing."""

    def __init__(self, subject: PreTrainedModel, layer: int) -> None:
        super().__init__()
        backbone = copy.deepcopy(subject.base_model)
        backbone.layers = nn.ModuleList(
            list(backbone.get_submodule("layers").children())[: layer + 1]
        )
        backbone.norm = nn.Identity()
        self.backbone = backbone
        width = subject.config.hidden_size
        self.head = nn.Linear(width, width, bias=False)
        # From any other start the first outputs are at right angles to what they should be.
        nn.init.eye_(self.head.weight)
        self.to(subject.device)

    def forward(
        self, texts: Sequence[str], tokenizer: PreTrainedTokenizerFast
    ) -> Float[Tensor, "text d_model"]:
        """Return the vector of each text, read at the last token of the template."""
        prompts = [CRITIC_TEMPLATE.format(explanation=text) for text in texts]
        batch = tokenize(prompts, tokenizer, self.head.weight.device)
        hidden = self.backbone(
            input_ids=batch.ids, attention_mask=batch.mask, use_cache=False
        ).last_hidden_state
        last = batch.mask.sum(1) - 1
        return self.head(hidden[torch.arange(len(last), device=last.device), last])


def train_critic(
    subject: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    lessons: Lessons,
    course: Course,
    layer: int,
) -> CriticModel:
    """Teach the blocks of a model up to one, and a head, to find the vector of a text.

    The loss is 1 minus the cosine, to which the squared distance of unit vectors is twice.
    """
    critic = CriticModel(subject, layer).train()
    for step in learn(critic.parameters(), len(lessons.texts), course):
        found = critic([lessons.texts[i] for i in step.chosen], tokenizer)
        wanted = torch.from_numpy(lessons.vectors[list(step.chosen)]).to(found.device)
        step.follow((1 - _cosine(found, wanted)).mean())
    return critic.eval()


def _cosine(
    first: Float[Tensor, "text d_model"], second: Float[Tensor, "text d_model"]
) -> Float[Tensor, " text"]:
    # Inside the root, so that a vector of zeros has a gradient.
    lengths = [(vectors.square().sum(1) + 1e-12).sqrt() for vectors in (first, second)]
    return (first * second).sum(1) / (lengths[0] * lengths[1])
