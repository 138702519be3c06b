from contextlib import suppress
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from clerp.errors import InputError
from clerp_nla.pair.checkpoint import load_model, load_tokenizer, read_config

from .negative import change_json
from .random_pairs import write_pair

MODULE = "raise SystemExit('ran')"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_pair(tmp_path).folder / "av"


def load(folder: Path):
    return load_model(folder, AutoModelForCausalLM, device="cpu", dtype=torch.float32)


def test_code_of_a_checkpoint_is_never_run(folder: Path) -> None:
    (folder / "modeling_own.py").write_text(MODULE)
    (folder / "tokenization_own.py").write_text(MODULE)
    own = {"AutoConfig": "modeling_own.Config", "AutoModelForCausalLM": "modeling_own.Model"}
    change_json(
        folder / "config.json", lambda config: config.update(model_type="own", auto_map=own)
    )
    change_json(
        folder / "tokenizer_config.json",
        lambda config: config.update(
            auto_map={"AutoTokenizer": [None, "tokenization_own.Own"]}, tokenizer_class="Own"
        ),
    )

    with pytest.raises(InputError, match="the model cannot be loaded"):
        load(folder)
    # Loaded without it or refused; its code would end the test run.
    with suppress(InputError):
        load_tokenizer(folder)


def test_pickles_beside_safetensors_are_not_read(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"no pickle")

    assert load(folder).config.num_hidden_layers == 4


def test_several_shards_are_one_model(folder: Path, tmp_path: Path) -> None:
    whole = load(folder)
    whole.save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    shards = list((tmp_path / "shards").glob("*.safetensors"))

    again = load(tmp_path / "shards").state_dict()

    assert len(shards) > 1
    assert all(torch.equal(again[name], value) for name, value in whole.state_dict().items())


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 64, b"[" * 5000])
def test_damaged_files_are_refused(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)

    with pytest.raises(InputError):
        load(folder)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": "1.0", "model": 3}'])
def test_a_damaged_tokenizer_is_refused(folder: Path, content: str) -> None:
    (folder / "tokenizer.json").write_text(content)

    with pytest.raises(InputError, match="the tokenizer cannot be loaded"):
        load_tokenizer(folder)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no config\.json"):
        load(tmp_path)
    with pytest.raises(InputError, match=r"no tokenizer_config\.json"):
        load_tokenizer(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="no weights"):
        load(tmp_path)


def test_weights_of_another_size_are_refused(folder: Path) -> None:
    change_json(folder / "config.json", lambda config: config.update(intermediate_size=50))

    with pytest.raises(InputError):
        load(folder)


def test_more_blocks_than_the_configuration_has_are_refused(folder: Path) -> None:
    change_json(folder / "config.json", lambda config: config.update(num_hidden_layers=3))

    with pytest.raises(InputError, match=r"beyond what the model has, model\.layers\.3\."):
        load(folder)


def test_a_tokenizer_that_a_newer_transformers_wrote_is_read(folder: Path) -> None:
    usual = load_tokenizer(folder)
    change_json(
        folder / "tokenizer_config.json",
        lambda config: config.update(
            tokenizer_class="TokenizersBackend", extra_special_tokens=["<turn>"]
        ),
    )

    newer = load_tokenizer(folder)

    assert newer.encode("<turn> heat") == usual.encode("<turn> heat")
    assert newer.bos_token == "<bos>"
    assert "<turn>" in newer.all_special_tokens


def test_nothing_is_written_to_the_terminal(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    load(folder)
    load_tokenizer(folder)

    assert capfd.readouterr() == ("", "")


def test_a_configuration_has_a_size(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b" " * (32 * 2**20 + 1))

    with pytest.raises(InputError, match="at most"):
        read_config(tmp_path)
