import math
import re
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from clerp.report.html.heat import N_LEVELS, draw_row, find_level, find_strongest


@dataclass(frozen=True)
class Shown:
    id: str
    tokens: tuple[str, ...]
    activations: tuple[float, ...]
    peak: int


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
    row = draw_row(Shown("0.3", (" a", " <b>", " c"), (0.0, 2.0, 1.0), 1), 4.0)
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
    example = Shown("0.0", tuple(tokens), tuple(activations), peak)
    row = draw_row(example, find_strongest([example], 0.0))
    shown = re.sub(r"<[^>]*>", "", row.before + row.after)
    wanted = "".join(tokens).replace("\n", "⏎").replace("&", "&amp;").replace("<", "&lt;")
    assert shown == wanted


def test_colours_compare_across_examples_of_a_feature():
    strong = Shown("0.0", ("a",), (8.0,), 0)
    weak = Shown("1.0", ("a",), (2.0,), 0)
    strongest = find_strongest([strong, weak], 5.0)
    assert strongest == 8.0
    assert 'class="h11"' in draw_row(strong, strongest).after
    assert 'class="h3"' in draw_row(weak, strongest).after
    assert find_strongest([], 5.0) == 5.0


def test_an_example_that_does_not_fire_is_drawn_all_the_same():
    example = Shown("0.0", ("a", "b"), (0.0, 0.0), 0)
    assert draw_row(example, find_strongest([example], 0.0)).after.startswith('<mark class="h0"')
