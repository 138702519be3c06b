import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import ClerpError, EvidenceError, UsageError
from clerp.evaluation import read_truth, select_part
from clerp.evaluation.truth import MAX_FEATURES
from clerp.feature import FeatureId

SETTLED = {"layer": 0, "index": 113, "role": "input", "labels": ["one", "two"]}
PASS = {"role": "input", "runner_up": "cross", "sure": True, "fits": 18, "label": "the"}
TWICE = {
    "layer": 0,
    "index": 113,
    "part": "work",
    "passes": [PASS, {**PASS, "role": "cross", "runner_up": None}],
}


def write(folder: Path, *lines: object) -> Path:
    path = folder / "roles.jsonl"
    path.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines))
    return path


def test_a_settled_role_is_read(tmp_path: Path) -> None:
    (annotated,) = read_truth(write(tmp_path, SETTLED, ""))
    assert annotated.feature == FeatureId(0, 113)
    assert annotated.roles == ("input",)


def test_two_passes_are_read(tmp_path: Path) -> None:
    (annotated,) = read_truth(write(tmp_path, "", TWICE))
    assert annotated.roles == ("input", "cross")
    assert annotated.part == "work"


def without(line: dict[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in line.items() if k != key}


MALFORMED = {
    "cut short": ('{"layer": 0', "JSON"),
    "no object": ("[]", "object"),
    "no role": (without(SETTLED, "role"), "either a role"),
    "role and passes": ({**TWICE, "role": "input"}, "either a role"),
    "labels beside passes": ({**TWICE, "labels": ["a"]}, "either a role"),
    "unknown role": ({**SETTLED, "role": "inputs"}, "role"),
    "unknown key": ({**SETTLED, "rôle": "input"}, "rôle"),
    "unknown key of a pass": ({**TWICE, "passes": [PASS, {**PASS, "x": 1}]}, "passes.1.x"),
    "one pass": ({**TWICE, "passes": [PASS]}, "passes.1"),
    "three passes": ({**TWICE, "passes": [PASS] * 3}, "passes"),
    "a pass that is not sure of being sure": (
        {**TWICE, "passes": [PASS, {**PASS, "sure": "yes"}]},
        "passes.1.sure",
    ),
    "negative layer": ({**SETTLED, "layer": -1}, "layer"),
    "a layer in words": ({**SETTLED, "layer": "0"}, "layer"),
    "no index": (without(SETTLED, "index"), "index"),
    "unknown part": ({**TWICE, "part": "all"}, "part"),
}


@pytest.mark.parametrize(("line", "named"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_line_is_refused_with_its_number(
    tmp_path: Path, line: object, named: str
) -> None:
    path = write(tmp_path, "", line)
    with pytest.raises(EvidenceError) as caught:
        read_truth(path)
    assert caught.value.where == f"{path}, line 2"
    assert named in caught.value.what
    assert caught.value.remedy.startswith("Write one object a line")


def test_a_feature_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, SETTLED, {**SETTLED, "index": 5}, {**SETTLED, "role": "cross"})
    with pytest.raises(EvidenceError, match="0_113 has a role already, in line 1") as caught:
        read_truth(path)
    assert caught.value.where == f"{path}, line 3"


def test_the_two_forms_do_not_mix(tmp_path: Path) -> None:
    path = write(tmp_path, SETTLED, {**TWICE, "index": 5})
    with pytest.raises(EvidenceError, match="others two passes") as caught:
        read_truth(path)
    assert caught.value.where == f"{path}, line 2"


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_file_without_roles_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(EvidenceError, match="holds no role"):
        read_truth(write(tmp_path, content))


def test_more_features_than_can_be_resampled_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="more than 10,000"):
        read_truth(write(tmp_path, *["{}"] * (MAX_FEATURES + 1)))


@pytest.mark.parametrize("name", ["nosuch.jsonl", "."])
def test_a_file_that_cannot_be_read_is_bad_usage(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be read") as caught:
        read_truth(tmp_path / name)
    assert caught.value.where == str(tmp_path / name)
    assert "--truth" in caught.value.remedy


@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: Any, content: bytes) -> None:
    path = tmp_path_factory.mktemp("truth") / "roles.jsonl"
    path.write_bytes(content)
    with pytest.raises(ClerpError):
        read_truth(path)


def test_a_part_is_chosen(tmp_path: Path) -> None:
    path = write(tmp_path, TWICE, {**TWICE, "index": 5, "part": "test"})
    truth = read_truth(path)
    assert [t.index for t in select_part(truth, "work", path)] == [113]
    assert [t.index for t in select_part(truth, "test", path)] == [5]
    assert select_part(truth, "all", path) == truth


def test_a_part_of_what_has_none_is_bad_usage(tmp_path: Path) -> None:
    path = write(tmp_path, TWICE, {**without(TWICE, "part"), "index": 5})
    truth = read_truth(path)
    with pytest.raises(UsageError, match="not every feature says") as caught:
        select_part(truth, "test", path)
    assert caught.value.where == str(path)
    assert select_part(truth, "all", path) == truth


def test_a_part_without_features_is_bad_usage(tmp_path: Path) -> None:
    path = write(tmp_path, TWICE)
    with pytest.raises(UsageError, match="no feature belongs to the part 'test'"):
        select_part(read_truth(path), "test", path)
