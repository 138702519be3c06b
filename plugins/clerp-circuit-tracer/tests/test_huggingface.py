import gc
import gzip
import json
import sqlite3
import threading
from collections.abc import Generator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest
from tests.loopback import Asked, Reply, serve

from clerp.errors import EvidenceError, MissingEvidenceError, RemoteError, UsageError
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.evidence.folder import FolderSource
from clerp.feature import FeatureId
from clerp.plugins import Remote
from clerp.remote import Patience
from clerp.remote.cache import FILE_NAME
from clerp.testing import check_registered, check_source
from clerp_circuit_tracer.huggingface import HuggingFaceSource

from .fake_hub import (
    COMMIT,
    INDEX,
    LATER,
    REPOSITORY,
    make_record,
    pack,
    run_hub,
    write_bin,
    write_index,
)

SAMPLE = Path(__file__).parents[3] / "graphs" / "smollm2-135m" / "features"
IMPATIENT = Patience(attempts=1)
# Apart from each other in the bin, so that each takes a request of its own.
APART = [FeatureId(0, index) for index in range(0, 40, 2)]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("CLERP_CACHE", str(folder))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return folder


@pytest.fixture
def hub(monkeypatch):
    with run_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.server.address)
        yield hub


@pytest.fixture
def small(hub, tmp_path):
    """A hub with one layer of forty records."""
    hub.publish(write_bin(tmp_path / "small", [make_record(n) for n in range(40)]))
    return hub


@pytest.fixture(scope="module")
def sample_features():
    index = json.loads(gzip.decompress((SAMPLE / "index.json.gz").read_bytes()))
    return [
        FeatureId(int(layer), n)
        for layer, entry in index.items()
        for n, (start, end) in enumerate(zip(entry["offsets"], entry["offsets"][1:], strict=False))
        if end > start
    ]


def open_source(argument=REPOSITORY, **settings):
    return HuggingFaceSource(argument, patience=IMPATIENT, **settings)


def read(features, argument=REPOSITORY, **settings):
    return list(open_source(argument, **settings).read(features))


def list_words(items):
    return [item.top[0].tokens[0] for item in items if isinstance(item, FeatureEvidence)]


def get_reason(item):
    assert isinstance(item, EvidenceGap), item
    return item.reason


def identify(item):
    return item.digest if isinstance(item, FeatureEvidence) else item.reason


def test_it_is_the_source_called_huggingface_and_keeps_the_contract(hub, sample_features):
    hub.publish(SAMPLE)
    check_registered(
        "sources", f"huggingface:{REPOSITORY}@{COMMIT}", features=sample_features[::40]
    )
    assert isinstance(open_source(), Remote)


def test_making_one_asks_nobody_and_makes_no_cache(hub, cache):
    source = open_source()
    source.offline()
    assert list(source.read([])) == []
    assert hub.server.requests == []
    assert not cache.exists()


def test_the_evidence_is_that_of_the_same_folder_on_disk(hub, sample_features):
    hub.publish(SAMPLE)
    asked = [*sample_features[::24], FeatureId(0, 5000), FeatureId(99, 0), FeatureId(7, 0)]
    here = list(FolderSource(str(SAMPLE)).read(asked))
    there = read(asked)
    assert [item.feature for item in there] == asked
    assert list(map(identify, there)) == list(map(identify, here))


def test_offline_it_keeps_the_contract_too(hub, sample_features):
    hub.publish(SAMPLE)
    read(sample_features[:3])
    check_source(open_source().offline(), sample_features[:5])


def test_only_the_records_asked_for_are_fetched(small):
    items = read(APART)
    assert list_words(items) == [f" word{feature.index}" for feature in APART]
    assert len(small.records) == len(APART)
    assert small.n_record_bytes == sum(len(make_record(f.index)) for f in APART)


def test_records_that_touch_come_with_one_request(small):
    features = [FeatureId(0, n) for n in (5, 3, 4, 9)]
    assert list_words(read(features)) == [" word5", " word3", " word4", " word9"]
    assert len(small.records) == 2


