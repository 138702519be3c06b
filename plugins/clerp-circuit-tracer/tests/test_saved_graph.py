import io
import os
import pickle
import struct
import subprocess
import sys
import types
import zipfile
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from circuit_tracer import Graph
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.traced_graphs import change, trace_graph, write_json
from torch.torch_version import TorchVersion

from clerp.errors import GraphError, UsageError
from clerp.graph import read_graph
from clerp.testing import check_registered
from clerp_circuit_tracer.graph import archive
from clerp_circuit_tracer.graph.contents import GraphContents
from clerp_circuit_tracer.graph.saved import SavedGraphReader, load_contents

Archive = dict[str, bytes]


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return trace_graph(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def saved(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "tiny.pt"
    graph.to_pt(str(path))
    return path


@pytest.fixture
def fields(graph: Graph) -> dict[str, Any]:
    """What to_pt saves."""
    return {key: value for key, value in vars(graph).items() if key != "n_pos"}


def test_it_keeps_the_contract(saved: Path, tmp_path: Path) -> None:
    empty = save({}, tmp_path / "empty.pt")

    check_registered("readers", ".pt", source=saved, unreadable=empty)


def test_it_is_what_circuit_tracer_writes_under_the_stem(
    graph: Graph, saved: Path, tmp_path: Path
) -> None:
    assert SavedGraphReader("").read(saved) == write_json(graph, tmp_path, "tiny")


def test_clerp_reads_the_file(saved: Path) -> None:
    read = read_graph(saved)

    assert (read.name, read.slug) == ("tiny", "tiny")
    assert len(read.feature_nodes) > 10
    assert str(saved.parent) not in str(read.document)


@pytest.mark.parametrize("legacy", ["logit_tokens", "logit_targets"])
def test_targets_that_are_ids_only_are_decoded(
    graph: Graph, fields: dict[str, Any], tmp_path: Path, legacy: str
) -> None:
    del fields["vocab_size"], fields["logit_targets"]
    path = save(fields | {legacy: graph.logit_token_ids}, tmp_path / "old.pt")

    assert SavedGraphReader("").read(path) == write_json(graph, tmp_path, "old")


def test_a_data_type_in_the_configuration_is_read(graph: Graph, tmp_path: Path) -> None:
    typed = change(graph, cfg=change(graph.cfg, dtype=torch.bfloat16))
    typed.to_pt(str(tmp_path / "typed.pt"))

    assert SavedGraphReader("").read(tmp_path / "typed.pt") == write_json(graph, tmp_path, "typed")


def test_a_file_name_that_torch_cannot_open_is_refused(saved: Path, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/gr\xffph.pt"))
    path.write_bytes(saved.read_bytes())

    with pytest.raises(GraphError, match="torch cannot load it") as refused:
        SavedGraphReader("").read(path)

    assert "under a plain name" in refused.value.remedy


class Evil:
    """Runs a command when it is unpickled by somebody who trusts it."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "marker"


@pytest.fixture
def evil(marker: Path) -> Evil:
    return Evil(f"touch {marker}")


def test_the_evil_object_of_these_tests_works(evil: Evil, marker: Path) -> None:
    pickle.loads(pickle.dumps(evil))

    assert marker.exists()


@pytest.mark.parametrize("place", ["the graph itself", "a list", "cfg", "a key that is not read"])
def test_a_file_that_would_run_a_command_is_refused_and_runs_none(
    fields: dict[str, Any], evil: Evil, marker: Path, tmp_path: Path, place: str
) -> None:
    contents: Any = {
        "the graph itself": evil,
        "a list": fields | {"scan": ["a", [evil]]},
        "cfg": fields | {"cfg": change(fields["cfg"], dtype=evil)},
        "a key that is not read": fields | {"notes": evil},
    }[place]
    path = save(contents, tmp_path / "evil.pt")

    with pytest.raises(GraphError, match=r"not safe to load: it names '(posix|nt)\.system'"):
        SavedGraphReader("").read(path)

    assert not marker.exists()


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_file_without_an_archive_is_refused_and_runs_no_command(
    evil: Evil, marker: Path, tmp_path: Path, protocol: int
) -> None:
    path = tmp_path / "evil.pt"
    path.write_bytes(pickle.dumps(evil, protocol=protocol))

    with pytest.raises(GraphError, match=r"no archive of torch\.save"):
        SavedGraphReader("").read(path)

    assert not marker.exists()


def test_the_format_of_old_torch_is_refused_and_runs_no_command(
    evil: Evil, marker: Path, tmp_path: Path
) -> None:
    path = tmp_path / "evil.pt"
    torch.save({"cfg": evil}, path, _use_new_zipfile_serialization=False)

    with pytest.raises(GraphError, match=r"torch's format before 1\.6"):
        SavedGraphReader("").read(path)

    assert not marker.exists()


@pytest.mark.parametrize("protocol", [0, 4])
def test_another_pickle_protocol_is_refused(evil: Evil, tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "evil.pt"
    pack({"evil/data.pkl": pickle.dumps(evil, protocol=protocol)}, path)

    with pytest.raises(GraphError, match=r"data\.pkl: pickle protocol 4|posix\.system"):
        SavedGraphReader("").read(path)


def test_what_torch_calls_safe_but_no_graph_needs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt"
    pack({"bomb/data.pkl": b"\x80\x02cbuiltins\nbytearray\n\x8a\x08\0\0\0\0\0\0\0\x10\x85R."}, path)

    with pytest.raises(GraphError, match=r"'builtins\.bytearray'"):
        SavedGraphReader("").read(path)


def test_a_name_that_is_put_together_while_loading_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.pt"
    pack({"evil/data.pkl": b"\x80\x02X\x02\0\0\0osX\x06\0\0\0system\x93."}, path)

    with pytest.raises(GraphError, match="STACK_GLOBAL instruction"):
        SavedGraphReader("").read(path)


def test_a_long_list_of_names_is_cut(tmp_path: Path) -> None:
    names = b"".join(b"cevil\nname%d\n0" % number for number in range(50))
    path = tmp_path / "evil.pt"
    pack({"evil/data.pkl": b"\x80\x02" + names + b"N."}, path)

    with pytest.raises(GraphError, match="and 45 more, which no graph needs"):
        SavedGraphReader("").read(path)


def test_a_file_of_a_first_circuit_tracer_is_recognised(
    fields: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType("transformer_lens.HookedTransformerConfig")
    config = type("HookedTransformerConfig", (), {"__module__": module.__name__})
    monkeypatch.setattr(module, "HookedTransformerConfig", config, raising=False)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    path = save(fields | {"cfg": config()}, tmp_path / "old.pt")

    with pytest.raises(GraphError, match=r"before 0\.3") as refused:
        SavedGraphReader("").read(path)

    assert "create_graph_files of the circuit-tracer that saved it" in refused.value.remedy


def test_nothing_is_imported_for_a_file_that_is_refused(
    fields: dict[str, Any], evil: Evil, tmp_path: Path
) -> None:
    path = save(fields | {"notes": evil}, tmp_path / "evil.pt")
    script = (
        "import sys\n"
        "from clerp.errors import GraphError\n"
        "from clerp_circuit_tracer.graph.saved import SavedGraphReader\n"
        "try:\n"
        "    SavedGraphReader('').read(sys.argv[1])\n"
        "except GraphError:\n"
        "    print(sorted({'circuit_tracer', 'transformers'} & set(sys.modules)))\n"
    )

    run = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )

    assert run.stdout == "[]\n"


def test_a_torch_that_loads_unsafely_is_refused(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "__version__", TorchVersion("2.9.1"))

    with pytest.raises(GraphError, match=r"torch 2\.9\.1 does not load files safely"):
        SavedGraphReader("").read(saved)


@pytest.mark.parametrize("contents", [[1, 2], {"model": torch.zeros(2)}, {"cfg": {}}])
def test_a_file_of_something_else_is_refused(tmp_path: Path, contents: object) -> None:
    with pytest.raises(GraphError, match="no attribution graph"):
        SavedGraphReader("").read(save(contents, tmp_path / "other.pt"))


def test_a_matrix_that_repeats_few_values_is_refused(
    fields: dict[str, Any], tmp_path: Path
) -> None:
    shape = fields["adjacency_matrix"].shape
    path = save(fields | {"adjacency_matrix": torch.zeros(1).expand(shape)}, tmp_path / "bomb.pt")

    with pytest.raises(GraphError, match=r"adjacency_matrix: shape .* but fewer values"):
        SavedGraphReader("").read(path)


def test_a_field_that_is_not_what_it_should_be_is_named_with_its_file(
    fields: dict[str, Any], tmp_path: Path
) -> None:
    path = save(fields | {"activation_values": torch.ones(2)}, tmp_path / "wrong.pt")

    with pytest.raises(GraphError, match=r"wrong\.pt, activation_values: expected the shape"):
        SavedGraphReader("").read(path)


def test_a_file_that_unpacks_to_more_than_itself_is_refused(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt"
    pack(unpack(saved) | {"tiny/data/9": bytes(10**8)}, path, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10**6

    with pytest.raises(GraphError, match="its entries are compressed"):
        SavedGraphReader("").read(path)


def test_entries_that_share_their_bytes_are_refused(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bomb/data.pkl", unpack(saved)["tiny/data.pkl"])
        archive.writestr("bomb/data/0", bytes(10**5))
        for number in range(1, 100):
            shared = copy(archive.getinfo("bomb/data/0"))
            shared.filename = f"bomb/data/{number}"
            archive.filelist.append(shared)

    with pytest.raises(GraphError, match="its entries overlap"):
        SavedGraphReader("").read(path)


def test_a_directory_that_only_torch_would_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "two.pt"
    hidden = b"\x80\x02cbuiltins\nbytearray\nK\x08\x85R."
    path.write_bytes(hide({"a/version": b"3\n", "a/data.pkl": hidden}, b"\x80\x02}."))
    assert unpack(path)["a/data.pkl"].strip(b"0") == b"\x80\x02}."
    assert torch.load(path, weights_only=True) == bytearray(8)

    with pytest.raises(GraphError, match="its directory is not where its end says"):
        SavedGraphReader("").read(path)


@pytest.mark.parametrize("change", ["bytes before", "bytes after", "large end"])
def test_an_end_as_torch_does_not_write_it_is_refused(
    saved: Path, tmp_path: Path, change: str
) -> None:
    content = saved.read_bytes()
    changed = {
        "bytes before": b"PK\x03\x04" + content,
        "bytes after": content[:-2] + b"\x01\0 ",
        # Of two large ends, the locator names one and the other stands before it.
        "large end": content[:-34] + bytes(8) + content[-26:],
    }[change]
    path = tmp_path / "changed.pt"
    path.write_bytes(changed)

    with pytest.raises(GraphError, match="its directory is not where its end says"):
        SavedGraphReader("").read(path)


def test_a_comment_that_torch_takes_for_a_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "comment.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}." + bytes(99))
        archive.getinfo("a/data.pkl").comment = struct.pack("<4sIQI", b"PK\x06\x07", 0, 60, 1)

    with pytest.raises(GraphError, match="its directory is not where its end says"):
        SavedGraphReader("").read(path)


def test_more_memory_than_there_is_is_an_error_of_the_file(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_out(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(torch, "load", run_out)

    with pytest.raises(
        GraphError, match=r"tiny\.pt: damaged: torch cannot load it \(MemoryError\)"
    ):
        SavedGraphReader("").read(saved)


def test_two_pickles_of_one_name_are_refused(saved: Path, evil: Evil, tmp_path: Path) -> None:
    path = tmp_path / "two.pt"
    archive = unpack(saved)
    pack(archive | {"tiny/DATA.PKL": pickle.dumps(evil)}, path)

    with pytest.raises(GraphError, match="two entries have one name"):
        SavedGraphReader("").read(path)


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        ({}, "no archive of torch.save"),
        ({"a/b": b""}, "no data.pkl"),
        ({"/b": b"", "a/data.pkl": b""}, "no data.pkl"),
        ({f"a/{number}": b"" for number in range(1001)}, "more than 1000 entries"),
        ({"a/data.pkl": bytes(archive.MAX_PICKLE_BYTES + 1)}, "larger than 4 MiB"),
        ({"a/data.pkl": b""}, "damaged pickle"),
        ({"a/data.pkl": b"\x80\x02N."}, "torch cannot load it"),
        ({"a/data.pkl": b"\x80\x02S'\\i'\n."}, "torch cannot load it"),
    ],
)
def test_an_archive_of_something_else_is_refused(
    tmp_path: Path, archive: Archive, message: str
) -> None:
    pack(archive, tmp_path / "other.pt")

    with pytest.raises(GraphError, match=message):
        SavedGraphReader("").read(tmp_path / "other.pt")


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.pt"
    with path.open("wb") as file:
        file.truncate(archive.MAX_BYTES + 1)

    with pytest.raises(GraphError, match="larger than 8 GiB"):
        SavedGraphReader("").read(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    reader = SavedGraphReader("")

    with pytest.raises(GraphError, match="cannot be read: No such file"):
        reader.read(tmp_path / "absent.pt")
    with pytest.raises(GraphError, match="not a regular file"):
        reader.read(tmp_path)
    os.mkfifo(tmp_path / "pipe.pt")
    with pytest.raises(GraphError, match="not a regular file"):
        reader.read(tmp_path / "pipe.pt")
    with pytest.raises(GraphError, match="expected the path of a file, got int"):
        reader.read(3)


def test_an_argument_is_refused() -> None:
    with pytest.raises(UsageError, match="takes no argument"):
        SavedGraphReader("x")


@settings(max_examples=60)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_short_is_refused(
    saved: Path, tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    content = saved.read_bytes()
    path = tmp_path_factory.mktemp("cut") / "cut.pt"
    path.write_bytes(content[: int(share * len(content))])

    with pytest.raises(GraphError):
        load_contents(path)


@settings(max_examples=200)
@given(data=st.data())
def test_a_damaged_pickle_is_read_or_refused_and_never_anything_else(
    saved: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    archive = unpack(saved)
    content = bytearray(archive["tiny/data.pkl"])
    places = st.integers(0, len(content) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "damaged.pt"
    pack(archive | {"tiny/data.pkl": bytes(content)}, path)

    outcome = try_loading(path)
    if isinstance(outcome, GraphError):
        assert str(path) in str(outcome)
    else:
        assert len(outcome.adjacency) == outcome.adjacency.shape[1]


@settings(max_examples=100)
@given(data=st.data())
def test_a_damaged_archive_is_read_or_refused_and_never_anything_else(
    saved: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(saved.read_bytes())
    # The directory at the end, where an archive says what is where.
    places = st.integers(len(content) - 1500, len(content) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "damaged.pt"
    path.write_bytes(content)

    outcome = try_loading(path)
    assert isinstance(outcome, GraphContents) or str(path) in str(outcome)


def try_loading(path: Path) -> GraphContents | GraphError:
    try:
        return load_contents(path)
    except GraphError as error:
        return error


def save(contents: object, path: Path) -> Path:
    torch.save(contents, path)
    return path


def unpack(path: Path) -> Archive:
    with zipfile.ZipFile(path) as archive:
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}


def pack(content: Archive, path: Path, compression: int = zipfile.ZIP_STORED) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    path.write_bytes(buffer.getvalue())


def hide(content: Archive, shown: bytes) -> bytes:
    """Pack an archive behind which stands another one, whose directory is found from the end.

    Args:
        content: What the end of the file points to.
        shown: The last entry in the other one.
    """
    name = list(content)[-1]
    # Of one length, so that both directories are.
    first = _split_archive(content)
    second = _split_archive(content | {name: shown.ljust(len(content[name]), b"0")})
    return first.entries + first.directory + second.entries + second.directory + first.end


class _Split(NamedTuple):
    entries: bytes
    directory: bytes
    end: bytes


def _split_archive(content: Archive) -> _Split:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    packed = buffer.getvalue()
    # Public only as a number in the end record.
    (start,) = struct.unpack("<I", packed[-6:-2])
    return _Split(packed[:start], packed[start:-22], packed[-22:])
