import gzip
import json
import os
import random
import shutil
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny_graph import build_records, build_tiny_graph, write_graph

import clerp
from clerp.errors import EvidenceError
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.evidence.parsing import MAX_EXAMPLES
from clerp.feature import FeatureId
from clerp.plugins import Source, find
from clerp.testing import check_registered, check_source
from clerp_neuronpedia import export_lines
from clerp_neuronpedia.api import NeuronpediaSource
from clerp_neuronpedia.export import (
    BROKEN_LINE,
    FOREIGN_LINE,
    NO_ATTENTION,
    NO_FEATURE,
    NO_LAYER,
    ExportSource,
)
from clerp_neuronpedia.spill import Line, Spill

FEATURE = FeatureId(3, 7)
OTHER = FeatureId(3, 11)
SOME = [FeatureId(layer, index) for layer in (3, 1) for index in (7, 100, 11)]
NAME = "neuronpedia-export:gemma-2-2b/clt-hp"


def build_rows(build, features):
    return [build.row(f.layer, f.index) for f in features]


def read(source, *features):
    return list(source.read(features))


def read_one(folder, feature=FEATURE):
    (item,) = ExportSource(str(folder)).read([feature])
    return item


def read_evidence(folder):
    evidence = read_one(folder)
    assert isinstance(evidence, FeatureEvidence), evidence
    return evidence


def read_gap(folder, feature=FEATURE):
    gap = read_one(folder, feature)
    assert isinstance(gap, EvidenceGap)
    return gap


def list_features(items):
    assert all(isinstance(item, FeatureEvidence) for item in items), items
    return [item.feature for item in items]


@pytest.fixture
def folder(export, build):
    """One layer with two features."""
    return export.write(build_rows(build, [FEATURE, OTHER])) / "3-clt-hp"


def activations_of(folder):
    return folder / "activations" / "batch-0.jsonl.gz"


def test_it_keeps_the_contract(export, build):
    folder = export.write(build_rows(build, SOME))
    check_source(ExportSource(str(folder)), SOME)
    check_registered("sources", f"neuronpedia-export:{folder}", features=SOME)


@pytest.mark.parametrize("below", ["", "gemma-2-2b", "v1/gemma-2-2b"])
def test_every_level_of_the_bucket_may_be_named(export, build, below):
    export.write(build_rows(build, SOME), below=below)
    assert list_features(read(ExportSource(str(export.folder)), *SOME)) == SOME


def test_the_folder_of_one_source_may_be_named(folder):
    assert list_features(read(ExportSource(str(folder)), FEATURE)) == [FEATURE]


def test_the_name_comes_from_the_rows_and_not_from_the_folder(folder):
    moved = folder.rename(folder.with_name("something-else"))
    source = find("sources", f"neuronpedia-export:{moved}")
    assert isinstance(source, Source)
    assert source.name == NAME
    assert read(source, FEATURE)[0].feature == FEATURE


def test_a_folder_that_is_named_like_another_source_is_refused(folder):
    moved = folder.rename(folder.with_name("12-clt-hp"))
    with pytest.raises(EvidenceError, match=r"12-clt-hp: holds rows of 3-clt-hp.*name") as raised:
        ExportSource(str(moved))
    assert raised.value.where == str(moved)


def list_contents(items):
    return [(item.digest, [c.text for c in item.candidates]) for item in items]


def test_an_export_and_the_server_give_the_same_evidence(export, neuronpedia, build):
    intervals = [None, (0.0, 2.0), (2.0, 4.0)]
    rows = [
        build.row(
            f.layer,
            f.index,
            [
                build.activation(f"{f}w{n}", n + 0.5, interval=intervals[n % 3])
                for n in random.Random(f.index).sample(range(6), 6)
            ],
            explanations=[build.explanation("one"), build.explanation("two", "np_max-act")],
        )
        for f in SOME
    ]
    neuronpedia.rows = rows
    exported = read(ExportSource(str(export.write(rows))), *SOME)
    served = read(NeuronpediaSource("gemma-2-2b/clt-hp"), *SOME)
    assert list_features(exported) == SOME
    assert list_contents(exported) == list_contents(served)