def test_a_stretch_of_touching_records_has_an_end(hub, tmp_path, monkeypatch):
    monkeypatch.setattr("clerp_circuit_tracer.hub.spot.MAX_STRETCH_BYTES", 500)
    records = [make_record(n) for n in range(40)]
    hub.publish(write_bin(tmp_path / "small", records))
    assert len(list_words(read([FeatureId(0, n) for n in range(40)]))) == 40
    sizes = [last - first + 1 for first, last in filter(None, hub.server.ranges)]
    assert sum(sizes) == sum(map(len, records))
    assert max(sizes) <= 500
    assert len(sizes) > 1


def test_the_same_feature_twice_is_asked_once_and_told_twice(small):
    items = read([FeatureId(0, 3), FeatureId(0, 8), FeatureId(0, 3)])
    assert list_words(items) == [" word3", " word8", " word3"]
    assert len(small.records) == 2


def test_a_second_run_asks_only_which_commit_it_is(small):
    read(APART)
    small.server.requests.clear()
    assert len(list_words(read(APART))) == len(APART)
    assert [asked.method for asked in small.server.requests] == ["HEAD"]


def test_a_commit_that_is_named_is_not_asked_for(small):
    argument = f"{REPOSITORY}@{COMMIT}"
    assert len(list_words(read(APART, argument))) == len(APART)
    assert "HEAD" not in [asked.method for asked in small.server.requests]
    small.server.requests.clear()
    read(APART, argument)
    assert small.server.requests == []


def test_the_name_holds_the_commit_as_soon_as_it_is_known(small):
    source = open_source()
    assert source.name == f"huggingface:{REPOSITORY}@main"
    list(source.read(APART))
    assert source.name == f"huggingface:{REPOSITORY}@{COMMIT}"
    offline = source.offline()
    list(offline.read(APART))
    assert offline.name == source.name


def test_a_revision_that_moves_does_not_move_a_run(small, tmp_path):
    source = open_source()
    items = source.read(APART)
    first = next(items)
    moved = write_bin(tmp_path / "moved", [make_record(n, word=n + 1000) for n in range(40)])
    small.publish(moved, commit=LATER)
    assert list_words([first, *items]) == [f" word{feature.index}" for feature in APART]
    assert list_words(source.read([FeatureId(0, 39)])) == [" word39"]
    assert list_words(read([FeatureId(0, 39)])) == [" word1039"]


def test_a_folder_and_a_revision_are_part_of_the_address(hub, tmp_path):
    hub.publish(write_bin(tmp_path / "a", [make_record(0)]), sub="width_16k")
    hub.branches[REPOSITORY, "refs%2Fpr%2F1"] = COMMIT
    source = open_source(f"{REPOSITORY}//width_16k@refs/pr/1")
    assert list_words(source.read([FeatureId(0, 0)])) == [" word0"]
    assert source.name == f"huggingface:{REPOSITORY}//width_16k@{COMMIT}"
    assert hub.server.paths[0] == f"/{REPOSITORY}/resolve/refs%2Fpr%2F1/width_16k/{INDEX}"


def test_one_slash_before_the_folder_will_do():
    assert open_source("a/b/c/d@e").name == "huggingface:a/b//c/d@e"


@pytest.mark.parametrize(
    "argument",
    ["", "transcoders", "a/b/", "a/b@", "a/../b", "a/b//../c", "a/b@../c", "a/b,", "a/b?c", "/a/b"],
)
def test_what_is_no_place_in_the_hub_is_refused(argument):
    with pytest.raises(UsageError, match="huggingface:OWNER/REPO"):
        open_source(argument)


