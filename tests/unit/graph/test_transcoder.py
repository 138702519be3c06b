import pytest

from clerp.graph.shape import FeatureDetailsShape, InfoShape, MetadataShape
from clerp.graph.transcoder import identify_transcoders


@pytest.mark.parametrize(
    ("scan", "name", "revision", "is_local"),
    [
        ("owner/repo", "owner/repo", None, False),
        ("owner/repo//sub/folder@v1", "owner/repo/sub/folder", "v1", False),
        ("gemma-2-2b", "gemma-2-2b", None, False),
        ("", "", None, True),
        (None, "", None, True),
        ("/home/someone/clt", "clt", None, True),
        ("./clt", "clt", None, True),
        ("~/clt", "clt", None, True),
        (r"C:\Users\someone\clt", "clt", None, True),
    ],
)
def test_scan_names_the_set(scan, name, revision, is_local):
    identity = identify_transcoders(MetadataShape(scan=scan))
    assert (identity.name, identity.revision, identity.is_local) == (name, revision, is_local)


def test_a_list_is_named_by_its_members_and_not_by_a_hash_that_changes():
    first, second, other = (
        identify_transcoders(MetadataShape(scan=f"custom-{seed}", transcoder_list=members))
        for seed, members in [(1, ("a", "b")), (2, ("a", "b")), (1, ("a", "c"))]
    )
    assert first == second != other
    assert first.is_local


def test_a_custom_scan_without_a_list_is_local():
    assert identify_transcoders(MetadataShape(scan="custom-123")).is_local


def test_the_most_specific_name_wins():
    info = InfoShape(transcoder_set="owner/repo", neuronpedia_source_set="clt-hp")
    details = FeatureDetailsShape(neuronpedia_source_set="transcoder-hp")
    model = "gemma-2-2b"
    assert identify_transcoders(MetadataShape(scan=model, info=info)).name == "owner/repo"
    assert (
        identify_transcoders(MetadataShape(scan=model, info=info, feature_details=details)).name
        == "gemma-2-2b/transcoder-hp"
    )
    only_set = InfoShape(neuronpedia_source_set="clt-hp")
    assert identify_transcoders(MetadataShape(scan=model, info=only_set)).name == (
        "gemma-2-2b/clt-hp"
    )
