import re

import pytest

from clerp.review.snapshot import NodeView
from clerp.review.web.heat import draw_prompt


def test_positions_where_it_fires_are_marked_and_say_how():
    html = draw_prompt(("<bos>", " in", " Dallas"), [NodeView("n", 2, 3.0, 41.0, 0.008)])
    assert html == (
        '&lt;bos&gt; in<mark class="fires h5" title="token 2, activation 3, '
        '41 % of its range, 0.8 % of influence"> Dallas</mark>'
    )


@pytest.mark.parametrize("act_pct", [None, 0.0])
def test_a_node_is_marked_even_where_its_strength_is_unknown_or_least(act_pct: float | None):
    html = draw_prompt(("a",), [NodeView("n", 0, None, act_pct, None)])
    assert 'class="fires h1"' in html


def test_a_long_prompt_is_shown_around_where_the_feature_fires():
    tokens = tuple(f" w{i}" for i in range(200))
    html = draw_prompt(tokens, [NodeView("n", 100, 1.0, 50.0, None)])
    shown = re.findall(r" (w\d+)", html)
    assert shown == [f"w{i}" for i in range(80, 121)]
    assert re.findall(r'title="(\d+) tokens left out"', html) == ["80", "79"]


def test_a_node_outside_of_the_prompt_does_no_harm():
    assert draw_prompt((), [NodeView("n", 3, 1.0, 50.0, None)]) == ""
    assert draw_prompt(("a", "b"), [NodeView("n", 3, 1.0, 50.0, None)]) == "ab"


def test_a_long_prompt_without_a_node_begins_at_its_start():
    html = draw_prompt(tuple(f" w{i}" for i in range(50)), [])
    assert re.findall(r" (w\d+)", html) == [f"w{i}" for i in range(40)]
    assert 'title="10 tokens left out"' in html