def test_a_custom_set_has_a_repository_for_each_layer(hub, tmp_path):
    for layer in range(3):
        records = [make_record(n, word=layer) for n in range(2)]
        folder = write_bin(tmp_path / str(layer), records, layer)
        hub.publish(folder, repository=f"o/r{layer}", commit=str(layer) * 40)
    hub.commits["o/r1", f"{'1' * 40}/"] = tmp_path / "nowhere"
    source = open_source("o/r0,o/r1,o/r2")
    zeroth, first, second, third = source.read([FeatureId(n, n % 2) for n in (0, 1, 2, 3)])
    assert list_words([zeroth, second]) == [" word0", " word2"]
    assert get_reason(first) == "o/r1@main: there is no features/index.json.gz"
    assert get_reason(third) == "no record in features/: the set has 3 layers"
    assert source.name == f"huggingface:o/r0@{'0' * 40},o/r1@main,o/r2@{'2' * 40}"


@pytest.mark.parametrize("damage", [b"", b"abc", pack(b"{}")[:-9], b"\xff" * 30, pack(b"[]")])
def test_a_damaged_record_is_a_gap_as_on_disk(hub, tmp_path, damage):
    folder = write_bin(tmp_path / "a", [make_record(0), damage, make_record(2)])
    hub.publish(folder)
    features = [FeatureId(0, n) for n in range(3)]
    here = list(FolderSource(str(folder)).read(features))
    there = read(features)
    assert get_reason(there[1]) == get_reason(here[1])
    assert list_words(there) == [" word0", " word2"]


def test_a_record_of_impossible_size_is_a_gap_that_nobody_asks_for(hub, tmp_path):
    folder = write_bin(tmp_path / "a", [])
    offsets = [0, 2**40, 2**40 + 10]
    write_index(folder, {"0": {"filename": "layer_0.bin", "offsets": offsets}})
    hub.publish(folder)
    (item,) = read([FeatureId(0, 0)])
    assert get_reason(item) == "layer_0.bin record 0: larger than 64 MB"
    assert hub.records == []


def test_attention_features_are_gaps(small):
    (item,) = read([FeatureId(0, 3, "lor")])
    assert get_reason(item) == "attention features have no transcoder evidence here"
    assert small.records == []


def test_a_repository_without_features_is_missing_evidence(hub, tmp_path):
    hub.publish(tmp_path)
    with pytest.raises(MissingEvidenceError, match=r"owner/transcoders@main: there is no features"):
        read(APART)


def test_no_repository_is_missing_evidence_that_says_how_to_reach_private_ones(hub):
    with pytest.raises(MissingEvidenceError, match="HF_TOKEN"):
        read(APART, "nobody/nothing")


def test_a_repository_that_has_moved_is_not_followed(hub):
    location = f"/new/name/resolve/main/{INDEX}"
    hub.server.script.append(Reply(status=307, headers={"Location": location}))
    with pytest.raises(MissingEvidenceError, match="the repository has moved to new/name"):
        read(APART)
    assert len(hub.server.requests) == 1


def test_a_gated_repository_is_an_error(hub):
    hub.server.script.append(Reply(status=403))
    with pytest.raises(RemoteError, match="Set a token"):
        read(APART)