def test_evidence_comes_in_the_order_asked_and_as_often(export, build):
    rows = build_rows(build, [*SOME, FeatureId(3, 12)])
    source = ExportSource(str(export.write(rows)))
    asked = [*reversed(SOME), SOME[0], SOME[0]]
    assert list_features(read(source, *asked)) == asked


def test_a_whole_dictionary_is_read(export, build):
    features = [FeatureId(layer, index) for layer in range(3) for index in range(300)]
    source = ExportSource(str(export.write(build_rows(build, features))))
    assert list_features(read(source, *features)) == features


def test_what_the_export_does_not_hold_is_a_gap(folder):
    lorsa = FeatureId(3, 7, "lor")
    absent, elsewhere = FeatureId(3, 8), FeatureId(4, 7)
    assert read_one(folder, absent) == EvidenceGap(absent, NO_FEATURE)
    assert read_one(folder, elsewhere) == EvidenceGap(elsewhere, NO_LAYER)
    assert read_one(folder, lorsa) == EvidenceGap(lorsa, NO_ATTENTION)


def test_activations_alone_are_evidence_without_promoted_tokens(folder):
    shutil.rmtree(folder / "features")
    shutil.rmtree(folder / "explanations")
    evidence = read_evidence(folder)
    assert len(evidence.top) == 3
    assert (evidence.promoted, evidence.density, evidence.candidates) == ((), None, ())


def test_a_feature_without_activations_is_a_gap(export, build):
    folder = export.write([build.row(3, 7, []), build.row(3, 11)])
    assert read_one(folder) == EvidenceGap(FEATURE, "no activation example in the record")


@pytest.mark.parametrize("stranger", [{"layer": "3-other"}, {"modelId": "gemma-2-9b"}])
def test_rows_of_other_sources_are_not_taken_but_counted(folder, export, build, stranger):
    line = build.activation("stranger", **{"layer": "3-clt-hp", "index": "7", **stranger})
    export.write_lines(folder / "activations" / "batch-1.jsonl.gz", [json.dumps(line)] * 2)
    evidence = read_evidence(folder)
    assert len(evidence.top) == 3
    assert evidence.set_aside == ((FOREIGN_LINE, 2),)
    place = "of another source: 2, first activations/batch-1.jsonl.gz line 1"
    reason = f"{NO_FEATURE}; lines of the layer that are {place}"
    assert read_gap(folder, FeatureId(3, 8)).reason == reason


def test_a_first_row_of_another_source_is_not_taken_for_that_of_the_folder(folder, build):
    path = activations_of(folder)
    stray = json.dumps(build.activation("stray", layer="14-clt-hp", index="9")).encode()
    path.write_bytes(gzip.compress(stray + b"\n") + path.read_bytes())
    assert ExportSource(str(folder)).name == NAME
    evidence = read_evidence(folder)
    assert len(evidence.top) == 3
    assert evidence.set_aside == ((FOREIGN_LINE, 1),)


def test_lines_that_are_not_json_but_python_are_read(folder, export, build):
    line = build.activation("odd", layer="3-clt-hp", index="7", dfaMaxValue=float("nan"))
    export.write_lines(folder / "activations" / "batch-1.jsonl.gz", [json.dumps(line)])
    assert len(read_evidence(folder).top) == 4


def test_a_file_that_is_there_packed_and_unpacked_is_read_once(folder):
    packed = activations_of(folder)
    packed.with_name("batch-0.jsonl").write_bytes(gzip.decompress(packed.read_bytes()))
    assert read_evidence(folder).set_aside == ()
    packed.unlink()
    assert len(read_evidence(folder).top) == 3


def test_several_source_sets_are_refused_and_a_pattern_chooses(export, build):
    folder = export.write([build.row(), build.row(source_set="other")])
    with pytest.raises(EvidenceError, match=r"2 source sets: gemma-2-2b/clt-hp, .*pattern"):
        ExportSource(str(folder))
    assert ExportSource(f"{folder}/*-clt-hp").name == NAME


