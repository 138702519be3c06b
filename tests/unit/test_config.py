from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from pydantic import ValidationError

from clerp.config import (
    CONFIG_FILE,
    RECORD,
    RECORDED,
    GivenSettings,
    ModelPrice,
    ResolvedSettings,
    Settings,
    resolve_settings,
)
from clerp.errors import UsageError

# From the weakest to the strongest.
ORIGINS = ("default", CONFIG_FILE, "CLERP_LABELER", RECORD, "flag")
THIS_MACHINES = {
    "features",
    "ledger",
    "null",
    "nla_transcoders",
    "concurrency",
    "max_graph_bytes",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def resolve(folder: Path, **given: Any) -> ResolvedSettings:
    """Resolve without the environment and the folder of this process."""
    flags = given.pop("flags", {})
    return resolve_settings(flags, **{"environment": {}, "folder": folder, **given})


def say_labeler(folder: Path, origin: str) -> dict[str, dict[str, object]]:
    """Say in one place that the labeler has the place's own name."""
    match origin:
        case "default":
            return {}
        case "flag":
            return {"flags": {"labeler": origin}}
        case _ if origin == RECORD:
            return {"recorded": {"labeler": origin}}
        case _ if origin == CONFIG_FILE:
            (folder / CONFIG_FILE).write_text(f'labeler = "{origin}"\n')
            return {}
        case _:
            return {"environment": {origin: origin}}


def refuse(folder: Path, **given: Any) -> UsageError:
    with pytest.raises(UsageError) as raised:
        resolve(folder, **given)
    return raised.value


def list_types(hint: object) -> set[object]:
    return set(get_args(hint)) if type(None) in get_args(hint) else {hint, type(None)}


def test_what_may_be_given_are_the_settings_and_their_types():
    given, settings = get_type_hints(GivenSettings), get_type_hints(Settings)
    settings = {name: settings[name] for name in Settings.model_fields}
    assert list(given) == list(settings)
    for name, hint in settings.items():
        paths = (
            {Path} if name in ("features", "ledger", "null", "nla", "nla_transcoders") else set()
        )
        # A price is given as it stands in a file.
        written = Mapping[str, Mapping[str, float]] if name == "prices" else hint
        assert list_types(given[name]) == list_types(written) | paths, name


def test_what_a_graph_records_are_settings_and_nothing_of_this_machine():
    assert set(RECORDED) < set(Settings.model_fields)
    assert not THIS_MACHINES & set(RECORDED)


@pytest.mark.parametrize("origin", ORIGINS)
def test_every_place_alone_is_named_as_the_origin(folder: Path, origin: str):
    resolved = resolve(folder, **say_labeler(folder, origin))
    expected = "token-frequency" if origin == "default" else origin
    assert (resolved.settings.labeler, resolved.origins["labeler"]) == (expected, origin)
    others = {name: o for name, o in resolved.origins.items() if name != "labeler"}
    assert others == dict.fromkeys(others, "default")
    assert {*others, "labeler"} == set(Settings.model_fields)


@pytest.mark.parametrize(("weaker", "stronger"), list(combinations(ORIGINS, 2)))
def test_of_two_places_the_stronger_one_decides(folder: Path, weaker: str, stronger: str):
    resolved = resolve(folder, **say_labeler(folder, weaker), **say_labeler(folder, stronger))
    assert (resolved.settings.labeler, resolved.origins["labeler"]) == (stronger, stronger)


def test_places_are_merged_setting_by_setting(folder: Path):
    (folder / CONFIG_FILE).write_text("concurrency = 2\nllm = 'a/file'\n")
    resolved = resolve(
        folder,
        environment={"CLERP_LLM": "a/variable"},
        recorded={"windows": "input=0:0,output=1:1,cross=-4:4"},
        flags={"threshold": 2},
    )
    settings = resolved.settings
    assert (settings.concurrency, settings.llm, settings.threshold) == (2, "a/variable", 2.0)
    assert settings.windows == "input=0:0,output=1:1,cross=-4:4"
    given = {name: origin for name, origin in resolved.origins.items() if origin != "default"}
    assert given == {
        "concurrency": CONFIG_FILE,
        "llm": "CLERP_LLM",
        "windows": RECORD,
        "threshold": "flag",
    }


def test_none_as_a_flag_is_not_given(folder: Path):
    resolved = resolve(folder, environment={"CLERP_LLM": "m"}, flags={"llm": None, "rule": None})
    assert (resolved.settings.llm, resolved.origins["llm"]) == ("m", "CLERP_LLM")
    assert resolved.origins["rule"] == "default"


def test_a_graph_labelled_without_an_llm_is_not_explained_with_one(folder: Path):
    resolved = resolve(folder, environment={"CLERP_LLM": "m"}, recorded={"llm": None})
    assert (resolved.settings.llm, resolved.origins["llm"]) == (None, RECORD)


def test_only_what_decides_labels_is_taken_from_a_record(folder: Path):
    recorded = {"ledger": "theirs.db", "features": "/theirs", "embedder": "e", "later": 1}
    resolved = resolve(folder, recorded=recorded)
    assert resolved.settings == Settings()
    assert set(resolved.origins) == set(Settings.model_fields)


@pytest.mark.parametrize(
    ("rule", "threshold"), [(None, 0.35), ("protocol", 0.35), ("calibrated", None)]
)
def test_a_recorded_threshold_goes_with_the_recorded_rule_only(
    folder: Path, rule: str | None, threshold: float | None
):
    recorded = {"rule": "protocol", "alpha": None, "threshold": 0.35}
    resolved = resolve(folder, recorded=recorded, flags={"rule": rule})
    assert resolved.settings.threshold == threshold
    assert resolved.settings.rule == (rule or "protocol")
    assert (resolved.origins["threshold"] == RECORD) == (threshold is not None)


def test_variables_are_text_and_become_what_a_setting_is(folder: Path):
    environment = {
        "CLERP_THRESHOLD": "2.5",
        "CLERP_CONCURRENCY": "3",
        "CLERP_SHOW_HINTS": "true",
        "CLERP_MAX_GRAPH_BYTES": "10",
        "CLERP_TEST_DATA": "not a setting",
        "clerp_rule": "written otherwise",
    }
    settings = resolve(folder, environment=environment).settings
    assert (settings.threshold, settings.concurrency, settings.show_hints) == (2.5, 3, True)
    assert (settings.max_graph_bytes, settings.rule) == (10, "calibrated")


@pytest.mark.parametrize("name", ["features", "ledger"])
def test_a_path_is_taken_as_it_is_written(folder: Path, name: str):
    assert getattr(resolve(folder, flags={name: Path("a/b.db")}).settings, name) == str(
        Path("a/b.db")
    )


def test_without_further_word_it_is_the_environment_and_the_folder_of_the_process(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CLERP_LABELER", "of the environment")
    monkeypatch.delenv("CLERP_RULE", raising=False)
    (folder / CONFIG_FILE).write_text("rule = 'of the file'\n")
    resolved = resolve_settings({})
    assert resolved.settings.labeler == "of the environment"
    assert (resolved.settings.rule, resolved.origins["rule"]) == ("of the file", CONFIG_FILE)


def test_settings_stay_as_they_were_resolved():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().rule = "protocol"


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"flags": {"concurrency": 0}}, "--concurrency"),
        ({"environment": {"CLERP_CONCURRENCY": "0"}}, "CLERP_CONCURRENCY"),
        ({"flags": {"max_graph_bytes": 0}}, "--max-graph-bytes"),
        ({"environment": {"CLERP_MAX_GRAPH_BYTES": "0"}}, "CLERP_MAX_GRAPH_BYTES"),
    ],
)
def test_a_value_out_of_range_is_named_as_it_was_written(
    folder: Path, given: dict[str, object], where: str
):
    fault = refuse(folder, **given)
    assert fault.where == where
    assert fault.what == "input should be greater than or equal to 1"
    assert fault.remedy