def test_the_token_is_sent_and_a_bad_one_is_told_apart(small, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret\n")
    headers = {"X-Error-Message": "Invalid credentials in Authorization header"}
    small.server.script.append(Reply(status=401, headers=headers))
    with pytest.raises(RemoteError, match="Check HF_TOKEN"):
        read(APART)
    read(APART)
    assert {a.headers["authorization"] for a in small.server.requests} == {"Bearer hf_secret"}


def test_a_server_that_names_no_commit_is_an_error(hub):
    hub.server.script.append(Reply(headers={"X-Repo-Commit": "../../etc"}))
    with pytest.raises(RemoteError, match="which commit"):
        read(APART)


def test_large_files_redirect_to_another_host_which_is_not_shown_the_token(
    small, monkeypatch, tmp_path
):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")

    def answer_from_store(asked: Asked) -> Reply:
        return small.answer(Asked(asked.method, asked.path.partition("?")[0], asked.headers))

    with serve(answer_from_store) as store:

        def redirect(asked: Asked) -> Reply:
            commit = small.answer(asked).headers["X-Repo-Commit"]
            location = f"{store.address}{asked.path}?X-Amz-Signature=secret"
            return Reply(status=302, headers={"Location": location, "X-Repo-Commit": commit})

        small.server.answer = redirect
        assert len(list_words(read(APART))) == len(APART)
    assert "HEAD" not in {asked.method for asked in store.requests}
    assert all("authorization" not in asked.headers for asked in store.requests)
    assert len([asked for asked in store.requests if asked.range]) == len(APART)


def test_a_redirect_to_a_foreign_host_is_refused(small):
    with serve() as foreign:
        list(open_source().read([FeatureId(0, 1)]))
        elsewhere = foreign.address.replace("127.0.0.1", "localhost")
        small.server.answer = lambda asked: Reply(
            status=302, headers={"Location": f"{elsewhere}/x", "X-Repo-Commit": COMMIT}
        )
        with pytest.raises(RemoteError, match="redirects to localhost"):
            read([FeatureId(0, 3)])
    assert foreign.requests == []


def test_a_record_that_came_damaged_is_a_gap_only_until_the_next_run(small):
    def damage(asked: Asked) -> Reply:
        reply = small.answer(asked)
        return replace(reply, body=bytes(len(reply.body))) if asked.range else reply

    small.server.answer = damage
    (item,) = read(APART[:1])
    assert "length prefix of 0 bytes" in get_reason(item)
    small.server.answer = small.answer
    assert list_words(read(APART[:1])) == [" word0"]


@pytest.mark.parametrize("entry", [{"filename": "layer_0.bin", "offsets": [0, 50, 20]}, 7])
def test_a_broken_index_is_asked_for_again_by_the_next_run(small, tmp_path, entry):
    index = tmp_path / "small" / "index.json.gz"
    sound = index.read_bytes()
    write_index(index.parent, {"0": entry})
    with pytest.raises(RemoteError, match="same command again: what is broken is not kept"):
        read(APART)
    index.write_bytes(sound)
    assert len(list_words(read(APART))) == len(APART)


def test_what_one_endpoint_said_is_not_taken_for_what_another_says(hub, monkeypatch, tmp_path):
    hub.publish(write_bin(tmp_path / "a", [make_record(0, word=1)]))
    with run_hub() as other:
        other.publish(write_bin(tmp_path / "b", [make_record(0, word=2)]))
        assert list_words(read([FeatureId(0, 0)])) == [" word1"]
        monkeypatch.setenv("HF_ENDPOINT", f"{other.server.address}/")
        assert list_words(read([FeatureId(0, 0)])) == [" word2"]
        monkeypatch.setenv("HF_ENDPOINT", other.server.address)
        assert list_words(open_source().offline().read([FeatureId(0, 0)])) == [" word2"]


@pytest.mark.parametrize("leave", [GeneratorExit, KeyboardInterrupt])
def test_a_hub_that_hangs_does_not_hold_up_who_leaves(small, monkeypatch, leave):
    monkeypatch.setattr("clerp_circuit_tracer.hub.fetching.GRACE_SECONDS", 0.05)
    hanging = threading.Barrier(9, timeout=60)

    def answer(asked: Asked) -> Reply:
        if not asked.range or asked.range[0] == 0:
            return small.answer(asked)
        hanging.wait()
        return Reply(hangs=True)

    small.server.answer = answer
    source = HuggingFaceSource(REPOSITORY, patience=Patience(timeout=60.0))
    items = source.read(APART[:9])
    assert isinstance(items, Generator)
    next(items)
    hanging.wait()
    start = monotonic()
    with suppress(leave):
        items.throw(leave)
    assert monotonic() - start < 10


def test_a_server_without_ranges_is_an_error(small):
    bin_file = Reply(b"x" * 10_000, headers={"X-Repo-Commit": COMMIT})
    small.server.answer = lambda asked: bin_file if asked.range else small.answer(asked)
    with pytest.raises(RemoteError, match="answered with all of them; 0 of 20 records are kept"):
        read(APART)


def test_an_index_that_does_not_fit_its_bin_is_an_error(hub, tmp_path):
    records = [make_record(n) for n in range(4)]
    folder = write_bin(tmp_path / "a", records)
    bin_file = folder / "layer_0.bin"
    bin_file.write_bytes(bin_file.read_bytes()[:-1])
    hub.publish(folder)
    size = sum(map(len, records))
    for index in (0, 2):
        with pytest.raises(
            EvidenceError, match=rf"offsets end at byte {size}, but the bin has {size - 1} bytes"
        ):
            read([FeatureId(0, index)])
    bin_file.write_bytes(b"")
    with pytest.raises(EvidenceError, match="but the bin has 0 bytes"):
        read([FeatureId(0, 2)])


@pytest.mark.parametrize(("status", "what"), [(404, "there is none"), (416, "bin is shorter")])
def test_a_long_page_about_a_missing_bin_hides_nothing(small, status, what):
    page = Reply(b"<html>" * 20_000, status=status)
    small.server.answer = lambda asked: page if asked.range else small.answer(asked)
    with pytest.raises(EvidenceError, match=what):
        read([FeatureId(0, 0)])


def test_a_bin_that_is_not_there_is_an_error(hub, tmp_path):
    folder = write_bin(tmp_path / "a", [make_record(0)])
    (folder / "layer_0.bin").unlink()
    hub.publish(folder)
    with pytest.raises(EvidenceError, match="the index names this bin, but there is none"):
        read([FeatureId(0, 0)])


@pytest.mark.parametrize(
    ("index", "what"),
    [
        (b"{", "broken index"),
        (b'{"zero": {}}', "broken index"),
        (json.dumps([{}] * 1001).encode(), "broken index: 1,001 layers"),
        (b'[{"filename": "layer_0.bin"}]', "layer 0: .*offsets"),
        (b'[{"filename": "../../secret", "offsets": [0, 4]}]', "no file of this folder"),
        (b'[{"filename": "a.bin", "offsets": [4, 0]}]', "smaller than the one before"),
    ],
)
def test_a_broken_index_is_an_error_that_names_it(hub, tmp_path, index, what):
    write_index(tmp_path, index)
    hub.publish(tmp_path)
    with pytest.raises(EvidenceError, match=f"{REPOSITORY}@{COMMIT} {INDEX}.*{what}"):
        read([FeatureId(0, 0)])


@pytest.mark.parametrize(
    "content",
    [b"\x1f\x8b\x08 no gzip", gzip.compress(b"[]" * 99, mtime=0)[:-9], b""],
    ids=["no gzip", "cut short", "empty"],
)
def test_an_index_that_cannot_be_unpacked_is_an_error(hub, tmp_path, content):
    (tmp_path / "index.json.gz").write_bytes(content)
    hub.publish(tmp_path)
    with pytest.raises(EvidenceError, match="broken index"):
        read([FeatureId(0, 0)])


def test_an_index_that_unpacks_to_too_much_is_an_error(hub, tmp_path, monkeypatch):
    monkeypatch.setattr("clerp_circuit_tracer.hub.hub.MAX_INDEX_BYTES", 1000)
    write_index(tmp_path, b" " * 1001 + b"[]")
    hub.publish(tmp_path)
    with pytest.raises(EvidenceError, match="too large"):
        read([FeatureId(0, 0)])


def test_a_layer_that_the_index_leaves_out_is_a_gap(hub, tmp_path):
    folder = write_bin(tmp_path / "a", [make_record(0)])
    entry = {"filename": "layer_0.bin", "offsets": [0, len(make_record(0))]}
    write_index(folder, [entry, None])
    hub.publish(folder)
    known, gone = read([FeatureId(0, 0), FeatureId(1, 0)])
    assert list_words([known]) == [" word0"]
    assert get_reason(gone) == "no record in features/: the index has no layer 1"


class Failing:
    """Answers so many requests for records, then fails."""

    def __init__(self, hub, n_good: int) -> None:
        self._hub = hub
        self._n_good = n_good
        self._lock = threading.Lock()

    def __call__(self, asked: Asked) -> Reply:
        with self._lock:
            self._n_good -= asked.range is not None
            good = self._n_good >= 0
        return self._hub.answer(asked) if good else Reply(status=500)


def test_a_server_that_dies_leaves_what_came_and_the_next_run_asks_for_the_rest(small):
    small.server.answer = Failing(small, 7)
    with pytest.raises(RemoteError, match=r"7 of 20 records are kept.*same command again"):
        read(APART)
    small.server.requests.clear()
    small.server.answer = small.answer
    assert len(list_words(read(APART))) == len(APART)
    assert len(small.records) == 13
    assert len({asked.range for asked in small.records}) == 13


def test_what_others_wait_for_does_not_hold_up_an_error(small):
    def answer(asked: Asked) -> Reply:
        if asked.range is None:
            return small.answer(asked)
        wait = Reply(status=429, headers={"Retry-After": "1000"})
        return Reply(status=418) if asked.range[0] == 0 else wait

    small.server.answer = answer
    source = HuggingFaceSource(REPOSITORY, patience=Patience(longest_wait=2000.0))
    with pytest.raises(RemoteError, match=r"status 418; 0 of 20 records"):
        list(source.read(APART))


def test_a_run_that_is_left_in_the_middle_is_gone_on_with(small):
    items = open_source().read(APART)
    next(items)
    del items
    gc.collect()
    n_first = len(small.records)
    small.server.requests.clear()
    read(APART)
    assert n_first + len(small.records) == len(APART)


def test_a_record_damaged_in_the_cache_is_fetched_again(small, cache):
    read(APART)
    with closing(sqlite3.connect(cache / FILE_NAME, isolation_level=None)) as database:
        content = make_record(4)
        database.execute("UPDATE contents SET content = x'00' WHERE content = ?", (content,))
    small.server.requests.clear()
    assert len(list_words(read(APART))) == len(APART)
    assert len(small.records) == 1


def test_at_most_sixteen_requests_are_open_at_once(small):
    barrier = threading.Barrier(16, timeout=60)
    features = [FeatureId(0, n) for n in range(0, 32, 2)]

    def answer(asked: Asked) -> Reply:
        if asked.range:
            barrier.wait()
        return small.answer(asked)

    small.server.answer = answer
    assert len(list_words(read(features))) == 16
    assert small.server.most_at_once == 16


def test_evidence_comes_before_the_last_record_has(small):
    seen = threading.Event()
    last = sum(len(make_record(n)) for n in range(38))

    def answer(asked: Asked) -> Reply:
        if asked.range and asked.range[0] == last:
            assert seen.wait(60)
        return small.answer(asked)

    small.server.answer = answer
    items = open_source().read(APART)
    assert list_words([next(items)]) == [" word0"]
    seen.set()
    assert len(list_words(items)) == len(APART) - 1


def test_offline_tells_what_was_kept_and_asks_nobody(small):
    online = read(APART[:5])
    small.server.requests.clear()
    offline = list(open_source().offline().read([*APART[:6], FeatureId(3, 0)]))
    assert list(map(identify, offline[:5])) == list(map(identify, online))
    assert get_reason(offline[5]) == (
        "layer_0.bin record 10: not in the cache; run once without --offline"
    )
    assert get_reason(offline[6]) == "no record in features/: the index has no layer 3"
    assert small.server.requests == []


@pytest.mark.parametrize("argument", [REPOSITORY, f"{REPOSITORY}@{COMMIT}"])
def test_offline_without_an_index_is_missing_evidence(small, argument):
    with pytest.raises(MissingEvidenceError, match="not in the cache; run once without --offline"):
        list(open_source(argument).offline().read(APART))
    assert small.server.requests == []


def test_a_dead_server_is_an_error_also_when_all_is_kept(small):
    read(APART)
    small.server.answer = lambda asked: Reply(status=500)
    with pytest.raises(RemoteError, match="the server failed"):
        read(APART)
