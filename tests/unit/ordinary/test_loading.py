"""Files of ordinary text that are not what they should be, and those that ship."""

import hashlib
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import pytest
import zstandard
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.unit.ordinary.small_text import SpelledEmbedder, build_story

from clerp.embedding import WordLlamaEmbedder
from clerp.errors import EvidenceError, MissingEvidenceError
from clerp.ordinary import archive as archive_module
from clerp.ordinary import load_contexts, load_ordinary
from clerp.ordinary.counts import COUNTS_FILE, count_members, read_counts
from clerp.ordinary.means import name_means, read_means
from clerp.word_classes import CLASSES

_ROOT = Path(__file__).parents[3]
_DATA = _ROOT / "src/clerp/ordinary/data"
_README = _ROOT / "graphs/ordinary-text/README.md"
_CONTEXTS = name_means("spelled:tiny")

Tensors = dict[str, np.ndarray]
_safetensors = cast(Any, importlib.import_module("safetensors.numpy"))


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_story(tmp_path_factory.mktemp("story"))


def change(path: Path, edit: Callable[[Tensors], object]) -> None:
    """Edit the tensors of a file and pack it again, with checksums that fit."""
    tensors = _safetensors.load(zstandard.decompress(path.read_bytes()))
    edit(tensors)
    path.write_bytes(zstandard.compress(_safetensors.save(tensors)))


def set_header(tensors: Tensors, **values: object) -> None:
    header = json.loads(tensors["header"].tobytes()) | values
    tensors["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)


def set_words(tensors: Tensors, name: str, content: bytes) -> None:
    tensors[name] = np.frombuffer(content, dtype=np.uint8)


def unpacks_to(packed: bytes, content: bytes) -> bool:
    with suppress(zstandard.ZstdError):
        return zstandard.decompress(packed) == content
    return False


def copy_story(story: Path, folder: Path) -> Path:
    for path in story.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@given(st.data())
def test_any_damage_to_a_file_is_told(story: Path, tmp_path_factory, data: st.DataObject):
    name = data.draw(st.sampled_from([COUNTS_FILE, _CONTEXTS]))
    whole = (story / name).read_bytes()
    content = bytearray(whole)
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] ^= data.draw(st.integers(1, 255))
    # A few bits of the packing tell nothing.
    assume(not unpacks_to(bytes(content), zstandard.decompress(whole)))
    folder = tmp_path_factory.mktemp("damaged")
    (folder / name).write_bytes(content)

    with pytest.raises(EvidenceError, match=name):
        read_counts(folder) if name == COUNTS_FILE else read_means(folder / name)


@given(st.data())
def test_damage_that_was_packed_again_is_told_or_harmless(
    story: Path, tmp_path_factory, data: st.DataObject
):
    name = data.draw(st.sampled_from([COUNTS_FILE, _CONTEXTS]))
    content = bytearray(zstandard.decompress((story / name).read_bytes()))
    # Types and shapes stand first, the bytes of header and words last.
    for place in data.draw(st.lists(st.integers(-2000, 1000), min_size=1)):
        content[place] = data.draw(st.sampled_from(b'\0\xff"{}[],:0189aF-'))
    folder = tmp_path_factory.mktemp("repacked")
    (folder / name).write_bytes(zstandard.compress(bytes(content)))

    with suppress(EvidenceError):
        read_counts(folder) if name == COUNTS_FILE else read_means(folder / name)


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda t: t.pop("counts"), "no tensor 'counts'"),
        (lambda t: t.pop("header"), "broken header"),
        (lambda t: t.update(counts=t["counts"].astype(np.int64)), "'counts' is int64"),
        (lambda t: t.update(counts=t["counts"][:-1]), "'counts' is int32"),
        (lambda t: t.update(pairs=np.array(1, dtype=np.int32)), "no tensor 'pairs'"),
        (lambda t: t["counts"].__setitem__(0, 0), "a count below 1"),
        (lambda t: t["counts"].__setitem__(0, 10**9), "more words than there are"),
        (lambda t: t["pairs"].__setitem__((0, 1), 10**6), "a pair of unknown words"),
        (lambda t: t["pairs"].__setitem__((0, 0), -1), "a pair of unknown words"),
        (lambda t: t["pair_counts"].__setitem__(0, 10**6), "commoner than its words"),
        (lambda t: t["class_counts"].__setitem__(0, -1), "a class with more words"),
        (lambda t: t["class_follows"].__setitem__((0, 0), 10**6), "a class that follows"),
        (lambda t: set_words(t, "words", b"[1]"), "'words' is no list of words"),
        (lambda t: set_words(t, "words", b"\xff"), "'words' is no list of words"),
        (lambda t: set_words(t, "spellings", b'["a"]'), "words and spellings differ"),
        (lambda t: set_header(t, format="a photograph"), "is 'a photograph'"),
        (lambda t: set_header(t, version=2), "is version 2; clerp reads version 1"),
        (lambda t: set_header(t, n_words="many"), "broken header"),
        (lambda t: set_header(t, classes=["digits"]), "made for other classes"),
    ],
)
def test_counts_that_do_not_hold_together_are_told(
    story: Path, tmp_path: Path, edit: Callable[[Tensors], object], told: str
):
    folder = copy_story(story, tmp_path)
    change(folder / COUNTS_FILE, edit)

    with pytest.raises(EvidenceError, match=re.escape(told)) as fault:
        load_ordinary(folder)

    assert fault.value.where == COUNTS_FILE
    assert "clerp calibrate" in fault.value.remedy


