import ast
import hashlib
import importlib
import pydoc
import pydoc_data.topics
import random
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from clerp.errors import UsageError
from clerp.evidence import ActivationExample
from clerp.testing import KINDS, Planted, plant
from clerp.testing.planting import GENERATOR, plant_many
from clerp.testing.planting.text import cut_cells, read_text, split_cell
from clerp.testing.planting.word_lists import (
    read_classes,
    read_families,
    read_frames,
    read_topics,
)

NOT_BY_EXAMPLE = {"dense", "few", "random positions"}
BY_EXAMPLE = [kind for kind in KINDS if kind not in NOT_BY_EXAMPLE]


def _join_lines(text: str) -> str:
    return re.sub(r" +", " ", re.sub(r"(?<!\n)\n(?!\n)", " ", text)).replace("*", "")


def _make_up(n_words: int, *, function_words: str) -> list[str]:
    """Make sentences of made-up words whose frequencies fall as Zipf found."""
    draw = random.Random(7)
    syllables = [a + b for a in "bdfgklmnprst" for b in "aeiou"]
    stems = ["".join(draw.choices(syllables, k=draw.randint(2, 4))) for _ in range(1500)]
    words = [*function_words.split(), *(stem + end for stem in stems for end in ("", "s", "ed"))]
    weights = [1 / (rank + 2) for rank in range(len(words))]
    documents: list[str] = []
    for _ in range(n_words // 300):
        drawn = draw.choices(words, weights, k=300)
        sentences = (" ".join(drawn[at : at + 12]).capitalize() for at in range(0, 300, 12))
        documents.append(". ".join(sentences) + ".")
    return documents


MANUAL = [_join_lines(text) for text in list(pydoc_data.topics.topics.values())[::2]]
MADE_UP = _make_up(30_000, function_words="the of and in a to is that for it with as was on by")
FOREIGN = _make_up(30_000, function_words="der die und das von zu mit sich des auf dem ein nicht")
TEXTS = {"a manual": MANUAL, "made-up words": MADE_UP, "another language": FOREIGN}


@pytest.fixture(autouse=True, scope="module")
def _save_time() -> Iterator[None]:
    # A text is cut alike for every kind and seed.
    cut_once = cache(lambda documents: read_text(documents))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "clerp.testing.planting.planting.read_text", lambda texts: cut_once(tuple(texts))
        )
        yield


def _carrying(planted: Planted) -> list[ActivationExample]:
    pairs = zip(planted.evidence.top, planted.pure, strict=True)
    return [example for example, pure in pairs if pure]


def _others(planted: Planted) -> list[ActivationExample]:
    top = zip(planted.evidence.top, planted.pure, strict=True)
    lower = zip(planted.evidence.lower, planted.lower_pure, strict=True)
    return [example for example, pure in (*top, *lower) if not pure]


def _near(example: ActivationExample, reach: int = 8) -> str:
    first = max(example.peak - reach, 0)
    return "".join(example.tokens[first : example.peak + reach + 1])


def _words(text: str) -> set[str]:
    return {cell.strip().lower() for cell in cut_cells(text)}


def _peak_cell(example: ActivationExample) -> str:
    """Return the word or mark that ends at the peak."""
    return cut_cells("".join(example.tokens[: example.peak + 1]))[-1].strip()


def _following(example: ActivationExample) -> str:
    return cut_cells("".join(example.tokens[example.peak + 1 :]))[0].strip()


