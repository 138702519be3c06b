import gzip
import json
import os
import struct
import zlib
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clerp.errors import EvidenceError
from clerp.evidence import EvidenceGap, FeatureEvidence, storage
from clerp.evidence.folder import FolderSource
from clerp.feature import FeatureId, unpair

FEATURES = [FeatureId(0, 0), FeatureId(0, 2), FeatureId(1, 1)]


def make_record(feature, **more):
    example = {"tokens": [f" word{feature.index}", " b"], "tokens_acts_list": [2.0, 0.0]}
    quantiles = [{"quantile_name": "Top", "examples": [example]}]
    return json.dumps({"index": feature.index, "examples_quantiles": quantiles, **more}).encode()


def read(path, *features):
    return list(FolderSource(str(path)).read(features))


def read_one(path, feature):
    (outcome,) = read(path, feature)
    return outcome


def read_reason(path, feature):
    return get_reason(read_one(path, feature), feature)


def get_reason(outcome, feature):
    assert isinstance(outcome, EvidenceGap), outcome
    assert outcome.feature == feature
    return outcome.reason


def get_digest(outcome):
    assert isinstance(outcome, FeatureEvidence), outcome
    return outcome.digest


def write_files(folder, features=FEATURES):
    folder.mkdir(parents=True, exist_ok=True)
    for feature in features:
        (folder / f"{feature.cantor}.json").write_bytes(make_record(feature))
    return folder


def pack(content, squeeze=gzip.compress):
    packed = squeeze(content)
    return struct.pack("<I", len(packed)) + packed


def write_bins(folder, layers, as_dict=False):
    """Write a bin for each layer; a layer is a list of records as they stand in the bin."""
    folder.mkdir(parents=True, exist_ok=True)
    index = {}
    for layer, records in layers.items():
        offsets = [0]
        for record in records:
            offsets.append(offsets[-1] + len(record))
        (folder / f"layer_{layer}.bin").write_bytes(b"".join(records))
        index[str(layer)] = {"filename": f"layer_{layer}.bin", "offsets": offsets}
    write_index(folder, index if as_dict else [index.get(str(n)) for n in range(max(layers) + 1)])
    return folder


def write_index(folder, index):
    raw = index if isinstance(index, bytes) else json.dumps(index).encode()
    (folder / "index.json.gz").write_bytes(gzip.compress(raw))


def list_peaks(outcomes):
    return [outcome.top[0].tokens[0] if outcome.top else "" for outcome in outcomes]


def test_it_is_the_source_called_folder(tmp_path):
    (entry,) = entry_points(group="clerp.sources", name="folder")
    source = entry.load()(str(write_files(tmp_path)))
    assert source.name == "folder"
    assert isinstance(next(iter(source.read(FEATURES[:1]))), FeatureEvidence)


def test_files_are_read_in_the_order_asked(tmp_path):
    asked = [FEATURES[2], FEATURES[0], FEATURES[1], FEATURES[0]]
    outcomes = read(write_files(tmp_path), *asked)
    assert [outcome.feature for outcome in outcomes] == asked
    assert list_peaks(outcomes) == [" word1", " word0", " word2", " word0"]


def test_packed_files_and_the_folder_above_are_read(tmp_path):
    features = tmp_path / "features"
    features.mkdir()
    (features / f"{FEATURES[1].cantor}.json.gz").write_bytes(
        gzip.compress(make_record(FEATURES[1]))
    )
    (tmp_path / "123.json").write_text('{"a graph": "named by a number"}')
    assert list_peaks(read(tmp_path, FEATURES[1])) == [" word2"]


@pytest.mark.parametrize("squeeze", [gzip.compress, zlib.compress])
@pytest.mark.parametrize("as_dict", [False, True])
def test_bins_are_read_as_gzip_or_zlib_by_list_or_dict(tmp_path, squeeze, as_dict):
    layers = {
        0: [pack(make_record(FeatureId(0, n)), squeeze) for n in range(3)],
        2: [pack(make_record(FeatureId(2, 0)), squeeze)],
    }
    folder = write_bins(tmp_path / "features", layers, as_dict).parent
    asked = [FeatureId(2, 0), FeatureId(0, 2), FeatureId(0, 1)]
    assert list_peaks(read(folder, *asked)) == [" word0", " word2", " word1"]