def test_one_layer_twice_is_refused(folder):
    shutil.copytree(folder, folder.with_name("copy"))
    with pytest.raises(EvidenceError, match="two folders are of the same layer"):
        ExportSource(str(folder.parent))


@pytest.mark.parametrize("argument", ["", "nothing/here", "empty", "*-none"])
def test_a_place_without_an_export_is_refused(tmp_path, monkeypatch, argument):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(EvidenceError):
        ExportSource(argument)


def test_a_folder_of_something_else_is_refused_with_what_is_expected(tmp_path, export):
    export.write_lines(tmp_path / "activations" / "batch-0.jsonl.gz", ['{"a": 1}'] * 500)
    with pytest.raises(EvidenceError, match=r"no line with modelId.*batch-N"):
        ExportSource(str(tmp_path))


def test_a_layer_whose_files_are_empty_does_not_stop_the_others(folder, export):
    export.write_lines(folder.parent / "4-clt-hp" / "activations" / "batch-0.jsonl.gz", [])
    items = read(ExportSource(str(folder.parent)), FEATURE, FeatureId(4, 7))
    assert isinstance(items[0], FeatureEvidence)
    assert items[1] == EvidenceGap(FeatureId(4, 7), NO_LAYER)


def test_broken_lines_are_counted_in_evidence_and_named_in_gaps(folder, export):
    lines = ["{", "", '"text"', '{"index": 1}', "null"]
    export.write_lines(folder / "activations" / "batch-1.jsonl.gz", lines)
    whole = read_evidence(folder)
    assert whole.set_aside == ((BROKEN_LINE, 4),)
    gap = read_gap(folder, FeatureId(3, 8))
    place = "broken: 4, first activations/batch-1.jsonl.gz line 1"
    assert gap.reason == f"{NO_FEATURE}; lines of the layer that are {place}"


def test_broken_lines_leave_the_digest_alone(folder, export):
    before = read_evidence(folder).digest
    export.write_lines(folder / "activations" / "batch-1.jsonl.gz", ["{"])
    assert read_evidence(folder).digest == before


def test_a_line_that_is_broken_only_inside_counts_as_a_malformed_example(folder):
    path = folder / "activations" / "batch-1.jsonl.gz"
    head = b'{"modelId": "gemma-2-2b", "layer": "3-clt-hp", "index": "7", "tokens": ["'
    path.write_bytes(gzip.compress(head + b'\xff"]}\n'))
    assert dict(read_evidence(folder).set_aside) == {"malformed example": 1}


def test_two_different_feature_rows_are_a_gap_and_two_equal_ones_are_not(folder, export, build):
    row = {k: v for k, v in build.row(3, 7).items() if k not in ("activations", "explanations")}
    again = folder / "features" / "batch-1.jsonl.gz"
    export.write_lines(again, [json.dumps(row)])
    assert isinstance(read_one(folder), FeatureEvidence)
    export.write_lines(again, [json.dumps(row | {"pos_str": [" other"]})])
    assert read_gap(folder).reason == "3-clt-hp/7: two different rows in the export"


def test_a_field_of_a_wrong_type_is_a_gap_that_names_it(export, build):
    folder = export.write([build.row(pos_str=[3])])
    assert read_gap(folder).reason.startswith("3-clt-hp/7: pos_str[0]: ")


def test_more_examples_than_anybody_writes_are_a_gap_and_not_a_full_disk(export, build):
    many = [build.activation(f"w{n}") for n in range(3 * MAX_EXAMPLES)]
    assert f"{MAX_EXAMPLES + 1} examples" in read_gap(export.write([build.row(3, 7, many)])).reason


def test_a_packed_file_cut_short_is_named_with_the_line(folder):
    path = activations_of(folder)
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    rng = random.Random(0)
    padding = json.dumps({**json.loads(lines[0]), "index": "999", "id": rng.randbytes(9000).hex()})
    packed = gzip.compress(b"".join(lines) + f"{padding}\n".encode() * 3)
    path.write_bytes(packed[:-30])
    source = ExportSource(str(folder))
    with pytest.raises(EvidenceError) as raised:
        read(source, FEATURE)
    assert raised.value.what == "packed data cut short"
    assert raised.value.where.startswith(f"{path} line ")
    assert "again" in raised.value.remedy


