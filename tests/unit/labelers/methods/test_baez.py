"""What a model is asked of what an NLA said."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.labelers.methods.asked import make_evidence, make_request, read_data

from clerp.errors import LabelerError, UsageError
from clerp.labelers import LabelRequest
from clerp.labelers.methods import (
    METHODS,
    find_description_method,
    find_method,
    frame_question,
    list_held_out,
)
from clerp.labelers.methods.baez import MAX_CHARS, MAX_DESCRIPTIONS
from clerp.labelers.request import Described

BOTH = pytest.mark.parametrize("name", ["baez", "baez_last"])
SAID = (
    Described("0.0", "A list of capitals.\n\nFinal token is a city.", 8.0),
    Described("0.1", "A recipe.", 0.4),
    Described("0.2", "A travel guide.", 4.1),
)


def ask(descriptions: Sequence[Described] = SAID, n_top: int = 5, n_lower: int = 0) -> LabelRequest:
    request = make_request(make_evidence(n_top, n_lower))
    return replace(request, descriptions=tuple(descriptions))


@BOTH
def test_texts_stand_with_whole_numbers_from_1_to_10_strongest_first(name: str):
    question = find_description_method(name).build(ask())
    data = read_data(question)
    assert data == {
        "descriptions": {
            "0.0": [SAID[0].text, 10],
            "0.2": [SAID[2].text, 6],
            "0.1": ["A recipe.", 1],
        }
    }
    assert list(data["descriptions"]) == ["0.0", "0.2", "0.1"]
    assert [example.id for example in question.shown] == ["0.0", "0.2", "0.1"]


@given(st.lists(st.floats(min_value=1e-6, max_value=1e6, allow_nan=False), min_size=1, max_size=5))
def test_a_number_grows_with_the_activation_and_the_strongest_has_10(activations: list[float]):
    said = [Described(f"0.{n}", "text", a) for n, a in enumerate(activations)]
    numbers = read_data(find_description_method("baez").build(ask(said)))["descriptions"]
    by_activation = [numbers[d.example][1] for d in sorted(said, key=lambda d: -d.activation)]
    assert by_activation[0] == 10
    assert by_activation == sorted(by_activation, reverse=True)
    assert all(1 <= number <= 10 for number in by_activation)


@BOTH
@pytest.mark.parametrize(
    "said",
    [(), (Described("0.99", "text", 1.0),), (Described("0.0", "text", 0.0),)],
    ids=["none", "unknown", "not firing"],
)
def test_without_a_description_there_is_no_question(name: str, said: Sequence[Described]):
    with pytest.raises(LabelerError, match=f"{name} makes .* nothing was said"):
        find_description_method(name).build(ask(said))


def test_what_is_held_out_for_scoring_is_not_shown():
    request = ask(n_top=20, n_lower=25)
    held_out = list_held_out(request.evidence)
    said = [Described(example, f"text of {example}", 1.0) for example in held_out]
    shown = Described(next(e.id for e in request.evidence.top if e.id not in held_out), "seen", 1.0)
    data = read_data(
        find_description_method("baez").build(replace(request, descriptions=(*said, shown)))
    )
    assert data == {"descriptions": {shown.example: ["seen", 10]}}
    with pytest.raises(LabelerError, match="nothing was said"):
        find_description_method("baez").build(replace(request, descriptions=tuple(said)))


def test_descriptions_of_any_number_and_length_make_a_short_prompt():
    said = [Described(f"0.{n}", "long " * 10**5, 1.0 + n) for n in range(100)]
    data = read_data(find_description_method("baez").build(ask(said, n_top=30)))
    assert len(data["descriptions"]) == MAX_DESCRIPTIONS
    assert {len(text) for text, _ in data["descriptions"].values()} == {MAX_CHARS}


@given(st.text())
def test_no_description_leaves_the_data(text: str):
    question = find_description_method("baez").build(ask([Described("0.0", text, 1.0)]))
    assert list(read_data(question)["descriptions"]) == ["0.0"]
    assert question.prompt.user.count(question.prompt.user.partition("\n")[0]) == 2


def test_another_description_or_activation_is_another_question_on_record():
    method = find_description_method("baez")
    requests = [
        ask(),
        ask((replace(SAID[0], text="otherwise"), *SAID[1:])),
        ask((replace(SAID[0], activation=7.0), *SAID[1:])),
        ask(SAID[1:]),
        ask(()),
    ]
    hashes = {frame_question(method, request).hash for request in requests}
    assert len(hashes) == len(requests)


def test_descriptions_change_nothing_of_what_other_methods_ask():
    for method in METHODS.values():
        assert method.build(ask()).prompt == method.build(ask(())).prompt


def test_the_task_says_that_the_other_model_errs():
    question = find_description_method("baez").build(ask())
    assert "makes mistakes" in question.prompt.system
    assert json.dumps(SAID[1].text) in question.prompt.user


@BOTH
def test_it_is_no_method_for_labels_and_those_are_none_for_texts(name: str):
    with pytest.raises(UsageError, match=r"no method 'baez.*Known methods: max-act-logits"):
        find_method(name)
    with pytest.raises(UsageError, match="Known methods: baez, baez_last"):
        find_description_method("max-act-logits")