def test_evidence_is_the_same_from_every_layout(tmp_path):
    feature = FEATURES[2]
    record = json.loads(make_record(feature)) | {"layer": feature.layer}
    lines = tmp_path / "records.jsonl"
    lines.write_text(json.dumps(record) + "\n")
    single = tmp_path / "single.json"
    single.write_text(json.dumps(record, indent=2))
    files = write_files(tmp_path / "files")
    packed = [b"", pack(make_record(feature))]
    paths = [
        files,
        files / f"{feature.cantor}.json",
        write_bins(tmp_path / "bins", {0: [], 1: packed}),
        lines,
        single,
    ]
    digests = {get_digest(read_one(path, feature)) for path in paths}
    assert len(digests) == 1


def test_json_lines_are_read_wherever_the_feature_stands(tmp_path):
    path = tmp_path / "records.jsonl"
    lines = [make_record(feature, layer=feature.layer) for feature in FEATURES]
    path.write_bytes(b"\n\n".join(lines))
    assert list_peaks(read(path, *reversed(FEATURES))) == [" word1", " word2", " word0"]


def test_a_broken_line_costs_only_itself_and_is_named(tmp_path):
    path = tmp_path / "records.jsonl"
    lines = [make_record(feature, layer=feature.layer) for feature in FEATURES]
    path.write_bytes(b"\n".join([lines[0], lines[1].replace(b"2.0", b"NaN"), lines[2][:30]]))
    one, two, three = read(path, *FEATURES)
    assert isinstance(one, FeatureEvidence)
    assert get_reason(two, FEATURES[1]).endswith("1 x activation not finite")
    assert get_reason(three, FEATURES[2]).endswith("file, of which 1 lines (first: 3) are broken")