def test_a_value_of_the_file_names_file_and_key(folder: Path):
    (folder / CONFIG_FILE).write_text("style = 'bold'\n")
    fault = refuse(folder)
    assert str(fault) == (
        "clerp.toml: style: input should be 'plain', 'bracket' or 'paren'. Correct it there"
    )


def test_a_value_of_a_graph_names_its_place_in_the_graph(folder: Path):
    fault = refuse(folder, recorded={"rule": 5}, environment={"CLERP_RULE": "protocol"})
    assert fault.where == "the graph's own record, metadata.clerp.configuration.rule"
    assert fault.what == "input should be a valid string"
    assert fault.remedy == "Label the graph again"


def test_a_strong_value_hides_the_fault_of_a_weak_one(folder: Path):
    (folder / CONFIG_FILE).write_text("concurrency = 0\n")
    assert resolve(folder, flags={"concurrency": 4}).settings.concurrency == 4


@pytest.mark.parametrize(
    ("content", "where"), [(None, ""), ("concurency = 1\n", CONFIG_FILE)], ids=["flag", "file"]
)
def test_what_is_no_setting_is_named_beside_those_that_are(
    folder: Path, content: str | None, where: str
):
    if content is not None:
        (folder / CONFIG_FILE).write_text(content)
    fault = refuse(folder, flags={} if content else {"concurency": 1})
    assert (fault.what, fault.where) == ("there is no setting 'concurency'", where)
    assert fault.remedy == f"Known: {', '.join(Settings.model_fields)}"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\xff", "cannot be read: 'utf-8' codec"),
        (b"rule = [", "not TOML: "),
        (b"rule = 1\nrule = 2", "not TOML: "),
        (b"rule = " + b"[" * 10_000, "not TOML: "),
    ],
    ids=["bytes", "open", "twice", "deep"],
)
def test_a_file_that_holds_no_settings_is_named(folder: Path, content: bytes, what: str):
    (folder / CONFIG_FILE).write_bytes(content)
    fault = refuse(folder)
    assert fault.where == str(folder / CONFIG_FILE)
    assert fault.what.startswith(what)
    assert fault.remedy


