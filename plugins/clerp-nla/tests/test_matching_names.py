import pytest

from clerp_nla.matching.names import is_same_model

SAME = [
    ("google/gemma-2-2b", "gemma-2-2b"),
    ("google/gemma-3-27b-it", "gemma-3-27b-it"),
    ("meta-llama/Llama-3.3-70B-Instruct", "llama3.3-70b-it"),
    ("meta-llama/Meta-Llama-3.1-8B", "Llama-3.1-8B"),
    ("Qwen/Qwen2.5-1.5B-Instruct", "qwen2.5-1.5b-it"),
    ("google/gemma-3-1b-pt", "gemma-3-1b"),
    ("openai-community/gpt2", "gpt-2"),
    ("/data/models/Qwen2.5-7B-Instruct/", "Qwen/Qwen2.5-7B-Instruct"),
    ("tiny", "tiny"),
]
OTHERS = [
    ("gemma-2-2b", "gemma-2-2b-it"),
    ("gemma-2-2b", "gemma-22b"),
    ("gemma-2-2b", "gemma-2-9b"),
    ("gemma-2-2b", "gemma-3-2b"),
    ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B-Base"),
    ("Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-1.5B-Instruct"),
    ("google/gemma-2-2b", "unsloth/gemma-2-2b"),
    ("llama-3.1-8b", "llama-3-1.8b"),
    ("", ""),
    ("", "gemma-2-2b"),
    ("pt", "pt"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_of_one_model_are_one(one: str, other: str) -> None:
    assert is_same_model(one, other)
    assert is_same_model(other, one)


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_other_models_are_others(one: str, other: str) -> None:
    assert not is_same_model(one, other)
    assert not is_same_model(other, one)