def test_a_word_that_is_there_twice_is_told(story: Path, tmp_path: Path):
    def repeat(tensors: Tensors) -> None:
        words = json.loads(tensors["words"].tobytes())
        set_words(tensors, "words", msgspec.json.encode([words[0], *words[:-1]]))

    folder = copy_story(story, tmp_path)
    change(folder / COUNTS_FILE, repeat)

    with pytest.raises(EvidenceError, match="a word is there twice"):
        load_ordinary(folder)


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda t: t["matched"].__setitem__((0, 0, 0), np.nan), "'matched' holds what is not"),
        (lambda t: t["spread"].__setitem__(0, 0.0), "a spread that is not above 0"),
        (lambda t: t.update(general=t["general"][:2]), "'general' is float16"),
        (lambda t: t.pop("center"), "no tensor 'center'"),
        (lambda t: set_words(t, "probes", b"[]"), "'probe_vectors' is float32"),
    ],
)
def test_means_that_do_not_hold_together_are_told(
    story: Path, tmp_path: Path, edit: Callable[[Tensors], object], told: str
):
    folder = copy_story(story, tmp_path)
    change(folder / _CONTEXTS, edit)

    with pytest.raises(EvidenceError, match=re.escape(told)) as fault:
        load_contexts(SpelledEmbedder(), folder)

    assert fault.value.where == _CONTEXTS


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no zstd",
        zstandard.compress(b"no safetensors"),
        zstandard.compress(b""),
        zstandard.compress(b"a") + b"more",
        zstandard.ZstdCompressor(write_content_size=False).compress(b"of no known size"),
        zstandard.compress(
            b'\x3e\0\0\0\0\0\0\0{"header":{"dtype":"F7","shape":[],"data_off":[0,0]}}'
        ),
    ],
)
def test_what_is_no_such_file_is_told(tmp_path: Path, content: bytes):
    (tmp_path / COUNTS_FILE).write_bytes(content)

    with pytest.raises(EvidenceError, match=COUNTS_FILE):
        load_ordinary(tmp_path)


def test_a_file_that_unpacks_to_too_much_is_told(
    story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = copy_story(story, tmp_path)
    size = zstandard.frame_content_size((folder / COUNTS_FILE).read_bytes())
    monkeypatch.setattr(archive_module, "MAX_BYTES", size - 1)

    with pytest.raises(EvidenceError, match="or to more than"):
        load_ordinary(folder)


def test_a_file_that_is_too_large_is_told(
    story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = copy_story(story, tmp_path)
    monkeypatch.setattr(archive_module, "MAX_BYTES", 99)

    with pytest.raises(EvidenceError, match="more than 99 bytes"):
        load_ordinary(folder)


@pytest.mark.parametrize("name", ["", "missing"])
def test_a_place_without_ordinary_text_is_told(tmp_path: Path, name: str):
    with pytest.raises(MissingEvidenceError, match="no ordinary text in this folder"):
        load_ordinary(tmp_path / name)


def test_means_that_are_not_there_are_told(tmp_path: Path):
    with pytest.raises(MissingEvidenceError, match="there is no such file"):
        read_means(tmp_path / _CONTEXTS)


def test_the_files_that_ship_are_those_of_their_readme():
    table = re.findall(
        r"^\| `(\S+)` \| ([\d,]+) \| `([0-9a-f]{64})` \|$", _README.read_text(), re.M
    )

    shipped = {
        path.name: (f"{path.stat().st_size:,}", hashlib.sha256(path.read_bytes()).hexdigest())
        for path in _DATA.iterdir()
    }
    assert {name: (size, digest) for name, size, digest in table} == shipped
    assert load_ordinary().digest == shipped[COUNTS_FILE][1]


def test_the_readme_tells_what_the_sources_gave():
    text, readme = load_ordinary(), _README.read_text()

    for source in text.counts.sources:
        row = next(line for line in readme.splitlines() if line.startswith(f"| `{source.name}` "))
        assert f"| {source.n_words:,} | {source.n_documents:,} |" in row
        assert f"| {text.counts.licences[source.name]} |" in row
    n_words, n_pairs = len(text.indices), len(text.pairs)
    for number in (text.n_words, n_words, n_pairs):
        assert f"{number:,}" in readme


def test_the_text_that_ships_was_counted_with_the_classes_of_today():
    file = read_counts(_DATA)

    assert file.class_members == count_members(file.counts.spellings)


def test_the_text_that_ships_knows_english():
    text = load_ordinary()
    classes = {word_class.plural: word_class for word_class in CLASSES}

    assert text is load_ordinary()
    assert text.name == "ordinary"
    assert 0.02 < text.rate("the") < 0.06
    assert text.follow_rate("states", "united") > 0.7 > 100 * text.follow_rate("of", "united")
    assert text.precede_rate("united", "states") > 0.5
    assert text.class_rate(classes["numbers"], "chapter") > 2 * text.class_rate(classes["numbers"])


def test_the_contexts_that_ship_fit_wordllama():
    contexts = load_contexts(WordLlamaEmbedder())

    ship, harbour, loop = contexts.context_vectors(
        [["sailors", "aboard"], ["captain", "deck"], ["python", "iterator"]]
    )
    sea, module = contexts.mean_contexts(["whale", "module"], "both")
    assert ship @ harbour > ship @ loop
    assert ship @ sea > loop @ sea
    assert loop @ module > ship @ module


def test_the_package_is_imported_without_numpy():
    code = "import sys, clerp.ordinary.command as c; print('numpy' in sys.modules, c.__name__)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "clerp.ordinary.command"]


def test_the_package_has_what_it_lists_and_nothing_else():
    package = importlib.import_module("clerp.ordinary")

    assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'tea'"):
        _ = package.tea