@pytest.mark.parametrize("documents", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_usable_evidence_in_any_text(documents: list[str], kind: str):
    planted = plant(documents, kind, seed=1)
    evidence = planted.evidence
    assert (planted.kind, planted.role) == (kind, KINDS[kind])
    assert len(evidence.top) == (3 if kind == "few" else 20)
    assert len(evidence.lower) == (0 if kind == "few" else 10)
    examples = (*evidence.top, *evidence.lower)
    assert len({_near(example) for example in examples}) == len(examples)
    for example in examples:
        assert len(example.tokens) == len(example.activations) <= 49
        assert example.peak == int(example.activations.argmax())
        assert Counter(example.activations.tolist())[example.peak_activation] == 1
        assert np.isfinite(example.activations).all()
        assert (example.activations >= 0).all()
    heights = [example.peak_activation for example in examples]
    assert heights == sorted(heights, reverse=True)
    assert evidence.act_max == heights[0]
    assert 0 < evidence.act_min < heights[-1]


def test_quantiles_are_numbered_as_records_number_them():
    evidence = plant(MANUAL, "word", seed=1, n=3).evidence
    assert [example.id for example in evidence.top] == ["0.0", "0.1", "0.2"]
    assert [e.id for e in evidence.lower] == [f"{q}.{i}" for q in range(1, 6) for i in range(2)]


def test_most_activations_are_zero_but_in_a_dense_feature():
    sparse = plant(MANUAL, "word", seed=1).evidence
    dense = plant(MANUAL, "dense", seed=1).evidence
    assert max((example.activations > 0).mean() for example in sparse.top) < 0.25
    assert min((example.activations > 0).mean() for example in dense.top) > 0.1
    assert dense.density is not None
    assert dense.density > 0.1
    assert sparse.density is not None
    assert 0.001 <= sparse.density <= 0.02


@pytest.mark.parametrize("kind", BY_EXAMPLE)
@pytest.mark.parametrize("purity", [0.3, 0.75, 1.0])
def test_purity_says_how_many_examples_carry_the_plant(kind: str, purity: float):
    planted = plant(MADE_UP, kind, seed=2, purity=purity)
    assert sum(planted.pure) == round(20 * purity)
    assert sum(planted.lower_pure) == round(10 * (purity - 0.2))


@pytest.mark.parametrize("kind", sorted(NOT_BY_EXAMPLE))
def test_nothing_is_carried_where_examples_cannot_show_it(kind: str):
    planted = plant(MADE_UP, kind, seed=2)
    assert not any((*planted.pure, *planted.lower_pure))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_arguments_give_the_same_feature(kind: str):
    first = plant(MADE_UP, kind, seed=3, purity=0.8)
    again = plant(MADE_UP[::-1] + MADE_UP[:5], kind, seed=3, purity=0.8)
    other = plant(MADE_UP, kind, seed=4, purity=0.8)
    assert (first.answer, first.pure, first.lower_pure) == (
        again.answer, again.pure, again.lower_pure,
    )  # fmt: skip
    assert first.evidence.digest == again.evidence.digest != other.evidence.digest


def test_what_a_seed_gives_belongs_to_the_number_of_the_generator():
    """Whoever changes what is made changes `GENERATOR`, and this digest with it."""
    planted = {kind: plant(MADE_UP, kind, seed=1, purity=0.8) for kind in KINDS}
    made = [(kind, one.answer, one.evidence.digest) for kind, one in planted.items()]
    digest = hashlib.sha256(repr(made).encode()).hexdigest()
    assert (GENERATOR, digest[:16]) == (1, "25f8562378f345e6")


@pytest.mark.parametrize("seed", range(5))
def test_a_word_stands_at_every_peak_and_near_no_other(seed: int):
    planted = plant(MANUAL, "word", seed=seed, purity=0.7)
    assert {_peak_cell(example) for example in _carrying(planted)} == {planted.answer}
    assert not any(planted.answer in _words(_near(example)) for example in _others(planted))


@pytest.mark.parametrize("seed", range(5))
def test_what_surrounds_a_word_varies(seed: int):
    planted = plant(MANUAL, "word", seed=seed)
    following = Counter(_following(example) for example in planted.evidence.top)
    assert following.most_common(1)[0][1] <= 6


@pytest.mark.parametrize("seed", range(5))
def test_a_family_shows_several_forms_of_one_word(seed: int):
    forms = Counter(_peak_cell(e) for e in _carrying(plant(MANUAL, "word family", seed=seed)))
    assert len(forms) >= 2
    assert len({form[:4] for form in forms}) == 1


def test_a_text_without_families_gets_one():
    documents = [re.sub(r"(s|ed)\b", "", text) for text in MADE_UP]
    planted = plant(documents, "word family", seed=1)
    family = next(f.members for f in read_families() if planted.answer == f.members[0])
    assert {_peak_cell(example) for example in _carrying(planted)} <= set(family)


@pytest.mark.parametrize("seed", range(8))
def test_no_member_of_a_class_is_at_more_than_three_peaks(seed: int):
    planted = plant(MANUAL, "word class", seed=seed, purity=0.8)
    members = next(c.members for c in read_classes() if c.name == planted.answer)
    shown = Counter(
        next(m for m in sorted(members, key=len, reverse=True) if _peak_text(e).endswith(m))
        for e in _carrying(planted)
    )
    assert max(shown.values()) <= 3
    lowered = {member.lower() for member in members}
    assert not any(lowered & _words(_near(example)) for example in _others(planted))


def _peak_text(example: ActivationExample) -> str:
    return "".join(example.tokens[: example.peak + 1])


@pytest.mark.parametrize("seed", range(5))
def test_a_phrase_ends_at_every_peak(seed: int):
    planted = plant(MANUAL, "fixed phrase", seed=seed, purity=0.8)
    assert 2 <= len(planted.answer.split()) <= 4
    for example in _carrying(planted):
        assert _peak_text(example).endswith(planted.answer)
    assert not any(planted.answer in _near(example) for example in _others(planted))


@pytest.mark.parametrize("seed", range(5))
def test_one_word_follows_peaks_that_all_differ(seed: int):
    planted = plant(MANUAL, "next word", seed=seed, purity=0.8)
    carrying = _carrying(planted)
    assert {_following(example) for example in carrying} == {planted.answer}
    assert len({_peak_cell(example) for example in carrying}) == len(carrying)


@pytest.mark.parametrize("seed", range(5))
def test_members_of_a_class_follow_peaks_that_all_differ(seed: int):
    planted = plant(MANUAL, "next class", seed=seed)
    members = next(c.members for c in read_classes() if c.name == planted.answer)
    after = ["".join(e.tokens[e.peak + 1 :]).lstrip() for e in planted.evidence.top]
    assert all(text.startswith(members) for text in after)
    assert len({_peak_cell(example) for example in planted.evidence.top}) == 20


@pytest.mark.parametrize(("purity", "n"), [(1.0, 5), (0.6, 3)])
def test_half_of_the_promoted_tokens_follow_the_peaks(purity: float, n: int):
    planted = plant(MANUAL, "next class", seed=1, purity=purity)
    members = next(c.members for c in read_classes() if c.name == planted.answer)
    promoted = planted.evidence.promoted
    assert len(promoted) == 10
    assert len([token for token in promoted if token.strip() in members]) == n


@pytest.mark.parametrize("kind", ["word", "word family", "word class", "topic"])
def test_promoted_tokens_of_other_kinds_do_not_name_the_plant(kind: str):
    planted = plant(MANUAL, kind, seed=1)
    shown = {_peak_cell(example).lower() for example in planted.evidence.top}
    if kind == "topic":
        shown = {word.lower() for word in read_topics()[planted.answer]}
    for tokens in (planted.evidence.promoted, planted.evidence.suppressed):
        assert len(tokens) == 10
        assert not shown & {token.strip().lower() for token in tokens}


def _find_topic_words(example: ActivationExample, topic: set[str]) -> list[int]:
    """Return the distances from the peak, in tokens, of the topic words of a context."""
    first = max(example.peak - 8, 0)
    found: list[int] = []
    for at in range(first, min(example.peak + 9, len(example.tokens))):
        if not example.tokens[at].startswith(" "):
            continue
        for stop in (at + 1, at + 2):
            if "".join(example.tokens[at:stop]).strip().lower() in topic:
                found.append(at - example.peak)
                break
    return found


@pytest.mark.parametrize("seed", range(8))
def test_words_of_a_topic_stand_on_both_sides_of_the_peak_and_not_beside_it(seed: int):
    planted = plant(MANUAL, "topic", seed=seed, purity=0.8)
    topic = {word.lower() for word in read_topics()[planted.answer]}
    for example in _carrying(planted):
        places = _find_topic_words(example, topic)
        assert 5 <= len(places) <= 7
        assert len([at for at in places if at < -1]) >= 2
        assert len([at for at in places if at > 1]) >= 2
        assert not set(places) & {-1, 0, 1}
    assert not any(topic & _words(_near(example)) for example in _others(planted))


def test_topic_words_are_shared_by_few_examples_and_peaks_are_mostly_function_words():
    planted = plant(MANUAL, "topic", seed=1)
    topic = {word.lower() for word in read_topics()[planted.answer]}
    near = [_words(_near(example)) & topic for example in planted.evidence.top]
    assert max(Counter(word for words in near for word in words).values()) <= 4
    peaks = Counter(_peak_cell(example) for example in planted.evidence.top)
    assert max(peaks.values()) <= 4
    assert sum(n for peak, n in peaks.items() if len(peak) < 5) >= 8


@pytest.mark.parametrize("frame", read_frames(), ids=lambda frame: frame.name)
def test_frames_are_the_same_on_both_sides_of_a_peak_whose_neighbours_vary(frame):
    before, after = re.split(r"\{[a-zA-Z]\*\}", frame.text)
    left = cut_cells(re.sub(r"\{[a-zA-Z]\}", "SLOT", before.rstrip()))
    right = cut_cells(re.sub(r"\{[a-zA-Z]\}", "SLOT", after))
    assert left[-1].strip() == right[0].strip() == right[1].strip() == "SLOT"
    assert {cell.strip() for cell in left[-8:]} != {"SLOT"}
    assert {cell.strip() for cell in right[:8]} != {"SLOT"}


@pytest.mark.parametrize("seed", range(5))
def test_no_word_of_a_construction_explains_it(seed: int):
    planted = plant(MANUAL, "construction", seed=seed)
    examples = planted.evidence.top
    assert len({_peak_cell(example) for example in examples}) == len(examples)
    assert Counter(map(_following, examples)).most_common(1)[0][1] <= 6


def test_constructions_read_as_their_frame():
    named = {
        planted.answer: planted
        for planted in plant_many(MADE_UP, ["construction"], seed=1, each=32)
    }
    assert named.keys() == {frame.name for frame in read_frames()}
    for example in named["if A then B"].evidence.top:
        assert re.search(r"\bif( \w+)* \w+$", _peak_text(example))
        assert re.match(r"( \w+){3}, then ", "".join(example.tokens[example.peak + 1 :]))


@pytest.mark.parametrize("seed", range(6))
def test_a_sequence_starts_at_the_peak(seed: int):
    planted = plant(MANUAL, "sequence start", seed=seed, purity=0.8)
    for example in _carrying(planted):
        assert example.tokens[: example.peak] in ((), ("<|endoftext|>",), ("<bos>",))
    assert min(example.peak for example in _others(planted)) > 1


def test_contexts_come_from_many_documents():
    for kind in ("word class", "topic", "random positions"):
        evidence = plant(MADE_UP, kind, seed=1).evidence
        homes = [
            next((i for i, text in enumerate(MADE_UP) if "".join(e.tokens[-9:]) in text), None)
            for e in evidence.top
        ]
        assert len(set(homes)) > 10


def test_many_features_have_ids_and_answers_of_their_own():
    kinds = ["word", "topic", "random positions"]
    planted = plant_many(MADE_UP, kinds, seed=1, each=6, n=8)
    assert [p.kind for p in planted] == [kind for kind in kinds for _ in range(6)]
    assert len({p.evidence.feature for p in planted}) == len(planted)
    assert len({p.evidence.digest for p in planted}) == len(planted)
    assert len({p.answer for p in planted if p.kind == "topic"}) == 6
    assert len({p.answer for p in planted if p.kind == "word"}) == 6


def test_answers_come_again_when_there_are_no_others():
    n = len(read_topics())
    planted = plant_many(MADE_UP, ["topic"], seed=1, each=n + 2, n=3)
    assert {p.answer for p in planted} == set(read_topics())
    assert len(planted) == n + 2


def _plant_one_of_many(documents: list[str], kind: str, **others) -> list[Planted]:
    return plant_many(documents, [kind], each=1, **others)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"kind": "colour"}, "'colour' cannot be planted"),
        ({"n": 0}, "0 examples"),
        ({"purity": 0.0}, "purity of 0.0"),
        ({"purity": 1.1}, "purity of 1.1"),
        ({"purity": float("nan")}, "purity of nan"),
        ({"n": 4, "purity": 0.1}, "leaves none of 4 examples"),
        ({"n": 5000}, "too few places for"),
        ({"documents": ["Too little text for anything to be planted in."]}, "could be replaced"),
        ({"documents": []}, "0 words"),
    ],
)
@pytest.mark.parametrize("make", [plant, _plant_one_of_many])
def test_what_cannot_be_planted_is_refused(arguments: dict, complaint: str, make):
    given = {"documents": MADE_UP, "kind": "word", "n": 20, "purity": 1.0, **arguments}
    with pytest.raises(UsageError, match=complaint):
        make(**given, seed=1)


