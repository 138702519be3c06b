import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.review.snapshot import ExampleView, NodeView
from clerp.review.web.heat import (
    N_LEVELS,
    draw_prompt,
    draw_row,
    find_level,
    find_strongest,
)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_every_activation_has_a_level(share: float):
    level = find_level(share)
    assert 0 <= level < N_LEVELS
    assert (level == 0) == (math.isnan(share) or share <= 0)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_stronger_activation_is_never_paler(one: float, other: float):
    low, high = sorted((one, other))
    assert find_level(low) <= find_level(high)


def test_the_strongest_has_the_deepest_colour():
    assert find_level(1.0) == N_LEVELS - 1
    assert find_level(1e-9) == 1


def test_rows_are_cut_where_the_peak_begins():
    row = draw_row(ExampleView("0.3", 0, (" a", " <b>", " c"), (0.0, 2.0, 1.0), 1), 4.0)
    assert row.before == " a"
    assert row.after == (
        '<mark class="h6" title="2"> &lt;b&gt;</mark><span class="h3" title="1"> c</span>'
    )
    assert (row.id, row.activation) == ("0.3", 2.0)


@given(st.data())
def test_no_token_is_lost(data: st.DataObject):
    tokens = data.draw(st.lists(st.text("ab <&\n", max_size=4), min_size=1, max_size=12))
    activations = data.draw(st.lists(st.floats(0, 100), min_size=len(tokens), max_size=len(tokens)))
    peak = data.draw(st.integers(0, len(tokens) - 1))
    example = ExampleView("0.0", 0, tuple(tokens), tuple(activations), peak)
    row = draw_row(example, find_strongest([example], 0.0))
    shown = re.sub(r"<[^>]*>", "", row.before + row.after)
    wanted = "".join(tokens).replace("\n", "⏎").replace("&", "&amp;").replace("<", "&lt;")
    assert shown == wanted


def test_colours_compare_across_examples_of_a_feature():
    strong = ExampleView("0.0", 0, ("a",), (8.0,), 0)
    weak = ExampleView("1.0", 1, ("a",), (2.0,), 0)
    strongest = find_strongest([strong, weak], 5.0)
    assert strongest == 8.0
    assert 'class="h11"' in draw_row(strong, strongest).after
    assert 'class="h3"' in draw_row(weak, strongest).after
    assert find_strongest([], 5.0) == 5.0


def test_an_example_that_does_not_fire_is_drawn_all_the_same():
    example = ExampleView("0.0", 0, ("a", "b"), (0.0, 0.0), 0)
    assert draw_row(example, find_strongest([example], 0.0)).after.startswith('<mark class="h0"')


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
