"""The script for SmolLM2 runs, on a small model; what it gives is another question."""

from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from clerp_nla.pair.pair import open_pair
from clerp_nla.training.grammar import write_documents
from clerp_nla.training.learning import Course
from clerp_nla.training.measuring import measure_pair
from clerp_nla.training.smollm2 import (
    LONGEST,
    SHORTEST,
    Plan,
    adopt_tokenizer,
    cut_passages,
    explain_passage,
    make_lessons,
    train_pair,
)
from clerp_nla.training.tokenizer import MARKER

COURSE = Course(steps=2, batch_size=4)
PLAN = Plan(layer=2, marker=MARKER, actor=COURSE, critic=COURSE)


def test_a_pair_is_trained_written_and_measured(tiny_pair: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_pair / "subject", dtype=torch.float32)
    tokenizer = adopt_tokenizer(AutoTokenizer.from_pretrained(tiny_pair / "subject"))
    documents = write_documents(140, 9)
    texts = [
        f"{one.text} {two.text}" for one, two in zip(documents[::2], documents[1::2], strict=True)
    ]
    passages = list(cut_passages(texts, tokenizer, 0))
    lessons = make_lessons(model, tokenizer, passages, PLAN.layer)
    assert lessons.vectors.shape == (len(passages), model.config.hidden_size)
    train_pair(tmp_path, model, tokenizer, lessons, PLAN)
    figures = measure_pair(open_pair(str(tmp_path)), lessons)
    assert figures.n == len(passages)
    assert np.isfinite([figures.fve, figures.taught_fve, figures.mismatch_fve]).all()


def test_passages_end_with_a_token_past_the_shortest(tiny_pair: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_pair / "subject")
    long = " ".join(document.text for document in write_documents(9, 0))
    short = write_documents(1, 0)[0].text[:40]
    [passage] = cut_passages([long, short], tokenizer, 0)
    assert long.startswith(passage)
    assert SHORTEST < len(tokenizer(passage).input_ids) <= LONGEST + 1


def test_explanations_name_common_words_the_end_and_the_last_token() -> None:
    passage = 'Rivers carry water. Rivers carry stones, and the "water" ends here'
    first, second, third = explain_passage(passage, " here").split("\n\n")
    assert first == "A text with carry, rivers, water, stones."
    assert second == """It ends "Rivers carry stones, and the 'water' ends here"."""
    assert third == 'Final token " here".'
    assert explain_passage("a b c", " c").startswith("A text with short words.")
