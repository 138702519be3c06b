from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import InputError
from clerp_nla.pair.sidecar import SIDECAR, read_sidecar


def make(role: str = "av", **changes: Any) -> dict[str, Any]:
    return {
        "kind": "nla_model",
        "schema_version": 2,
        "role": role,
        "base_checkpoint": "owner/base",
        "d_model": 64,
        "extraction_layer_index": 5,
        "extraction": {"injection_scale": 150, "mse_scale": "sqrt_d_model"},
        "tokens": {
            "injection_char": "㈎",
            "injection_token_id": 9,
            "injection_left_neighbor_id": 8,
            "injection_right_neighbor_id": 7,
            "critic_suffix_ids": [1, 2],
        },
        "prompt_templates": {"av": "say {injection_char}", "ar": "read {explanation}"},
    } | changes


def write(folder: Path, content: object) -> Path:
    text = yaml.safe_dump(content, allow_unicode=True)
    (folder / SIDECAR).write_text(text, encoding="utf-8")
    return folder


def refuse(folder: Path, content: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_sidecar(write(folder, content))
    assert SIDECAR in str(caught.value)


def test_both_halves_are_read(tmp_path: Path) -> None:
    actor = read_sidecar(write(tmp_path, make()))
    critic = read_sidecar(write(tmp_path, make("ar", extraction={"injection_scale": None})))

    assert (actor.role, actor.d_model, actor.layer, actor.template) == (
        "av",
        64,
        5,
        "say {injection_char}",
    )
    assert actor.injection_scale == 150.0
    assert (actor.left_neighbor_id, actor.injection_token_id, actor.right_neighbor_id) == (8, 9, 7)
    assert actor.injection_mode == "replace_embedding"
    assert (critic.role, critic.injection_scale) == ("ar", None)
    assert (critic.template, critic.suffix_ids) == ("read {explanation}", (1, 2))


@pytest.mark.parametrize(
    ("role", "templates"),
    [
        ("actor", {"actor": "x {injection_char}"}),
        ("verbalizer", {"verbalizer": "x {injection_char}"}),
        ("critic", {"critic": "x {explanation}"}),
        ("reconstructor", {"reconstructor": "x {explanation}"}),
    ],
)
def test_older_names_mean_the_same(tmp_path: Path, role: str, templates: dict[str, str]) -> None:
    sidecar = read_sidecar(
        write(tmp_path, make(role, schema_version=1, prompt_templates=templates))
    )

    assert sidecar.role == ("av" if role in ("actor", "verbalizer") else "ar")
    assert sidecar.template == next(iter(templates.values()))


@pytest.mark.parametrize("section", ["ar", "critic"])
@pytest.mark.parametrize("key", ["extraction_layer_index", "num_hidden_layers"])
def test_the_layer_may_stand_with_the_critic(tmp_path: Path, section: str, key: str) -> None:
    content = make("ar", **{section: {key: 20}})
    del content["extraction_layer_index"]

    assert read_sidecar(write(tmp_path, content)).layer == 20


def test_an_actor_need_not_say_the_layer_and_a_critic_must(tmp_path: Path) -> None:
    content = make()
    del content["extraction_layer_index"]

    assert read_sidecar(write(tmp_path, content)).layer is None
    refuse(tmp_path, content | {"role": "ar"}, "extraction_layer_index")


def test_two_layers_are_refused(tmp_path: Path) -> None:
    refuse(tmp_path, make(ar={"num_hidden_layers": 6}), "several layers.* 5, .* 6")


@pytest.mark.parametrize(
    ("scale", "meaning"), [("sqrt_d_model", 8.0), ("80000", 8e4), (30.5, 30.5), (30, 30.0)]
)
def test_a_scale_is_a_number_or_a_name_for_one(
    tmp_path: Path, scale: object, meaning: float
) -> None:
    extraction = {"injection_scale": scale}

    assert read_sidecar(write(tmp_path, make(extraction=extraction))).injection_scale == meaning


@pytest.mark.parametrize("scale", ["big", 0, -1, float("nan"), float("inf"), "1e400"])
def test_a_scale_that_is_no_norm_is_refused(tmp_path: Path, scale: object) -> None:
    refuse(tmp_path, make(extraction={"injection_scale": scale}), "extraction.injection_scale")


@pytest.mark.parametrize("extraction", [{}, {"injection_scale": None}, {"injection_scale": "raw"}])
def test_an_actor_without_a_scale_is_refused(tmp_path: Path, extraction: dict[str, object]) -> None:
    refuse(tmp_path, make(extraction=extraction), "at which norm")


def test_the_sidecar_of_a_data_set_is_refused(tmp_path: Path) -> None:
    refuse(tmp_path, {"kind": "nla_dataset", "extraction": {"d_model": 64}}, "data set")


@pytest.mark.parametrize(
    "said",
    [
        {"injection_mode": "norm_matched_add"},
        {"injection_layer": 1},
        {"injection": {"mode": "add", "block": 1}},
        {"injection": "add"},
        {"tokens": make()["tokens"] | {"injection_mode": "add"}},
        {"extraction": {"injection_scale": 1, "injection_method": "steer"}},
        {"av": {"injection_mode": "norm_matched_add"}},
        {"training": {"steps": [1, {"injection_mode": "add"}]}},
        {"inject_mode": "add"},
        {"vector_injection": True},
        {"injection": ["add"]},
        {"injection": {"kind": "add", "at_block": 1}},
        {"injection": {"mode": "replace_embedding", "at_block": 1}},
        {"injection_mode": ["replace_embedding", "add"]},
        {"format": "nanoNLA"},
    ],
)
def test_other_ways_in_are_refused_by_name(tmp_path: Path, said: dict[str, Any]) -> None:
    refuse(tmp_path, make(**said), "another way of putting the vector in")


@pytest.mark.parametrize("mode", ["replace_embedding", None])
def test_the_way_in_may_be_said(tmp_path: Path, mode: str | None) -> None:
    said = make(injection_mode=mode, injection={"mode": "replace_embedding"})

    assert read_sidecar(write(tmp_path, said)).injection_mode == "replace_embedding"


def test_a_file_that_holds_itself_is_read_to_its_end(tmp_path: Path) -> None:
    write(tmp_path, make())
    with (tmp_path / SIDECAR).open("a", encoding="utf-8") as opened:
        opened.write("training: &own {steps: [*own, *own]}\n")

    assert read_sidecar(tmp_path).role == "av"


def test_a_way_in_that_is_said_elsewhere_and_named_is_refused(tmp_path: Path) -> None:
    write(tmp_path, make())
    with (tmp_path / SIDECAR).open("a", encoding="utf-8") as opened:
        opened.write("other: &way {at: 1}\ninjection: *way\n")

    with pytest.raises(InputError, match=r"injection\.at: '1' is another way"):
        read_sidecar(tmp_path)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"role": "teacher"}, "role"),
        ({"schema_version": 3}, "schema_version"),
        ({"d_model": 0}, "d_model"),
        ({"d_model": "wide"}, "d_model"),
        ({"base_checkpoint": ""}, "base_checkpoint"),
        ({"tokens": {}}, "tokens.injection_char"),
        ({"tokens": make()["tokens"] | {"injection_token_id": -1}}, "tokens.injection_token_id"),
        ({"prompt_templates": {}}, "prompt_templates.av"),
        ({"prompt_templates": {"av": "nothing"}}, "0 times"),
        ({"prompt_templates": {"av": "{injection_char}{injection_char}"}}, "2 times"),
        ({"extraction": None}, "extraction"),
    ],
)
def test_a_fault_names_its_key(tmp_path: Path, changes: dict[str, Any], key: str) -> None:
    refuse(tmp_path, make(**changes), key)


def test_no_sidecar_and_one_that_is_too_large(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no nla_meta\.yaml"):
        read_sidecar(tmp_path)
    (tmp_path / SIDECAR).write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(InputError, match="more than"):
        read_sidecar(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['true']",
        "[" * 5000,
        "when: 2026-99-99",
        "- a list",
        "a: b: c",
        "1: 2",
        "\x00",
    ],
)
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / SIDECAR).write_text(text)
    with pytest.raises(InputError):
        read_sidecar(tmp_path)


@given(raw=st.binary(max_size=200))
def test_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    folder = tmp_path_factory.mktemp("sidecar")
    (folder / SIDECAR).write_bytes(raw)
    with pytest.raises(InputError):
        read_sidecar(folder)


_VALUES = st.none() | st.integers() | st.floats() | st.text(max_size=5) | st.just({"mode": []})


@given(key=st.sampled_from(["extraction", "tokens", "prompt_templates", "role"]), value=_VALUES)
def test_a_needed_part_of_another_kind_is_refused(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: Any
) -> None:
    folder = write(tmp_path_factory.mktemp("sidecar"), make(**{key: value}))
    with pytest.raises(InputError, match=key):
        read_sidecar(folder)
