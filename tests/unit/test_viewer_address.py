import importlib.util
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.viewer_address import DEFAULT_BASE, write_address

HOSTILE = [
    "R&D",
    "#1 (x)",
    "1+1",
    "100%",
    "%41",
    "%2B",
    "a=b;c",
    '<b>"q"</b>',
    "it's",
    "😀 é ⏎ ,",
    "",
]
# JSON escapes what is below; no lone surrogate is ever read from a file.
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
IDS = st.builds("{}_{}_{}".format, st.integers(0, 99), st.integers(0, 10**8), st.integers(0, 500))
SUPERNODES = st.lists(st.builds(lambda n, ids: [n, *ids], NAMES, st.lists(IDS, max_size=4)))


def load_decoder() -> Callable[[str], Any]:
    """Load the reader that circuit-tracer ships, without all that its package imports."""
    package = importlib.util.find_spec("circuit_tracer")
    if package is None or not package.submodule_search_locations:
        pytest.skip("circuit-tracer is not installed")
    file = Path(package.submodule_search_locations[0]) / "utils" / "decode_url_features.py"
    spec = importlib.util.spec_from_file_location("decode_url_features", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.decode_url_features


def read_as_frontend(address: str) -> dict[str, str]:
    """Decode as `util.params.get` does: URLSearchParams, then decodeURIComponent."""
    pairs = parse_qsl(urlsplit(address).query, keep_blank_values=True, strict_parsing=True)
    return {key: unquote(value, errors="strict") for key, value in pairs}


@given(st.lists(IDS), SUPERNODES, NAMES)
def test_the_frontend_reads_every_name_back(
    pins: list[str], supernodes: list[list[str]], slug: str
) -> None:
    read = read_as_frontend(write_address(slug, pins, supernodes))
    assert (read["slug"], read["pinnedIds"]) == (slug, ",".join(pins))
    assert json.loads(read["supernodes"]) == supernodes


@given(st.lists(IDS), SUPERNODES)
def test_circuit_tracer_reads_every_name_back(pins: list[str], supernodes: list[list[str]]) -> None:
    unique = {name: ids for name, *ids in supernodes}
    address = write_address("g", pins, [[name, *ids] for name, ids in unique.items()])
    groups, singles = load_decoder()(address)
    assert groups == {name: [split(i) for i in ids] for name, ids in unique.items()}
    assert singles == [split(pin) for pin in pins]


def split(node_id: str) -> tuple[int, int, int]:
    layer, index, position = map(int, node_id.split("_"))
    return layer, position, index


@pytest.mark.parametrize("name", HOSTILE)
def test_no_character_of_a_name_is_raw_in_the_address(name: str) -> None:
    address = write_address("g", ["1_2_3"], [[name, "1_2_3"]])
    assert address.startswith(DEFAULT_BASE)
    query = urlsplit(address).query
    assert query.count("&") == 2
    assert (
        not set(query)
        - set("?&=%,-_.~")
        - set(map(chr, (*range(48, 58), *range(65, 91))))
        - {chr(c) for c in range(97, 123)}
    )


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_javascript_reads_every_name_back() -> None:
    address = write_address("R&D + 100%", ["1_2_3", "E_5_0"], [[n, "1_2_3"] for n in HOSTILE])
    program = (
        "const p = new URLSearchParams(new URL(process.argv[1]).search);"
        "const get = key => decodeURIComponent(p.get(key));"
        "console.log(JSON.stringify(['slug', 'pinnedIds', 'supernodes'].map(get)))"
    )
    run = subprocess.run(
        ["node", "-e", program, address], capture_output=True, text=True, check=True, timeout=60
    )
    slug, pins, supernodes = json.loads(run.stdout)
    assert (slug, pins) == ("R&D + 100%", "1_2_3,E_5_0")
    assert json.loads(supernodes) == [[name, "1_2_3"] for name in HOSTILE]


def test_two_hundred_pins_in_twenty_groups_stay_below_the_common_limit() -> None:
    pins = [f"25_{100_000 + number}_{number % 40}" for number in range(200)]
    groups = [[f"say the name {start}", *pins[start : start + 10]] for start in range(0, 200, 10)]
    assert len(write_address("a-graph", pins, groups)) < 8_192
