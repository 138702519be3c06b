import pytest
from pydantic import ValidationError

from clerp_circuit_tracer.collect.settings import CollectSettings


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"context": 10, "spacing": 12}, r"spacing must not be larger than context \+ 1"),
        ({"context": 7, "spacing": 8}, "distinct must not be larger than context"),
        ({"intervals": 20, "interval_examples": 100}, "2020 examples a feature"),
        ({"top": 5}, "Extra inputs"),
    ],
)
def test_settings_that_cannot_be_kept_are_refused(given: dict[str, int], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        CollectSettings.model_validate(given)


def test_a_window_has_as_many_tokens_on_either_side() -> None:
    assert CollectSettings(context=30).width == 61
