from concurrent.futures import CancelledError
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import UsageError
from clerp.evidence.bins import Span
from clerp.feature import FeatureId
from clerp_circuit_tracer.hub.fetching import Workers
from clerp_circuit_tracer.hub.place import Place, find_new_name
from clerp_circuit_tracer.hub.spot import MAX_STRETCH_BYTES, Spot, join_touching
from clerp_circuit_tracer.huggingface import HuggingFaceSource

PLACE = Place.parse("owner/transcoders")
parts = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,8}(\.[a-z]+)?", fullmatch=True)


@st.composite
def lists_of_spots(draw):
    """Records of some bins, not all of them asked for, some more than once."""
    spots = []
    for name in draw(st.lists(st.sampled_from(["a.bin", "b.bin"]), unique=True)):
        offset = 0
        for size in draw(st.lists(st.integers(1, MAX_STRETCH_BYTES), max_size=12)):
            spots.append(Spot(PLACE, name, Span(offset, offset + size), "record", 0))
            offset += size
    return draw(st.lists(st.sampled_from(spots))) if spots else []


@given(lists_of_spots())
def test_each_record_is_in_one_stretch(spots):
    fetched = [spot for stretch in join_touching(spots) for spot in stretch.spots]
    assert len(fetched) == len(set(fetched))
    assert set(fetched) == set(spots)


@given(lists_of_spots())
def test_a_stretch_has_no_byte_but_those_of_its_records(spots):
    for stretch in join_touching(spots):
        assert {spot.filename for spot in stretch.spots} == {stretch.spots[0].filename}
        assert stretch.span.size == sum(spot.span.size for spot in stretch.spots)
        assert len(stretch.spots) == 1 or stretch.span.size <= MAX_STRETCH_BYTES


@given(lists_of_spots())
def test_two_stretches_that_touch_are_too_large_for_one(spots):
    stretches = list(join_touching(spots))
    for one, other in pairwise(stretches):
        touch = (one.spots[0].filename, one.span.end) == (
            other.spots[0].filename,
            other.span.start,
        )
        assert not touch or one.span.size + other.spots[0].span.size > MAX_STRETCH_BYTES


@given(parts, parts, st.lists(parts, max_size=3), parts)
def test_a_place_reads_what_it_writes(owner, name, folders, revision):
    place = Place(f"{owner}/{name}", "/".join(folders), revision)
    assert Place.parse(str(place)) == place


@given(st.text(max_size=40))
def test_no_text_leads_out_of_the_repository(text):
    address = PLACE.locate(text)
    assert address.startswith("/owner/transcoders/resolve/main/features/")
    assert not {"?", "#", "\\", " ", "\n"} & set(address)


@pytest.mark.parametrize("host", ["", "https://huggingface.co"])
def test_the_new_name_of_a_repository_is_read_from_where_it_leads(host):
    place = Place.parse("new/name//folder")
    assert find_new_name(f"{host}{place.locate('index.json.gz')}") == "new/name"


@pytest.mark.parametrize("location", ["", "/login", "/a/b/c/resolve/d", "http://h/a/b/resolve/c"])
def test_no_name_is_read_from_elsewhere(location):
    assert find_new_name(location) is None


def test_what_is_under_way_is_waited_for_and_not_hung_up_on():
    workers, hung_up = Workers(), []
    going = [workers.start(str, n) for n in range(50)]
    workers.stop(lambda: hung_up.append(True))
    assert all(future.done() for future in going)
    assert hung_up == []


def test_whoever_waits_is_woken():
    workers = Workers()
    waiting = [workers.start(workers.sleep, 10_000.0) for _ in range(2)]
    workers.stop(lambda: None)
    for future in waiting:
        with pytest.raises(CancelledError):
            future.result()


@pytest.mark.parametrize("endpoint", ["http://huggingface.co", "nonsense"])
def test_an_endpoint_that_cannot_be_used_is_an_error(tmp_path, monkeypatch, endpoint):
    monkeypatch.setenv("CLERP_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(UsageError, match="server address"):
        list(HuggingFaceSource(str(PLACE)).read([FeatureId(0, 0)]))


def test_the_public_hub_is_asked_by_default(tmp_path, monkeypatch):
    monkeypatch.setenv("CLERP_CACHE", str(tmp_path))
    asked = SimpleNamespace(base="")

    class Stop(Exception):  # noqa: N818
        pass

    def refuse(base, **settings):
        asked.base = base
        raise Stop

    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    monkeypatch.setattr("clerp_circuit_tracer.hub.hub.Client", refuse)
    with pytest.raises(Stop):
        list(HuggingFaceSource(str(PLACE)).read([FeatureId(0, 0)]))
    assert asked.base == "https://huggingface.co"
