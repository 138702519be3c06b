import re

import pytest

from clerp.origins.transcoder_sets import look_up, look_up_old_scan, read_table

SOURCE = re.compile(r"huggingface:[\w.-]+(/[\w.-]+)+(@[\w.-]+)?|neuronpedia:[\w.-]+/[\w.-]+")


def test_every_entry_gives_sources_that_can_be_asked():
    names = [name for entry in read_table() for name in entry.names]
    assert len(names) >= 15
    for name in names:
        for source in look_up(name, "@abc123"):
            assert SOURCE.fullmatch(source), source
            # A commit of one repository is none of another.
            assert "@" not in source or source == f"huggingface:{name}@abc123"


def test_no_name_stands_for_two_sets():
    for field in ("names", "scans_0"):
        names = [name for entry in read_table() for name in getattr(entry, field)]
        assert len(names) == len(set(names))


def test_only_old_scans_name_a_set_by_its_model():
    assert look_up("gemma-2-2b") == []
    assert look_up_old_scan("gemma-2-2b") == look_up("gemma")
    assert look_up_old_scan("gemma") == []


def test_the_revision_of_the_graph_goes_to_the_repository_and_not_to_neuronpedia():
    assert look_up("mntss/clt-gemma-2-2b-2.5M", "@v2") == [
        "huggingface:mntss/clt-gemma-2-2b-2.5M@v2",
        "neuronpedia:gemma-2-2b/clt-hp",
    ]


@pytest.mark.parametrize("alias", ["gemma", "mwhanna/gemma-scope-transcoders"])
def test_names_of_one_set_lead_to_the_same_places(alias: str):
    assert look_up(alias) == look_up("mntss/gemma-scope-transcoders")


def test_an_unknown_name_leads_nowhere():
    assert look_up("owner/unknown") == []
    assert look_up("") == []
