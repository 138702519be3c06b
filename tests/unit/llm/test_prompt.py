"""What a model is asked."""

import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from clerp.llm.answer import LabelAnswer
from clerp.llm.prompt import Prompt

PROMPT = Prompt("system", "user", LabelAnswer)


def test_the_hash_covers_all_that_is_sent():
    assert PROMPT.hash == Prompt("system", "user", LabelAnswer).hash
    others = [
        Prompt("systemu", "ser", LabelAnswer),
        Prompt("system", "another", LabelAnswer),
        PROMPT.with_complaint("too long"),
    ]
    assert len({PROMPT.hash, *(other.hash for other in others)}) == 4


@given(system=st.text(), user=st.text())
def test_the_hash_is_that_of_one_json_list(system: str, user: str):
    parts = [system, user, LabelAnswer.model_json_schema()]
    written = json.dumps(parts, sort_keys=True).encode()
    assert Prompt(system, user, LabelAnswer).hash == hashlib.sha256(written).hexdigest()


def test_a_complaint_is_added_to_the_question():
    assert PROMPT.with_complaint("too long").user.startswith("user\n\n")
    assert "too long" in PROMPT.with_complaint("too long").user


def test_a_schema_that_the_request_carries_is_not_in_the_text():
    assert PROMPT.write_messages("json_schema") == [
        {"role": "system", "content": "system"},
        {"role": "user", "content": "user"},
    ]


def test_a_schema_that_the_request_may_not_carry_is_in_the_text():
    for answer_format in ("json_object_schema", "json_object", "text"):
        user = PROMPT.write_messages(answer_format)[-1]["content"]
        assert user.startswith("user\n\n")
        # Some servers ask for that word wherever they promise JSON.
        assert "JSON" in user
        assert json.loads(user.splitlines()[-1]) == LabelAnswer.model_json_schema()
