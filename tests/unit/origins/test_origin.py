import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.graph import MetadataShape, read_graph
from clerp.origins import Origin, list_origins
from clerp.plugins import find as find_plugin

CLT = "mntss/clt-gemma-2-2b-2.5M"


def find(metadata: dict[str, Any], own: dict[str, list[str]] | None = None) -> list[str]:
    shape = msgspec.convert(metadata, MetadataShape)
    return [origin.source for origin in list_origins(shape, own or {})]


@pytest.mark.parametrize(
    ("metadata", "sources"),
    [
        ({}, []),
        ({"scan": ""}, []),
        ({"scan": CLT}, [f"huggingface:{CLT}", "neuronpedia:gemma-2-2b/clt-hp"]),
        ({"scan": f"{CLT}@main"}, [f"huggingface:{CLT}@main", "neuronpedia:gemma-2-2b/clt-hp"]),
        ({"scan": "owner/own-clt"}, ["huggingface:owner/own-clt"]),
        ({"scan": "owner/repo//a/b@v1"}, ["huggingface:owner/repo/a/b@v1"]),
        ({"scan": "custom-12345"}, []),
        ({"scan": "gemma-2-2b", "schema_version": 1}, []),
        (
            {"scan": "gemma-2-2b"},
            [
                "huggingface:mwhanna/gemma-scope-transcoders",
                "neuronpedia:gemma-2-2b/gemmascope-transcoder-16k",
            ],
        ),
        ({"scan": "/home/me/transcoders"}, []),
        ({"scan": "./transcoders"}, []),
        ({"scan": "~/transcoders"}, []),
        ({"scan": "../up/there"}, []),
        ({"scan": "own model"}, []),
        (
            {"scan": "custom-1", "transcoder_list": ["o/a@v1", "o/b//sub"]},
            ["huggingface:o/a@v1,o/b/sub"],
        ),
        ({"scan": "custom-1", "transcoder_list": ["o/a", "/local/b"]}, []),
        (
            {"scan": "qwen3-1.7b", "feature_details": {"neuronpedia_source_set": "cro"}},
            ["neuronpedia:qwen3-1.7b/cro"],
        ),
        (
            {
                "scan": "qwen3-1.7b",
                "feature_details": {
                    "neuronpedia_source_set": "cro",
                    "neuronpedia_lorsa_source_set": "lor",
                },
            },
            ["neuronpedia:qwen3-1.7b/cro+lor"],
        ),
        ({"scan": "m", "info": {"neuronpedia_source_set": "m2/set"}}, ["neuronpedia:m2/set"]),
        ({"scan": "m", "info": {"neuronpedia_source_set": "a b"}}, []),
        (
            {"scan": CLT, "info": {"neuronpedia_source_set": "clt-hp"}},
            [f"huggingface:{CLT}", "neuronpedia:gemma-2-2b/clt-hp"],
        ),
        (
            {
                "scan": "m",
                "feature_details": {
                    "neuronpedia_source_set": "x/y",
                    "neuronpedia_lorsa_source_set": "x/z",
                },
            },
            ["neuronpedia:x/y+z"],
        ),
        ({"scan": "a/b@"}, ["huggingface:a/b"]),
        ({"scan": "a/b@x y"}, []),
        ({"scan": f"{CLT}@../x"}, []),
        ({"scan": "custom-1", "transcoder_list": ["a/b@x y", "a/c"]}, []),
        ({"scan": "custom-1", "transcoder_list": ["a/b"] * 1001}, []),
        (
            {"scan": "m", "info": {"source_urls": ["https://neuronpedia.org/m/set", "nowhere", 3]}},
            ["neuronpedia:m/set"],
        ),
        ({"scan": "m", "info": {"source_urls": {"not": "a list"}}}, []),
        ({"scan": "m", "info": {"source_urls": ["https://evil.example/m/set"]}}, []),
    ],
)
def test_the_metadata_names_the_places(metadata: dict[str, Any], sources: list[str]):
    assert find(metadata) == sources