def test_two_lines_of_one_feature_are_no_evidence(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_bytes(b"\n".join([make_record(FEATURES[0], layer=0)] * 2))
    assert read_reason(path, FEATURES[0]) == "two records, at line 1 and line 2"


def test_what_is_missing_is_a_gap_without_a_path(tmp_path):
    bins = write_bins(tmp_path / "bins", {0: [b"", struct.pack("<I", 0)]})
    missing = "no record in features/"
    assert read_reason(write_files(tmp_path / "files"), FeatureId(9, 9)) == missing
    assert [read_reason(bins, FeatureId(0, n)) for n in range(3)] == [missing] * 3
    assert read_reason(bins, FeatureId(5, 0)) == f"{missing}: the index has no layer 5"


def test_a_null_layer_of_the_index_is_missing(tmp_path):
    write_bins(tmp_path, {2: [pack(make_record(FeatureId(2, 0)))]})
    assert read_reason(tmp_path, FeatureId(1, 0)).endswith("the index has no layer 1")


def test_attention_features_have_no_evidence(tmp_path):
    reason = read_reason(write_files(tmp_path), FeatureId(0, 0, "lor"))
    assert reason == "attention features have no transcoder evidence here"


def test_the_record_of_another_feature_is_a_gap(tmp_path):
    (write_files(tmp_path) / "0.json").write_bytes(make_record(FeatureId(0, 9)))
    assert read_reason(tmp_path, FEATURES[0]) == "0.json: record is of feature index 9"


GOOD = make_record(FeatureId(0, 0))


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (struct.pack("<I", 900) + b"x" * 20, "length prefix of 900 bytes where the record has 20"),
        (struct.pack("<I", 20) + b"x" * 20, "damaged gzip or zlib data"),
        (b"\x01\x02", "record cut short"),
        (pack(gzip.compress(GOOD)[:-12], bytes), "packed data cut short"),
        (pack(GOOD[:50]), "record cut short"),
        (pack(GOOD[:-1] + b"\x00"), "not JSON at byte"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_bad_record_of_a_bin_costs_only_itself(tmp_path, record, reason):
    folder = write_bins(tmp_path, {0: [record, pack(make_record(FeatureId(0, 1)))]})
    bad, good = read(folder, FeatureId(0, 0), FeatureId(0, 1))
    assert get_reason(bad, FeatureId(0, 0)).startswith(f"layer_0.bin record 0: {reason}")
    assert isinstance(good, FeatureEvidence)


def test_a_record_that_unpacks_to_too_much_is_a_gap(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "MAX_RECORD_BYTES", 2**20)
    folder = write_bins(tmp_path, {0: [pack(b" " * (2**20 + 1)), pack(b" " * 2**20)]})
    assert read_reason(folder, FeatureId(0, 0)).endswith("larger than 1 MB")
    assert read_reason(folder, FeatureId(0, 1)).endswith("record is empty")


def test_a_packed_file_that_unpacks_to_too_much_is_a_gap(tmp_path):
    (tmp_path / "0.json.gz").write_bytes(gzip.compress(b" " * (storage.MAX_RECORD_BYTES + 1), 1))
    assert read_reason(tmp_path, FEATURES[0]) == "0.json.gz: larger than 64 MB"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (gzip.compress(GOOD)[:-9], "packed data cut short"),
        (gzip.compress(GOOD)[:-8] + b"x" * 8, "damaged gzip data"),
        (b"", "record is empty"),
    ],
)
def test_one_bad_file_costs_only_itself(tmp_path, content, reason):
    write_files(tmp_path, FEATURES[1:])
    (tmp_path / "0.json.gz").write_bytes(content)
    bad, good = read(tmp_path, FEATURES[0], FEATURES[1])
    assert get_reason(bad, FEATURES[0]) == f"0.json.gz: {reason}"
    assert isinstance(good, FeatureEvidence)


def test_a_folder_in_the_place_of_a_record_is_a_gap(tmp_path):
    write_files(tmp_path, FEATURES[1:])
    (tmp_path / "0.json").mkdir()
    assert read_reason(tmp_path, FEATURES[0]) == "0.json: no regular file"


def test_only_the_bytes_of_the_record_are_read(tmp_path, monkeypatch):
    folder = write_bins(tmp_path, {0: [pack(make_record(FeatureId(0, n))) for n in range(50)]})
    source = FolderSource(str(folder))
    taken = []
    opened = Path.open

    class Watched:
        def __init__(self, file):
            self._file = file

        def __enter__(self):
            return self

        def __exit__(self, *args):
            self._file.close()

        def seek(self, place):
            self._file.seek(place)

        def read(self, n):
            taken.append(n)
            return self._file.read(n)

    monkeypatch.setattr(Path, "open", lambda self, *a, **more: Watched(opened(self, *a, **more)))
    assert isinstance(next(source.read([FeatureId(0, 31)])), FeatureEvidence)
    assert sum(taken) == len(pack(make_record(FeatureId(0, 31))))


