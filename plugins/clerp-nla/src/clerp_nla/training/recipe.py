"""All of the tiny pair, from a seed: grammar, subject, actor, critic."""

from dataclasses import dataclass

import numpy as np
import torch
from transformers import LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from clerp_nla.training.explaining import list_explanations
from clerp_nla.training.grammar import Document, list_words, write_documents
from clerp_nla.training.learning import Course
from clerp_nla.training.pairs import (
    ACTOR_TEMPLATE,
    ANSWER,
    CRITIC_TEMPLATE,
    ActorPrompt,
    CriticModel,
    train_actor,
    train_critic,
    write_prompt,
)
from clerp_nla.training.places import visit
from clerp_nla.training.subject import LAYER, make_subject, train_subject
from clerp_nla.training.tokenizer import make_tokenizer

NORM_PERCENTILE = 75
"""Of the lengths of residuals: the length at which the actor is given vectors."""

_SUBJECT, _HALF = Course(350), Course(900)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How much of everything."""

    documents: int = 8000
    places: int = 4
    """Of each document."""
    subject: Course = _SUBJECT
    actor: Course = _HALF
    critic: Course = _HALF


@dataclass(frozen=True, slots=True, eq=False)
class TinyPair:
    """Three models that belong together."""

    tokenizer: PreTrainedTokenizerFast
    subject: LlamaForCausalLM
    actor: PreTrainedModel
    critic: CriticModel
    prompt: ActorPrompt
    documents: tuple[Document, ...]
    """That they learned from."""
    subject_loss: float
    """Of the last step, nats a token."""


def train_tiny_pair(recipe: Recipe, seed: int) -> TinyPair:
    """Train all three; on one thread of one kind of CPU the same seed gives the same weights."""
    torch.manual_seed(seed)
    documents = write_documents(recipe.documents, seed)
    tokenizer = make_toy_tokenizer()
    subject = make_subject(tokenizer).train()
    texts = [document.text for document in documents]
    loss = train_subject(subject, tokenizer, texts, recipe.subject)
    subject.eval()
    places = visit(subject, tokenizer, documents, LAYER, each=recipe.places, seed=seed)
    lessons = places.explain(seed)
    scale = float(np.percentile(np.linalg.norm(lessons.vectors, axis=1), NORM_PERCENTILE))
    prompt = write_prompt(tokenizer, scale)
    actor = train_actor(subject, tokenizer, lessons, recipe.actor, prompt)
    critic = train_critic(subject, tokenizer, lessons, recipe.critic, LAYER)
    return TinyPair(tokenizer, subject, actor, critic, prompt, documents, loss)


def make_toy_tokenizer() -> PreTrainedTokenizerFast:
    """Make the tokenizer of all three, which knows every word that they read or write."""
    prompts = (ACTOR_TEMPLATE, CRITIC_TEMPLATE, ANSWER)
    return make_tokenizer((*list_words(), *list_explanations(), *map(_fill, prompts)))


def _fill(template: str) -> str:
    return template.format(injection_char="", explanation="", text="")
