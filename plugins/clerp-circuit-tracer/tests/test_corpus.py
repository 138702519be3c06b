import gzip
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import InputError, RemoteError, UsageError
from clerp_circuit_tracer.collect.corpus import (
    RowForm,
    TensorCorpus,
    TextCorpus,
    open_documents,
)
from clerp_circuit_tracer.collect.documents import (
    PIECE_CHARACTERS,
    JsonLines,
    cut_pieces,
)

from .model_makers import BOS, make_byte_tokenizer, write_texts

TOKENIZER = make_byte_tokenizer()
FORM = RowForm(TOKENIZER, (BOS,), 16)
TEXTS = write_texts(12)


def _open(
    place: str | Path, form: RowForm, n_tokens: int | None = None, text_field: str = "text"
) -> TextCorpus:
    return TextCorpus(open_documents(place, text_field), form, n_tokens)


def _encode(text: str) -> list[int]:
    return TOKENIZER(text, add_special_tokens=False)["input_ids"]


def _read(corpus: Any, start: int = 0) -> list[list[int]]:
    return [row.tokens.tolist() for row in corpus.read(start)]


def _write_lines(path: Path, records: list[Any]) -> Path:
    content = "\n".join(json.dumps(record) for record in records).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def _write_folder(folder: Path, texts: list[str]) -> Path:
    folder.mkdir()
    for number, text in enumerate(texts):
        (folder / f"{number:03}.txt").write_text(text)
    return folder