def test_a_damaged_packed_file_is_named(folder):
    path = activations_of(folder)
    content = bytearray(path.read_bytes())
    content[-6] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(EvidenceError, match=r"batch-0.jsonl.gz line \d+: damaged gzip data"):
        read(ExportSource(str(folder)), FEATURE)


def test_a_plain_file_cut_short_is_named_with_the_line(folder):
    path = activations_of(folder)
    content = gzip.decompress(path.read_bytes())
    path.unlink()
    path.with_name("batch-0.jsonl").write_bytes(content[:-20])
    with pytest.raises(EvidenceError, match=r"batch-0.jsonl line 6: file cut short"):
        read(ExportSource(str(folder)), FEATURE)


def test_a_line_without_end_is_refused_early(folder, monkeypatch):
    monkeypatch.setattr(export_lines, "MAX_LINE_BYTES", 2**20)
    bomb = gzip.compress(b" " * 50_000_000)
    (folder / "activations" / "batch-1.jsonl.gz").write_bytes(bomb)
    source = ExportSource(str(folder))
    tracemalloc.start()
    try:
        with pytest.raises(EvidenceError, match=r"batch-1.jsonl.gz line 1: larger than 1 MB"):
            read(source, FEATURE)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_pipe_among_the_files_is_refused_and_not_waited_for(folder):
    os.mkfifo(folder / "activations" / "batch-1.jsonl")
    with pytest.raises(EvidenceError, match="no regular file"):
        read(ExportSource(str(folder)), FEATURE)


def test_no_label_of_a_graph_rests_on_an_explanation(export, build, tmp_path):
    rows = []
    for feature, record in build_records().items():
        (quantile,) = record["examples_quantiles"]
        activations = [
            build.activation(
                str(n),
                max(example["tokens_acts_list"]),
                tokens=example["tokens"],
                values=example["tokens_acts_list"],
            )
            for n, example in enumerate(quantile["examples"])
        ]
        explanations = [build.explanation("zebras")]
        rows.append(build.row(feature.layer, feature.index, activations, explanations=explanations))
    graph = write_graph(tmp_path / "graph.json", build_tiny_graph())
    labeled = clerp.label(
        graph,
        features=f"neuronpedia-export:{export.write(rows)}",
        rule="protocol",
        threshold=0.001,
        ledger=":memory:",
    )
    labels = [feature.label for feature in labeled.features]
    assert any("Dallas" in str(label) for label in labels)
    assert not any("zebras" in str(label) for label in labels)


def test_a_full_disk_is_an_error_that_says_what_to_do():
    with Spill() as spill:
        # A file of so few pages is full as a disk is.
        spill._connection.execute("PRAGMA max_page_count = 20")
        lines = (Line(FEATURE, "activations", b" " * 4096) for _ in range(100))
        with pytest.raises(EvidenceError, match=r"full.*TMPDIR"):
            spill.fill(lines)


def measure_peak(source, features):
    tracemalloc.start()
    try:
        for _ in source.read(features):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_files(folder, export, build):
    source = ExportSource(str(folder))
    line = json.dumps(build.activation("other", layer="3-clt-hp", index="999", n_tokens=128))
    read(source, FEATURE)
    small = measure_peak(source, [FEATURE])
    export.write_lines(folder / "activations" / "batch-1.jsonl.gz", [line] * 3000)
    large = measure_peak(source, [FEATURE])
    assert large < small + 500_000


@settings(max_examples=30)
@given(lines=st.lists(st.binary(max_size=60) | st.text(max_size=30).map(str.encode), max_size=8))
def test_no_line_breaks_the_contract(tmp_path_factory, build, lines):
    folder = tmp_path_factory.mktemp("export")
    (folder / "activations").mkdir()
    line = json.dumps(build.activation("a", layer="3-clt-hp", index="7")).encode()
    content = b"\n".join([line, *lines, b""])
    (folder / "activations" / "batch-0.jsonl").write_bytes(content)
    assert isinstance(read_one(folder), FeatureEvidence)
