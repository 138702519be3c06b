"""Names of one transcoder set, of two, and names that tell nobody which set is meant."""

import pytest

from clerp.origins.same_set import compare_sets

GEMMA = "gemma-2-2b"


@pytest.mark.parametrize(
    ("graph", "given", "is_same"),
    [
        ("ada/clt", "ada/clt", True),
        ("ada/clt/small", "ada/clt//small", True),
        ("ada/clt@main", "ada/clt", True),
        ("ada/clt@1f", "ada/clt@1f", True),
        ("ada/clt", "ada/plt", False),
        ("ada/clt", "bob/clt", False),
        ("ada/clt/small", "ada/clt/large", False),
        ("mine", "mine", True),
        ("mine", "/home/ada/sets/mine", True),
        ("custom-00ff", "custom-00ff", True),
        # By the table of public sets.
        ("gemma", "mwhanna/gemma-scope-transcoders", True),
        ("mntss/gemma-scope-transcoders", "gemma", True),
        ("gemma-2-2b/clt-hp", "mntss/clt-gemma-2-2b-2.5M", True),
        ("gemma-2-2b/clt-hp", "mwhanna/gemma-scope-transcoders", False),
        ("gemma", "mntss/clt-gemma-2-2b-2.5M", False),
        ("mntss/clt-gemma-2-2b-2.5M", "ada/clt", False),
        # Nobody can say.
        ("", "ada/clt", None),
        ("ada/clt", "", None),
        ("mine", "ada/clt", None),
        ("ada/clt", "mine", None),
        ("ada/clt", "./sets/bobs/clt", None),
        ("mine", "hers", None),
        ("custom-00ff", "custom-11ee", None),
        ("ada/clt@1f", "ada/clt@2e", None),
        ("ada/clt", "ada/clt//small", None),
        ("gemma-2-2b/a-set-of-which-nobody-heard", "mntss/clt-gemma-2-2b-2.5M", None),
    ],
)
def test_sets_are_compared_by_what_their_names_mean(graph: str, given: str, is_same: bool | None):
    assert compare_sets(graph, given, model=GEMMA) is is_same