@pytest.fixture(params=["folder", "jsonl", "jsonl.gz", "data set"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    if request.param == "folder":
        return str(_write_folder(tmp_path / "texts", TEXTS))
    records = [{"text": text} for text in TEXTS]
    if request.param == "data set":
        (tmp_path / "set").mkdir()
        _write_lines(tmp_path / "set" / "train.jsonl", records)
        return f"hf:{tmp_path / 'set'}"
    return str(_write_lines(tmp_path / f"corpus.{request.param}", records))


def test_every_document_is_cut_into_rows_of_its_own(place: str) -> None:
    size = FORM.context - len(FORM.prefix)
    expected = [
        [BOS, *ids[at : at + size]]
        for ids in map(_encode, TEXTS)
        for at in range(0, len(ids), size)
    ]

    corpus = _open(place, FORM)

    assert _read(corpus) == expected
    assert [row.number for row in corpus.read()] == list(range(len(expected)))


def test_reading_goes_on_at_any_row(place: str) -> None:
    corpus = _open(place, FORM)
    rows = _read(corpus)

    for start in (1, len(rows) // 2, len(rows) - 1, len(rows)):
        assert _read(corpus, start) == rows[start:]
        assert [row.number for row in corpus.read(start)] == list(range(start, len(rows)))


@pytest.mark.parametrize("n_tokens", [1, 15, 16, 100])
def test_reading_stops_after_so_many_tokens(place: str, n_tokens: int) -> None:
    everything = _read(_open(place, FORM))

    rows = _read(_open(place, FORM, n_tokens=n_tokens))

    assert sum(len(row) - 1 for row in rows) == n_tokens
    assert rows[:-1] == everything[: len(rows) - 1]


def test_more_tokens_than_there_are_read_everything(place: str) -> None:
    assert _read(_open(place, FORM, n_tokens=10**9)) == _read(_open(place, FORM))


def test_documents_without_text_are_skipped_and_counted(tmp_path: Path) -> None:
    path = _write_lines(tmp_path / "corpus.jsonl", [{"text": t} for t in ("one", "", " \n", "two")])
    corpus = _open(path, FORM)

    assert _read(corpus) == [[BOS, *_encode("one")], [BOS, *_encode("two")]]
    assert corpus.n_skipped == 2
    _read(corpus)
    assert corpus.n_skipped == 2


def test_text_that_spells_special_tokens_out_is_text(tmp_path: Path) -> None:
    path = tmp_path / "page.txt"
    path.write_text("Ada <bos> Ben<unk>")
    before = FORM.identify()

    (row,) = _read(_open(path, RowForm(TOKENIZER, (BOS,), 60)))

    assert not {*row[1:]} & {*TOKENIZER.all_special_ids}
    assert TOKENIZER.decode(row[1:]) == "Ada <bos> Ben<unk>"
    assert FORM.identify() == before


def test_a_text_that_is_null_is_a_document_without_text(tmp_path: Path) -> None:
    path = _write_lines(tmp_path / "corpus.jsonl", [{"text": t} for t in ("one", None, "two")])
    corpus = _open(path, FORM)

    assert _read(corpus) == [[BOS, *_encode("one")], [BOS, *_encode("two")]]
    assert corpus.n_skipped == 1


@pytest.mark.parametrize("name", ["corpus.jsonl", "corpus.jsonl.gz"])
def test_a_byte_order_mark_before_json_lines_is_passed_over(name: str, tmp_path: Path) -> None:
    content = b'\xef\xbb\xbf{"text": "one"}\n{"text": "two"}\n'
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)

    assert _read(_open(path, FORM)) == [[BOS, *_encode("one")], [BOS, *_encode("two")]]


def test_a_file_of_text_is_one_document_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "moby"
    path.write_text("\n\n".join(TEXTS))

    rows = _read(_open(path, FORM))

    assert {len(row) for row in rows[:-1]} == {FORM.context}


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "windows.txt"
    path.write_bytes(b"\xef\xbb\xbfone")

    assert _read(_open(path, FORM)) == [[BOS, *_encode("one")]]


@given(st.lists(st.text(" \n\tabcdé😀", max_size=60)), st.integers(1, 40))
def test_pieces_join_to_the_text_and_do_not_depend_on_how_it_came(
    texts: list[str], size: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clerp_circuit_tracer.collect.documents.PIECE_CHARACTERS", size)
        whole = "".join(texts)

        pieces = list(cut_pieces(texts))

        assert "".join(pieces) == whole
        assert max(map(len, pieces)) <= size
        assert pieces == list(cut_pieces([whole]))
        assert pieces == list(cut_pieces(whole))


def test_a_piece_ends_before_white_space() -> None:
    words = "word " * PIECE_CHARACTERS

    pieces = list(cut_pieces([words]))

    assert len(pieces) > 2
    assert all(piece.startswith(" word") for piece in pieces[1:])


def test_memory_does_not_grow_with_a_document(tmp_path: Path) -> None:
    peaks: list[int] = []
    for size in (2**20, 2**23):
        path = tmp_path / "long.txt"
        path.write_text("word " * (size // 5))
        tracemalloc.start()
        for document in open_documents(path):
            for _ in document:
                pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < 1.5 * peaks[0] < 2**20


@pytest.mark.parametrize("damage", [b"\xff", b"\xe2\x82"])
@pytest.mark.parametrize("filler", [3, 40_000])
def test_bad_utf_8_is_named_with_file_and_line(damage: bytes, filler: int, tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes(b"line\n" * filler + b"and " + damage)

    with pytest.raises(InputError, match="no UTF-8") as refused:
        _read(_open(path, FORM))
    assert refused.value.where == f"{path}: line {filler + 1}"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b'{"text": "cut', "no JSON"),
        (b'{"text": "\xff"}', "no JSON"),
        (b"[1]", "no text under 'text'; there are none"),
        (b'{"body": "one"}', "no text under 'text'; there are 'body'"),
        (b'{"text": 5}', "'text' is of type int, not text"),
        (b"[" * 100_000, "no JSON"),
    ],
)
def test_a_bad_line_is_named_with_file_and_line(
    line: bytes, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b'{"text": "one"}\n\n' + line)

    with pytest.raises(InputError, match=complaint) as refused:
        _read(_open(path, FORM))
    assert refused.value.where == f"{path}: line 3"


def test_the_key_of_the_text_can_be_named(tmp_path: Path) -> None:
    path = _write_lines(tmp_path / "corpus.jsonl", [{"body": "one"}])

    assert _read(_open(path, FORM, text_field="body")) == [[BOS, *_encode("one")]]


def test_a_line_without_end_is_not_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clerp_circuit_tracer.collect.documents.MAX_LINE_BYTES", 2**20)
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * 2**24))

    with pytest.raises(InputError, match="longer than 1 MB") as refused:
        _read(_open(path, FORM))
    assert refused.value.where == f"{path}: line 1"


@pytest.mark.parametrize("damage", ["cut", "flipped", "plain"])
def test_damaged_gzip_is_named(damage: str, tmp_path: Path) -> None:
    path = _write_lines(tmp_path / "corpus.jsonl.gz", [{"text": text} for text in TEXTS * 20])
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(
        {
            "cut": content[:middle],
            "flipped": content[:-8] + b"\0\0\0\0" + content[-4:],
            "plain": b'{"text": "one"}',
        }[damage]
    )

    with pytest.raises(InputError, match="damaged gzip data"):
        _read(_open(path, FORM))


@pytest.mark.parametrize("name", ["no-such-file.txt", "empty"])
def test_a_corpus_that_is_not_there_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(UsageError, match=name):
        _open(tmp_path / name, FORM)


def test_a_row_has_room_for_text() -> None:
    with pytest.raises(UsageError, match="no room for text"):
        RowForm(TOKENIZER, (BOS,), 1)


def test_the_digest_is_that_of_the_rows_and_not_of_a_name(tmp_path: Path) -> None:
    first = _write_folder(tmp_path / "first", TEXTS)
    same = _write_folder(tmp_path / "same", TEXTS)
    other = _write_folder(tmp_path / "other", [*TEXTS[:-1], "else"])

    digest = _open(first, FORM).identify()

    assert _open(same, FORM).identify() == digest
    assert _open(same, FORM, n_tokens=5).identify() == digest
    assert _open(other, FORM).identify() != digest
    assert _open(first, RowForm(TOKENIZER, (BOS,), 17)).identify() != digest
    assert _open(first, RowForm(TOKENIZER, (), 16)).identify() != digest
    other_tokenizer = make_byte_tokenizer(["<unk>", "<pad>", "<bos>"])
    assert _open(first, RowForm(other_tokenizer, (BOS,), 16)).identify() != digest


def test_two_documents_have_another_digest_than_one(tmp_path: Path) -> None:
    apart = _write_folder(tmp_path / "apart", ["one", "two"])
    joined = _write_folder(tmp_path / "joined", ["onetwo", ""])

    assert open_documents(apart).identify() != open_documents(joined).identify()


def test_the_digest_of_json_lines_holds_the_key(tmp_path: Path) -> None:
    path = _write_lines(tmp_path / "corpus.jsonl", [{"a": "one", "b": "two"}])

    assert JsonLines(path, "a").identify() != JsonLines(path, "b").identify()


def test_how_much_there_is_is_estimated_from_the_files(place: str) -> None:
    corpus = _open(place, FORM)
    assert corpus.estimate(0) is None

    total = sum(len(row) - 1 for row in _read(corpus))

    if not place.startswith("hf:"):
        assert corpus.estimate(total) == total
    assert _open(place, FORM, n_tokens=7).estimate(0) == 7


def test_a_wanted_number_of_tokens_bounds_the_estimate() -> None:
    class Half:
        mileage: Any = None

        def identify(self) -> str:
            return ""

        def __iter__(self) -> Iterator[Iterator[str]]:
            return iter(())

    documents = Half()
    documents.mileage = type("Mileage", (), {"done": 50, "total": 100})
    assert TextCorpus(documents, FORM, 30).estimate(40) == 30
    assert TextCorpus(documents, FORM, 300).estimate(40) == 80


def test_rows_of_a_tensor_are_read_as_they_are() -> None:
    tokens = _draw_ids(5, 8)
    corpus = _open_ids(tokens)

    rows = list(corpus.read(2))

    assert [row.number for row in rows] == [2, 3, 4]
    assert torch.equal(torch.stack([row.tokens for row in rows]), tokens[2:].long())
    assert corpus.identify() == _open_ids(tokens.long()).identify()
    assert corpus.identify() != _open_ids(tokens[:, :7]).identify()


def _draw_ids(n_rows: int, length: int) -> torch.Tensor:
    tokens = torch.randint(2, 100, (n_rows, length), dtype=torch.int32)
    tokens[:, 0] = BOS
    return tokens


def _open_ids(tokens: torch.Tensor, n_tokens: int | None = None) -> TensorCorpus:
    return TensorCorpus(tokens, (BOS,), 100, n_tokens)


@pytest.mark.parametrize(
    ("n_tokens", "lengths"), [(1, [2]), (7, [8]), (10, [8, 4]), (14, [8, 8]), (99, [8] * 5)]
)
def test_rows_of_a_tensor_stop_after_so_many_tokens(n_tokens: int, lengths: list[int]) -> None:
    tokens = _draw_ids(5, 8)
    corpus = _open_ids(tokens, n_tokens)

    rows = _read(corpus)

    assert rows == [line[:n].tolist() for line, n in zip(tokens, lengths, strict=False)]
    assert _read(corpus, 1) == rows[1:]
    assert corpus.estimate(0) == sum(len(row) - 1 for row in rows)


@pytest.mark.parametrize(
    ("tokens", "fault"),
    [
        (torch.tensor([BOS, 2, 3]), r"a tensor of the shape \(3,\)"),
        (torch.zeros(0, 8, dtype=torch.long), r"a tensor of the shape \(0, 8\)"),
        (torch.rand(2, 8), r"numbers of the type torch\.float32"),
        (torch.ones(2, 8, dtype=torch.bool), r"numbers of the type torch\.bool"),
        (torch.tensor([[BOS], [BOS]]), "no room for text after the 1 tokens in front"),
        (torch.tensor([[BOS, 100]]), r"from \d to 100, where the tokenizer has 0 to 99"),
        (torch.tensor([[BOS, -1]]), "from -1 to"),
        (torch.tensor([[BOS, 3], [4, 5]]), "not every row begins with"),
    ],
)
def test_a_tensor_that_is_no_rows_of_token_ids_is_refused(tokens: torch.Tensor, fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        _open_ids(tokens)


@pytest.mark.parametrize("reference", ["hf:", "hf:a:b:c:d"])
def test_what_names_no_data_set_is_refused(reference: str) -> None:
    with pytest.raises(UsageError, match=r"no data set is named.*hf:NAME:CONFIG:SPLIT"):
        _open(reference, FORM)


def test_a_split_that_the_data_set_lacks_is_an_input_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "set").mkdir()
    _write_lines(tmp_path / "set" / "train.jsonl", [{"text": "one"}])

    with pytest.raises(InputError, match="data set cannot be read"):
        _read(_open(f"hf:{tmp_path / 'set'}::test", FORM))


@pytest.mark.parametrize("kind", ["cut.gz", "flipped.gz", "cut.zst", "flipped.zst"])
def test_damaged_files_of_a_data_set_are_an_input_error(
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "set").mkdir()
    content = "\n".join(json.dumps({"text": text}) for text in write_texts(2000)).encode()
    pack = gzip.compress if kind.endswith("gz") else zstandard.compress
    packed = bytearray(pack(content))
    middle = len(packed) // 2
    if kind.startswith("flipped"):
        packed[middle : middle + 50] = bytes(50)
    cut = packed[:middle] if kind.startswith("cut") else packed
    (tmp_path / "set" / f"train.jsonl.{kind[-3:].strip('.')}").write_bytes(cut)

    with pytest.raises(InputError) as refused:
        _read(_open(f"hf:{tmp_path / 'set'}", FORM))
    assert refused.value.where == str(tmp_path / "set")
    assert "jsonl" not in capfd.readouterr().err
    assert caplog.records == []


def test_a_data_set_is_pinned_to_a_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Api:
        def dataset_info(self, name: str) -> Any:
            return type("Info", (), {"sha": "c0ffee"})

    def load(*where: Any, **how: Any) -> list[dict[str, str]]:
        asked.append((where, how))
        return [{"text": "one"}]

    module = "clerp_circuit_tracer.collect.streamed_dataset"
    monkeypatch.setattr(f"{module}.HfApi", Api)
    monkeypatch.setattr(f"{module}.load_dataset", load)
    corpus = _open("hf:owner/set:small:test", FORM)

    assert _read(corpus) == [[BOS, *_encode("one")]]
    assert asked == [
        (
            ("owner/set", "small"),
            {"split": "test", "revision": "c0ffee", "streaming": True},
        )
    ]
    monkeypatch.setattr(Api, "dataset_info", lambda *_: type("Info", (), {"sha": "decaf"}))
    assert _open("hf:owner/set:small:test", FORM).identify() != corpus.identify()


def test_a_data_set_that_the_hub_does_not_give_is_a_remote_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Api:
        def dataset_info(self, name: str) -> None:
            raise OSError("no route")

    monkeypatch.setattr("clerp_circuit_tracer.collect.streamed_dataset.HfApi", Api)

    with pytest.raises(RemoteError, match=r"hf:owner/set: HuggingFace gave no data set: no route"):
        _open("hf:owner/set", FORM)
