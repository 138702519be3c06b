import pytest

from clerp.errors import UsageError
from clerp.targets import find_target


@pytest.mark.parametrize("name", ["circuit-tracer", "neuronpedia", "table"])
def test_a_target_is_found_by_its_name(name: str):
    assert find_target(name).name == name


def test_the_model_of_neuronpedia_may_be_named():
    assert find_target("neuronpedia:qwen3-4b").name == "neuronpedia"


@pytest.mark.parametrize("name", ["", "x", "table:x", "circuit-tracer:", ":neuronpedia", "Table"])
def test_others_are_none_and_the_known_are_listed(name: str):
    with pytest.raises(UsageError, match="there is no target") as raised:
        find_target(name)
    assert raised.value.remedy == "Known: circuit-tracer, neuronpedia, table"
