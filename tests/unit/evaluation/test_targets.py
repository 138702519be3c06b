from tests.unit.evaluation.annotated import read_twice, settle

from clerp.evaluation.targets import list_firmest, list_targets


def test_settled_roles_are_one_target_with_artefacts_and_without() -> None:
    whole, without = list_targets(settle(["input", "artefact", "cross"]))
    assert (whole.name, whole.without_artefacts, whole.other) == ("truth", False, None)
    assert whole.roles == ("input", "artefact", "cross")
    assert (without.name, without.without_artefacts) == ("truth", True)
    assert without.roles == ("input", "cross")
    assert [feature.index for feature in without.features] == [0, 2]


def test_two_passes_are_a_target_each_and_one_where_they_agree() -> None:
    truth = read_twice([("input", "input"), ("input", "cross"), ("artefact", "obscure")])
    first, second, agreed, *without = list_targets(truth)
    assert (first.name, first.roles) == ("pass 1", ("input", "input", "artefact"))
    assert (second.name, second.roles) == ("pass 2", ("input", "cross", "obscure"))
    assert (first.other, second.other) == (second.roles, first.roles)
    assert (agreed.name, agreed.roles, agreed.other) == ("both passes", ("input",), None)
    assert [target.name for target in without] == ["pass 1", "pass 2", "both passes"]


def test_only_what_both_passes_call_an_artefact_is_left_out() -> None:
    truth = read_twice([("artefact", "artefact"), ("artefact", "input"), ("input", "input")])
    without = [target for target in list_targets(truth) if target.without_artefacts]
    assert [target.roles for target in without] == [
        ("artefact", "input"),
        ("input", "input"),
        ("input",),
    ]


def test_a_target_without_features_is_left_out() -> None:
    assert [t.without_artefacts for t in list_targets(settle(["artefact"]))] == [False]
    names = [target.name for target in list_targets(read_twice([("input", "cross")]))]
    assert names == ["pass 1", "pass 2"] * 2


def test_settings_are_chosen_by_what_is_firm() -> None:
    settled = list_firmest(settle(["artefact", "input"]))
    agreed = list_firmest(read_twice([("input", "input"), ("input", "cross")]))
    assert [(t.name, t.without_artefacts, len(t.roles)) for t in settled] == [
        ("truth", False, 2),
        ("truth", True, 1),
    ]
    assert [(t.name, t.without_artefacts) for t in agreed] == [
        ("both passes", False),
        ("both passes", True),
    ]


def test_nothing_is_firm_where_the_passes_never_agree() -> None:
    assert list_firmest(read_twice([("input", "cross")])) == []