@pytest.mark.parametrize(
    ("index", "what"),
    [
        (b"{", "broken index"),
        (b"3", "broken index"),
        (b"", "broken index"),
        ({"first": {}}, "broken index"),
    ],
)
def test_a_broken_index_is_an_error_that_names_it(tmp_path, index, what):
    write_index(tmp_path, index)
    with pytest.raises(EvidenceError, match=what) as error:
        FolderSource(str(tmp_path))
    assert error.value.where.endswith("index.json.gz")


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ({"filename": "layer_0.bin"}, "missing required field `offsets`"),
        ({"filename": "layer_0.bin", "offsets": [0, -4]}, "Expected `int` >= 0"),
        ({"filename": "layer_0.bin", "offsets": [0, 2**64]}, "offsets"),
        ({"filename": "layer_0.bin", "offsets": [0, 8, 4]}, "offset 2 is smaller"),
        ({"filename": "layer_0.bin", "offsets": [0, 11]}, "layer_0.bin has 10 bytes"),
        ({"filename": "gone.bin", "offsets": [0, 1]}, "gone.bin: No such file"),
        ({"filename": "../layer_0.bin", "offsets": [0, 1]}, "no file of this folder"),
        ({"filename": "/etc/passwd", "offsets": [0, 1]}, "no file of this folder"),
        ({"filename": "a\0b", "offsets": [0, 1]}, "no file of this folder"),
        ({"filename": "", "offsets": [0, 1]}, "no file of this folder"),
    ],
    ids=str,
)
def test_an_index_that_does_not_fit_its_bin_is_an_error(tmp_path, entry, what):
    (tmp_path / "layer_0.bin").write_bytes(b"0123456789")
    write_index(tmp_path, [entry])
    with pytest.raises(EvidenceError, match=what) as error:
        read(tmp_path, FeatureId(0, 0))
    assert error.value.where.endswith("index.json.gz: layer 0")


def test_a_bin_that_nobody_asks_for_may_be_missing(tmp_path):
    write_bins(tmp_path, {0: [pack(GOOD)], 1: [pack(GOOD)]})
    (tmp_path / "layer_1.bin").unlink()
    assert isinstance(read_one(tmp_path, FeatureId(0, 0)), FeatureEvidence)


def test_a_folder_of_something_else_is_an_error_that_lists_it(tmp_path):
    for name in ("b.txt", "graph.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(EvidenceError, match=r"found 'b\.txt', 'graph\.json'\. Expected a folder"):
        FolderSource(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b'{"nodes": [], "links": []}', "no record with layer and index"),
        (b"\n".join([b"{"] * 300), "no record with layer and index"),
        (b"", "no record with layer and index"),
        (gzip.compress(GOOD), "packed with gzip. Unpack it first"),
    ],
)
def test_a_file_of_something_else_is_an_error(tmp_path, content, what):
    path = tmp_path / "something.json"
    path.write_bytes(content)
    with pytest.raises(EvidenceError, match=what):
        FolderSource(str(path))


@pytest.mark.parametrize("argument", ["", "nowhere/at/all", "nul\0byte"])
def test_what_is_not_there_is_an_error(argument):
    with pytest.raises(EvidenceError):
        FolderSource(argument)


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(EvidenceError, match="the folder is empty"):
        FolderSource(str(tmp_path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_damaged_bin_never_raises(tmp_path, data):
    records = [pack(make_record(FeatureId(0, n))) for n in range(3)]
    folder = write_bins(tmp_path / "bins", {0: records})
    path = folder / "layer_0.bin"
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    outcomes = read(folder, *[FeatureId(0, n) for n in range(3)])
    assert all(isinstance(outcome, FeatureEvidence | EvidenceGap) for outcome in outcomes)


@pytest.mark.skipif("CLERP_TEST_DATA" not in os.environ, reason="needs the real features")
def test_the_real_folder_is_read_through_the_folder_above():
    folder = Path(os.environ["CLERP_TEST_DATA"]) / "roles"
    features = [unpair(int(path.stem)) for path in sorted((folder / "features").iterdir())]
    outcomes = read(folder, *features, FeatureId(99, 99))
    assert sum(isinstance(outcome, FeatureEvidence) for outcome in outcomes) == 357
    assert outcomes[-1] == EvidenceGap(FeatureId(99, 99), "no record in features/")


@pytest.mark.parametrize("part", ["index.json.gz", "layer_0.bin"])
def test_a_part_of_a_folder_of_bins_leads_to_the_folder(tmp_path: Path, part: str):
    folder = tmp_path / "features"
    write_bins(folder, {0: [b""]})

    with pytest.raises(EvidenceError, match="one file of a folder of bins") as raised:
        FolderSource(str(folder / part))
    assert raised.value.remedy == f"Name the folder, {folder}"