@pytest.mark.parametrize("kind", BY_EXAMPLE)
def test_a_text_without_enough_places_is_refused(kind: str):
    with pytest.raises(UsageError, match="too few places"):
        plant(MADE_UP[:1], kind, seed=1, n=60)


@pytest.mark.parametrize(
    "text", [MANUAL[0], pydoc.getdoc(re), "naïve don't  3.14\n\n\tx ", "中文 _a_"]
)
def test_tokens_give_the_text_back(text: str):
    tokens = [token for cell in cut_cells(text) for token in split_cell(cell)]
    assert "".join(tokens) == text


def test_a_share_of_the_long_words_has_two_tokens():
    words = {
        cell
        for text in MANUAL
        for cell in cut_cells(text)
        if len(cell) > 8 and cell.strip().isalpha()
    }
    split = [word for word in words if len(split_cell(word)) == 2]
    assert 0.25 < len(split) / len(words) < 0.42
    assert all(split_cell(word) == split_cell(word) for word in words)


def test_word_lists_are_as_long_as_variety_takes():
    assert len(read_classes()) >= 30
    assert len({c.name for c in read_classes()}) == len(read_classes())
    assert len(read_topics()) >= 25
    assert len(read_frames()) >= 15


def test_the_generator_knows_nothing_of_what_it_tests():
    package = Path(str(importlib.import_module("clerp.testing.planting").__file__)).parent
    imported = {name for module in package.glob("*.py") for name in _list_imports(module)}
    own = {name for name in imported if name.startswith("clerp.")}
    outside = {name for name in own if not name.startswith("clerp.testing.planting")}
    assert outside == {"clerp.errors", "clerp.evidence", "clerp.feature"}


def _list_imports(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