def test_what_names_the_set_most_exactly_comes_first_and_each_place_once():
    metadata = {
        "scan": "gemma",
        "feature_details": {"neuronpedia_source_set": "a"},
        "info": {
            "neuronpedia_source_set": "b",
            "transcoder_set": CLT,
            "source_urls": [
                "https://www.neuronpedia.org/gemma-2-2b/clt-hp",
                "https://www.neuronpedia.org/gemma-2-2b/c",
            ],
        },
        "transcoder_list": ["o/x", "o/y"],
    }
    assert find(metadata) == [
        "neuronpedia:gemma/a",
        "neuronpedia:gemma/b",
        f"huggingface:{CLT}",
        "neuronpedia:gemma-2-2b/clt-hp",
        "neuronpedia:gemma-2-2b/c",
        "huggingface:mwhanna/gemma-scope-transcoders",
        "neuronpedia:gemma-2-2b/gemmascope-transcoder-16k",
        "huggingface:o/x,o/y",
    ]


def test_each_place_says_what_led_there():
    shape = msgspec.convert({"scan": CLT, "info": {"transcoder_set": "llama"}}, MetadataShape)
    assert list_origins(shape, {})[:2] == (
        Origin(
            "huggingface:mntss/transcoder-Llama-3.2-1B", "metadata.info.transcoder_set is llama"
        ),
        Origin(f"huggingface:{CLT}", f"metadata.scan is {CLT}"),
    )


def test_sets_of_ones_own_come_before_those_of_the_table():
    own = {CLT: ["folder:/data/clt"], "inhouse": ["folder:/data/inhouse"]}
    assert find({"scan": CLT}, own) == ["folder:/data/clt"]
    assert find({"scan": "inhouse@v3"}, own) == ["folder:/data/inhouse"]
    own = {"our/repo/sub": ["folder:/data/sub"]}
    assert find({"scan": "our/repo//sub@v3"}, own) == ["folder:/data/sub"]


def test_what_led_there_is_said_in_few_words():
    metadata = {"transcoder_list": [f"owner/transcoders-of-layer-{n}" for n in range(26)]}
    (origin,) = list_origins(msgspec.convert(metadata, MetadataShape), {})
    assert len(origin.because) < 120
    (origin,) = list_origins(msgspec.convert({"scan": f"o/{'x' * 999}"}, MetadataShape), {})
    assert len(origin.because) < 120


@given(
    st.dictionaries(
        st.sampled_from(["scan"]), st.text(max_size=40) | st.from_regex(r"[\w./@-]{1,30}")
    ),
    st.lists(st.text(max_size=30) | st.from_regex(r"[\w./@-]{1,30}"), max_size=3),
    st.lists(st.text(max_size=30) | st.none() | st.integers(), max_size=3),
)
def test_no_metadata_makes_it_fail_or_name_anything_but_a_source(
    metadata: dict[str, Any], transcoders: list[str], addresses: list[object]
):
    pytest.importorskip("clerp_circuit_tracer")
    pytest.importorskip("clerp_neuronpedia")
    scan = metadata.get("scan")
    info = {"source_urls": addresses, "neuronpedia_source_set": scan, "transcoder_set": scan}
    metadata |= {"transcoder_list": transcoders, "info": info}
    for source in find(metadata):
        assert find_plugin("sources", source).name.startswith(("huggingface:", "neuronpedia:"))


@pytest.mark.skipif(not os.environ.get("CLERP_TEST_DATA"), reason="CLERP_TEST_DATA is not set")
@pytest.mark.parametrize(
    ("graph", "sources"),
    [
        (
            "gemma-2-2b-clt-ice",
            ["huggingface:mntss/clt-gemma-2-2b-2.5M", "neuronpedia:gemma-2-2b/clt-hp"],
        ),
        (
            "gemma-2-2b-clt-meow",
            ["neuronpedia:gemma-2-2b/clt-hp", "huggingface:mntss/clt-gemma-2-2b-2.5M"],
        ),
        (
            "gemma-2-2b-plt-dollar",
            [
                "neuronpedia:gemma-2-2b/gemmascope-transcoder-16k",
                "huggingface:mwhanna/gemma-scope-transcoders",
            ],
        ),
        ("llama-3.2-1b-clt-dallas", ["huggingface:mntss/clt-llama-3.2-1b-524k"]),
        ("haiku-capital-state-dallas", []),
    ],
)
def test_real_graphs_lead_to_their_own_transcoders_and_to_no_other(graph: str, sources: list[str]):
    path = Path(os.environ["CLERP_TEST_DATA"]) / "real-graphs" / f"{graph}.json"
    origins = list_origins(read_graph(path).metadata, {})
    assert [origin.source for origin in origins] == sources
