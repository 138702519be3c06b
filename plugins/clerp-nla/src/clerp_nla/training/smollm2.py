"""A pair for SmolLM2-135M, taught with texts that a rule writes; it wants a GPU.

    make build/collected/corpus.jsonl
    python -m clerp_nla.training.smollm2 build/collected OUT --device cuda

No model that could explain is asked: the texts to be learned name common words of the passage, its
last words and its last token. What such a pair says is no more than that.
"""

import argparse
import json
import logging
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import processors
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers import PreTrainedTokenizerFast as Tokenizer

from clerp_nla.pair.pair import open_pair
from clerp_nla.training.learning import Course
from clerp_nla.training.measuring import measure_pair
from clerp_nla.training.pairs import Lessons, train_actor, train_critic, write_prompt
from clerp_nla.training.recipe import NORM_PERCENTILE
from clerp_nla.training.subject import read_residuals
from clerp_nla.training.writing import Origin, write_actor, write_critic

logger = logging.getLogger("clerp_nla.training.smollm2")

BASE = "HuggingFaceTB/SmolLM2-135M"
LAYER = 15
"""K, of 30 blocks."""
MARKER = "<jupyter_script>"
"""A token of the vocabulary that prose does not hold."""
SHORTEST, LONGEST = 50, 200
"""Tokens of a passage."""
_CHAT = (
    "{{ bos_token }}{% for message in messages %}{{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}Answer: {% endif %}"
)
_TRAINING = "by imitation of texts that a rule wrote, without reinforcement"
_COURSE = Course(6000, rate=1e-4)
_WORD = re.compile(r"[A-Za-z]{5,}")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is learned of what."""

    layer: int = LAYER
    marker: str = MARKER
    held_out: int = 512
    actor: Course = _COURSE
    critic: Course = _COURSE


def adopt_tokenizer(tokenizer: Tokenizer) -> Tokenizer:
    """Make a base model's tokenizer one of a pair: with a start token, padding and a chat."""
    start = tokenizer.bos_token
    assert isinstance(start, str)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A", special_tokens=[(start, tokenizer.get_vocab()[start])]
    )
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.chat_template = _CHAT
    return tokenizer


def cut_passages(texts: Iterable[str], tokenizer: Tokenizer, seed: int) -> Iterator[str]:
    """Yield the beginning of each text, cut at a token drawn by chance; short ones are left out."""
    chance = random.Random(seed)
    for text in texts:
        ends = [end for _, end in tokenizer(text, return_offsets_mapping=True).offset_mapping]
        if len(ends) > SHORTEST:
            yield text[: ends[chance.randrange(SHORTEST, min(len(ends), LONGEST))]]


def explain_passage(passage: str, last: str) -> str:
    """Write what stands in a passage, in three paragraphs."""
    words = Counter(word.lower() for word in _WORD.findall(passage))
    common = ", ".join(sorted(words, key=lambda word: (-words[word], word))[:4]) or "short words"
    ending = " ".join(passage.split()[-8:]).replace('"', "'")
    return f'A text with {common}.\n\nIt ends "{ending}".\n\nFinal token "{last}".'


def make_lessons(
    model: PreTrainedModel, tokenizer: Tokenizer, passages: Sequence[str], layer: int
) -> Lessons:
    """Read the residual at the end of each passage and write what is to be said of it."""
    vectors = [rows[-1] for rows in read_residuals(model, tokenizer, passages, layer)]
    lasts = [tokenizer.decode(tokenizer(passage).input_ids[-1]) for passage in passages]
    texts = [explain_passage(text, last) for text, last in zip(passages, lasts, strict=True)]
    return Lessons(np.stack(vectors), tuple(texts))


def train_pair(
    folder: Path, model: PreTrainedModel, tokenizer: Tokenizer, lessons: Lessons, plan: Plan
) -> None:
    """Train an actor and a critic for a model and write both."""
    scale = float(np.percentile(np.linalg.norm(lessons.vectors, axis=1), NORM_PERCENTILE))
    prompt = write_prompt(tokenizer, scale, plan.marker)
    origin = Origin(BASE, plan.layer, _TRAINING)
    actor = train_actor(model, tokenizer, lessons, plan.actor, prompt)
    write_actor(folder / "av", actor, tokenizer, prompt, origin)
    critic = train_critic(model, tokenizer, lessons, plan.critic, plan.layer)
    write_critic(folder / "ar", critic, model, tokenizer, prompt, origin)


def main() -> None:
    """Read the command line, train, write and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("materials", type=Path, help="folder with model/ and corpus.jsonl")
    parser.add_argument("out", type=Path, help="folder to write, which must not exist")
    parser.add_argument("--device", default="cuda", help="where it is trained")
    parser.add_argument("--seed", type=int, default=0, help="of passages and weights")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    torch.manual_seed(given.seed)
    plan = Plan()
    model = AutoModelForCausalLM.from_pretrained(
        given.materials / "model", dtype=torch.float32, use_safetensors=True
    )
    model.to(given.device).eval()
    tokenizer = adopt_tokenizer(AutoTokenizer.from_pretrained(given.materials / "model"))
    lines = (given.materials / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    texts = (json.loads(line)["text"] for line in lines)
    passages = list(cut_passages(texts, tokenizer, given.seed))
    logger.info("%d passages", len(passages))
    taught, unseen = passages[plan.held_out :], passages[: plan.held_out]
    lessons = make_lessons(model, tokenizer, taught, plan.layer)
    train_pair(given.out, model, tokenizer, lessons, plan)
    pair = open_pair(str(given.out), device=given.device, dtype=torch.float32)
    held_out = make_lessons(model, tokenizer, unseen, plan.layer)
    logger.info("%s", measure_pair(pair, held_out))


if __name__ == "__main__":
    main()
