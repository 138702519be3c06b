"""The names of NLAs, and what graphs claim."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.graph.conftest import build_graph

from clerp.config import Settings
from clerp.errors import NotAvailableError, PluginError, UsageError, VerbalizerError
from clerp.graph import read_graph
from clerp.nla import (
    claim_model,
    forget_place,
    name_verbalizer,
    open_verbalizer,
    tell_setting,
)
from clerp.origins.same_set import name_set
from clerp.plugins import VectorVerbalizer
from clerp.verbalizers import ModelClaim, Sampling
from clerp.verbalizers.features import Rerunning
from clerp.verbalizers.recording import Referenced

CLT = "mntss/clt-gemma-2-2b-2.5M"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("pairs/tiny", "nla:pairs/tiny"),
        ("org/nla-small", "nla:org/nla-small"),
        ("nla:org/nla-small", "nla:org/nla-small"),
        ("nla-server:http://127.0.0.1:5009", "nla-server:http://127.0.0.1:5009"),
        ("neuronpedia-nla:", "neuronpedia-nla:"),
        ("C:\\pairs", "nla:C:\\pairs"),
    ],
)
def test_what_names_no_verbalizer_is_the_place_of_a_pair(given: str, named: str):
    assert name_verbalizer(given) == named


def test_a_folder_whose_name_looks_like_a_verbalizer_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "own:pair").mkdir()
    monkeypatch.chdir(tmp_path)
    assert name_verbalizer("own:pair") == "nla:own:pair"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("/home/ada/pairs/tiny", "nla:tiny"),
        ("./pairs/tiny/", "nla:tiny"),
        ("~/pairs/tiny", "nla:tiny"),
        ("nla:../tiny", "nla:tiny"),
        ("org/nla-small", "nla:org/nla-small"),
        ("nla-server:http://ada:secret@10.0.0.1:5009/v1", "nla-server"),
        ("neuronpedia-nla:gemma-3-27b-it/kitft-l41", "neuronpedia-nla:gemma-3-27b-it/kitft-l41"),
        ("neuronpedia-nla:", "neuronpedia-nla"),
        ("nla:org/nla-small,/home/ada/model", "nla:org/nla-small"),
        ("nla:org/nla-small,device=cuda:1,dtype=bfloat16", "nla:org/nla-small"),
        ("recorded-nla:/home/ada/said.jsonl", "recorded-nla:said.jsonl"),
    ],
)
def test_a_record_tells_neither_path_nor_address(given: str, kept: str):
    assert forget_place(given) == kept


def test_a_folder_here_is_told_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "pairs" / "tiny").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert forget_place("pairs/tiny") == "nla:tiny"


def test_pairs_of_one_name_are_told_apart_by_folder_model_and_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    for folder in ("a/pair", "b/pair"):
        Path(folder).mkdir(parents=True)
    given = ("a/pair", "b/pair", "a/pair,model", "a/pair,dtype=float32", "a/pair,dtype=bfloat16")
    assert len({tell_setting(one) for one in given}) == len(given)
    # Where it runs makes no other answers, nor does how its folder is written.
    same = ("a/pair", "./a/pair", str(tmp_path / "a" / "pair"), "a/pair,,device=cuda:1")
    assert len({tell_setting(one) for one in same}) == 1


def test_an_nla_that_nobody_registers_is_named():
    with pytest.raises(PluginError, match="there is no verbalizer 'other'"):
        open_verbalizer(Settings(nla="other:thing"))


def test_no_nla_is_an_error_that_says_how_to_name_one():
    with pytest.raises(UsageError, match=r"no NLA is named.*--nla FOLDER"):
        open_verbalizer(Settings())


@pytest.mark.parametrize("fault", [NotAvailableError("no model"), VerbalizerError("hub is down")])
def test_an_nla_that_cannot_be_had_now_says_so_when_it_is_checked(
    fault: VerbalizerError, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: str) -> None:
        raise fault

    monkeypatch.setattr("clerp.nla.find", refuse)
    opened = open_verbalizer(Settings(nla="org/pair"))
    assert opened.name == "nla:org/pair"
    with pytest.raises(type(fault), match=fault.what):
        opened.check(ModelClaim("m", "t"))


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("org/pair", "nla:org/pair"),
        ("nla:org/pair,org/model,dtype=bfloat16", "nla:org/pair"),
        ("pairs/tiny", "nla:tiny"),
        (".,org/model", "nla:pairs"),
    ],
)
def test_offline_no_pair_is_opened(
    given: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What a folder is of may be on HuggingFace, too."""
    (tmp_path / "pairs" / "pairs" / "tiny").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "pairs")
    monkeypatch.setattr("clerp.nla.find", raise_if_called)
    opened = open_verbalizer(Settings(nla=given, offline=True))
    assert opened.name == name
    assert isinstance(opened, VectorVerbalizer)
    assert isinstance(opened, Referenced)
    assert isinstance(opened, Rerunning)
    with pytest.raises(NotAvailableError, match="Run without --offline"):
        opened.check(ModelClaim("m", "t"))


@pytest.mark.parametrize("method", ["extract", "describe", "compare", "describe_nothing"])
async def test_what_is_not_opened_says_nothing(method: str):
    opened: Any = open_verbalizer(Settings(nla="org/pair", offline=True))
    arguments = {
        "extract": ([],),
        "describe": (np.zeros((0, 2), np.float32), Sampling()),
        "compare": ([], np.zeros((0, 2), np.float32)),
        "describe_nothing": (Sampling(),),
    }
    with pytest.raises(NotAvailableError, match="not opened"):
        await getattr(opened, method)(*arguments[method])
    with pytest.raises(NotAvailableError, match="not opened"):
        opened.reference_vectors()
    with pytest.raises(NotAvailableError, match="not opened"):
        opened.open_features("org/set", [])


def raise_if_called(*_: str) -> None:
    raise AssertionError("it was opened")


def test_a_graph_claims_the_model_that_its_transcoders_are_of():
    document = build_graph()
    document["metadata"]["scan"] = f"{CLT}@abc"
    claim = claim_model(read_graph(document))
    assert claim == ModelClaim("gemma-2-2b", CLT, "abc", name_set(f"{CLT}@abc"))


def test_of_a_graph_that_does_not_tell_the_user_says_the_model():
    document = build_graph()
    document["metadata"]["scan"] = "org/own-transcoders@abc"
    graph = read_graph(document)
    assert claim_model(graph, "org/model") == ModelClaim(
        "org/model", "org/own-transcoders", "abc", name_set("org/own-transcoders@abc")
    )
    assert claim_model(graph).model == "org/own-transcoders"


def test_the_graphs_own_word_counts_more_than_the_users():
    document = build_graph()
    document["metadata"]["scan"] = CLT
    assert claim_model(read_graph(document), "org/model").model == "gemma-2-2b"