def test_a_folder_in_the_place_of_the_file_is_not_taken_for_none(folder: Path):
    (folder / CONFIG_FILE).mkdir()
    fault = refuse(folder)
    assert (fault.where, bool(fault.remedy)) == (str(folder / CONFIG_FILE), True)
    assert "cannot be read" in fault.what


def test_a_fault_does_not_repeat_what_may_be_a_secret(folder: Path):
    url = "postgresql://ada:s3cret@db.example/clerp"
    (folder / CONFIG_FILE).write_text(f"ledger = ['{url}']\n")
    assert "s3cret" not in str(refuse(folder))


def test_sets_of_ones_own_stand_in_the_file_and_their_faults_too(tmp_path: Path):
    file = tmp_path / CONFIG_FILE
    file.write_text('[transcoder_sets]\n"our-clt" = ["folder:/data"]\n')
    resolved = resolve_settings({}, environment={"CLERP_TRANSCODER_SETS": "x"}, folder=tmp_path)
    assert resolved.settings.transcoder_sets == {"our-clt": ["folder:/data"]}
    assert resolved.origins["transcoder_sets"] == CONFIG_FILE

    file.write_text('[transcoder_sets]\n"our-clt" = "folder:/data"\n')
    with pytest.raises(UsageError, match=r"transcoder_sets\.our-clt") as raised:
        resolve_settings({}, environment={}, folder=tmp_path)
    assert raised.value.where == CONFIG_FILE


def test_prices_stand_in_the_file_by_model(folder: Path):
    (folder / CONFIG_FILE).write_text(
        '[prices."http:my-model"]\ninput = 0.15\noutput = 0.60\n'
        '[prices."openai/gpt-4o-mini"]\ninput = 1\noutput = 2\n'
    )
    resolved = resolve(folder, environment={"CLERP_PRICES": "x"})
    assert resolved.settings.prices == {
        "http:my-model": ModelPrice(input=0.15, output=0.60),
        "openai/gpt-4o-mini": ModelPrice(input=1.0, output=2.0),
    }
    assert resolved.origins["prices"] == CONFIG_FILE


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("input = -1\noutput = 1", "prices.m.input"),
        ("input = 1", "prices.m.output"),
        ("input = 1\noutput = 1\ncached = 1", "prices.m.cached"),
        ("input = 'cheap'\noutput = 1", "prices.m.input"),
    ],
    ids=["negative", "missing", "unknown", "no number"],
)
def test_a_price_that_cannot_be_used_is_named(folder: Path, written: str, place: str):
    (folder / CONFIG_FILE).write_text(f"[prices.m]\n{written}\n")
    fault = refuse(folder)
    assert place in str(fault)
    assert fault.where == CONFIG_FILE


@pytest.mark.parametrize(
    ("flags", "flag"),
    [({"budget": -0.01}, "--budget"), ({"context": "all"}, "--context")],
)
def test_a_budget_or_context_that_cannot_be_is_refused(
    folder: Path, flags: dict[str, object], flag: str
):
    assert refuse(folder, flags=flags).where == flag


def test_a_command_may_call_a_flag_otherwise(folder: Path):
    spelled = {"nla_samples": "--samples"}
    assert refuse(folder, flags={"nla_samples": 0}, spelled=spelled).where == "--samples"
    assert refuse(folder, flags={"nla_examples": 0}, spelled=spelled).where == "--nla-examples"
    environment = {"CLERP_NLA_SAMPLES": "0"}
    fault = refuse(folder, environment=environment, spelled=spelled)
    assert fault.where == "CLERP_NLA_SAMPLES"
