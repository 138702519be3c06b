"""Every way in which a pair is known to come broken has an error of its own."""

from pathlib import Path

import numpy as np
import pytest

from clerp.errors import InputError
from clerp.verbalizers import Sampling
from clerp_nla.pair.pair import Pair, open_pair

from .negative import DAMAGES, damage
from .random_pairs import D_MODEL, write_pair

REFUSED = {
    "cut-at-k": r"ar/config\.json: num_hidden_layers: 2; a critic of the output of block 2",
    "two-starts": r"av: the prompt begins with two start tokens \('<bos>'\)",
    "no-start": r"av: the prompt does not begin with the start token",
    "critic-two-starts": r"ar: the prompt begins with two start tokens",
    "critic-no-start": r"ar: the prompt does not begin with the start token",
    "missing-neighbor": r"av/nla_meta\.yaml: tokens\.injection_left_neighbor_id: \d+, and the",
    "missing-marker": r"av/nla_meta\.yaml: tokens\.injection_token_id: .* 0 times",
    "nan-head": r"value_head\.safetensors: the value head is damaged: .* is nan",
    "huge-head": r"value_head\.safetensors: the value head is damaged: .* is 1e\+38",
    "narrow-head": r"value_head\.safetensors: .* 32 x 32 alone",
    "swapped": r"av: role: this is a critic \(ar\), and an actor \(av\) is needed",
    "data-set-sidecar": r"av/nla_meta\.yaml: kind: it describes a data set",
    "no-scale": r"av/nla_meta\.yaml: extraction\.injection_scale: .*at which norm",
    "another-injection": r"injection_mode: 'norm_matched_add_after_block_1' is another way",
    "pickled": r"av: its weights are pickled \(pytorch_model\.bin\), which can run code: refused",
    "pickled-shard": r"index\.json: weight_map: 'w\.bin' is no safetensors file of this folder",
    "shard-outside": r"index\.json: weight_map: '\.\./outside/w\.safetensors' is no safetensors",
    "lost-shard": r"av: no model-00001-of-00001\.safetensors, which model\.safetensors\.index",
    "weights-elsewhere": r"av/config\.json: transformers_weights: 'w\.safetensors'",
    "foreign-attention": r"av/config\.json: _attn_implementation: 'evil/kernel' may be code",
    "foreign-experts": r"config\.json: _experts_implementation_internal: 'evil/x' may be code",
    "endless-model": r"av/config\.json: num_hidden_layers: 1000000000 is more than 512",
    "failing-chat": r"av: its chat template cannot be rendered: division by zero",
    "adapter": r"av: an adapter \(LoRA\), not a whole model",
    "quantised": r"av/config\.json: quantization_config",
    "lost-tensor": r"av: its weights lack model\.layers\.0\.mlp\.up_proj\.weight",
    "another-base": r"base_checkpoint: the actor says 'owner/another', the critic 'owner/base'",
}
# Of whole words, which a random byte-level vocabulary is not: see the tests of the tiny pair.
NEEDS_WORDS = {"unclosed-tag", "foreign-text"}
LOADS = {"wrong-layer", "wrong-scale", "list-of-special-tokens", "schema-1", "scale-by-name"}

VECTORS = np.random.default_rng(1).normal(size=(2, D_MODEL)).astype(np.float32)
SAMPLING = Sampling(0.0, 8)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pair(tmp_path_factory.mktemp("good") / "pair").folder


def use(pair: Pair) -> tuple[list[str], np.ndarray]:
    with pair.acting() as actor:
        said = [text.raw for text in actor.describe(VECTORS, SAMPLING)]
    with pair.criticizing() as critic:
        return said, critic.reconstruct(["heat"])


def test_every_damage_is_tried() -> None:
    assert set(DAMAGES) == {*REFUSED, *LOADS, *NEEDS_WORDS}
    assert len(set(REFUSED.values())) == len(REFUSED)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_broken_pair_is_refused_with_its_reason(name: str, good: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=REFUSED[name]):
        use(open_pair(str(damage(name, good, tmp_path / "pair"))))


@pytest.mark.parametrize("name", ["list-of-special-tokens", "schema-1"])
def test_an_unusual_pair_does_the_same(name: str, good: Path, tmp_path: Path) -> None:
    files = sorted(good.rglob("*"))

    said, vectors = use(open_pair(str(damage(name, good, tmp_path / "pair"))))

    usual = use(open_pair(str(good)))
    assert said == usual[0]
    np.testing.assert_array_equal(vectors, usual[1])
    assert sorted(good.rglob("*")) == files


def test_a_folder_is_left_as_it_was(good: Path, tmp_path: Path) -> None:
    folder = damage("list-of-special-tokens", good, tmp_path / "pair")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    use(open_pair(str(folder)))

    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_scale_may_be_a_name(good: Path, tmp_path: Path) -> None:
    pair = open_pair(str(damage("scale-by-name", good, tmp_path / "pair")))

    assert pair.actor_sidecar.injection_scale == pytest.approx(np.sqrt(D_MODEL))


@pytest.mark.parametrize(("name", "half"), [("wrong-scale", 0), ("wrong-layer", 1)])
def test_what_only_vectors_show_still_runs(
    name: str, half: int, good: Path, tmp_path: Path
) -> None:
    broken = use(open_pair(str(damage(name, good, tmp_path / "pair"))))
    usual = use(open_pair(str(good)))

    assert not np.array_equal(np.asarray(broken[half]), np.asarray(usual[half]))
    assert np.array_equal(np.asarray(broken[1 - half]), np.asarray(usual[1 - half]))
