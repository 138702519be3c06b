import pytest
import transformers

from clerp.errors import InputError
from clerp_nla.subject.anatomy import read_anatomy

from .subject_models import ARCHITECTURES, D_MODEL, N_LAYERS, make_model


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_blocks_and_sizes_are_found_without_weights(architecture: str) -> None:
    model = make_model(architecture)

    found = read_anatomy(model.config, "here")

    assert (found.n_layers, found.d_model, found.longest) == (N_LAYERS, D_MODEL, 128)
    assert found.architecture == type(model).__name__
    assert len(found.find_blocks(model)) == N_LAYERS
    assert not hasattr(found.find_body(model), "lm_head")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_norm_after_the_mlp_is_seen_where_there_is_one(architecture: str) -> None:
    found = read_anatomy(make_model(architecture).config, "here")

    assert found.mlp_is_normed is architecture.startswith("gemma")


def test_gemma_3_with_pictures_keeps_its_blocks_elsewhere() -> None:
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "head_dim": 16}
    pictures = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = transformers.Gemma3Config(
        text_config=sizes | {"vocab_size": 300, "intermediate_size": 48},
        vision_config=pictures | {"intermediate_size": 16},
    )

    found = read_anatomy(config, "here")

    assert found.blocks == "model.language_model.layers"
    assert (found.n_layers, found.d_model, found.mlp_is_normed) == (3, 32, True)


def test_blocks_at_an_unknown_place_are_refused() -> None:
    config = transformers.OPTConfig(
        hidden_size=32, ffn_dim=32, num_hidden_layers=2, num_attention_heads=2, vocab_size=50
    )

    with pytest.raises(InputError, match="OPTForCausalLM are at no place that clerp knows") as told:
        read_anatomy(config, "my-model")
    assert told.value.where == "my-model"


def test_what_is_no_causal_language_model_is_refused() -> None:
    with pytest.raises(InputError, match="no causal language model"):
        read_anatomy(transformers.CLIPVisionConfig(), "here")
