import os
import re
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import EvidenceError
from clerp.remote import Cache, open_cache

contents = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.binary())


def open_database(path):
    return closing(sqlite3.connect(path, isolation_level=None))


def refuse(path):
    with pytest.raises(EvidenceError, match=re.escape(str(path))) as caught:
        Cache(path)
    return caught.value


@given(contents)
def test_what_was_put_is_got_also_by_the_next_process(tmp_path_factory, kept):
    path = tmp_path_factory.mktemp("cache") / "c.sqlite"
    with Cache(path) as cache:
        for key, content in kept.items():
            cache.put(key, content)
    with Cache(path) as cache:
        assert {key: cache.get(key) for key in kept} == kept
        assert cache.get("\x00never put") is None


def test_a_key_has_its_newest_content(tmp_path):
    with Cache(tmp_path / "c") as cache:
        cache.put("main", b"old")
        cache.put("main", b"new")
        assert cache.get("main") == b"new"


def test_equal_contents_are_kept_once(tmp_path):
    with Cache(tmp_path / "c") as cache:
        for key in ("a", "b", "c"):
            cache.put(key, b"same")
    with open_database(tmp_path / "c") as database:
        assert database.execute("SELECT content FROM contents").fetchall() == [(b"same",)]


@pytest.mark.parametrize("damage", [b"changed", b"", "text", 7])
def test_damaged_content_is_dropped_for_all_that_share_it_and_can_be_put_again(tmp_path, damage):
    with Cache(tmp_path / "c") as cache:
        cache.put("a", b"good")
        cache.put("b", b"good")
        cache.put("c", b"other")
        with open_database(tmp_path / "c") as database:
            database.execute(
                "UPDATE contents SET content = ? WHERE sha256 = ?",
                (damage, sha256(b"good").digest()),
            )
        assert cache.get("a") is None
        assert cache.get("b") is None
        assert cache.get("c") == b"other"
        cache.put("a", b"good")
        assert cache.get("a") == b"good"


def test_putting_a_content_again_repairs_it(tmp_path):
    with Cache(tmp_path / "c") as cache:
        cache.put("a", b"good")
        with open_database(tmp_path / "c") as database:
            database.execute("UPDATE contents SET content = x'00'")
        cache.put("b", b"good")
        assert cache.get("a") == b"good"


def test_threads_share_a_cache(tmp_path):
    barrier = threading.Barrier(16, timeout=60)

    def work(n):
        barrier.wait()
        for key in map(str, range(n, n + 20)):
            cache.put(key, key.encode())
        return [cache.get(str(key)) for key in range(n, n + 20)]

    with Cache(tmp_path / "c") as cache, ThreadPoolExecutor(16) as pool:
        found = list(pool.map(work, range(16)))
    assert found == [[str(key).encode() for key in range(n, n + 20)] for n in range(16)]


FILLING = """
import sys
from pathlib import Path
from clerp.remote import Cache

path, n = sys.argv[1:]
sys.stdin.readline()
with Cache(Path(path)) as cache:
    for key in range(20):
        cache.put(f"{n} {key}", b"%d" % key)
"""


def test_processes_make_and_fill_a_cache_at_once(tmp_path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FILLING, str(tmp_path / "c"), str(n)], stdin=subprocess.PIPE
        )
        for n in range(6)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    for process in processes:
        process.wait(timeout=120)
    assert [process.returncode for process in processes] == [0] * 6
    with Cache(tmp_path / "c") as cache:
        found = [[cache.get(f"{n} {key}") for key in range(20)] for n in range(6)]
    assert found == [[b"%d" % key for key in range(20)]] * 6


def test_a_file_that_is_no_database_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "c"
    path.write_bytes(b"this is a letter to my mother" * 1000)
    assert refuse(path).remedy == "Delete the file: it is made again"
    assert path.read_bytes().startswith(b"this is a letter")


def test_a_database_of_something_else_is_not_touched(tmp_path):
    path = tmp_path / "c"
    with open_database(path) as database:
        database.execute("CREATE TABLE recipes (name TEXT)")
    before = path.read_bytes()
    assert refuse(path).what == "this is a database of something else"
    assert path.read_bytes() == before


def test_a_cache_of_another_version_is_refused(tmp_path):
    path = tmp_path / "c"
    Cache(path).close()
    with open_database(path) as database:
        database.execute("PRAGMA user_version = 2")
    assert "another version" in refuse(path).what


def test_a_database_damaged_in_the_middle_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "c"
    with Cache(path) as cache:
        for n in range(100):
            cache.put(str(n), bytes([n]) * 5000)
    whole = bytearray(path.read_bytes())
    for page in range(4096, len(whole), 4096):
        whole[page : page + 100] = b"\xff" * 100
    path.write_bytes(whole)
    with pytest.raises(EvidenceError, match=re.escape(str(path))), Cache(path) as cache:
        [cache.get(str(n)) for n in range(100)]


def test_a_cache_that_lost_its_tables_is_an_error(tmp_path):
    with Cache(tmp_path / "c") as cache:
        with open_database(tmp_path / "c") as database:
            database.execute("DROP TABLE contents")
        with pytest.raises(EvidenceError, match="no such table"):
            cache.get("a")


def test_a_folder_in_the_place_of_the_file_is_an_error(tmp_path):
    assert refuse(tmp_path).remedy == "Set CLERP_CACHE to another folder"


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EvidenceError, match="cache cannot be made"):
        open_cache(tmp_path / "file" / "cache")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    tmp_path.chmod(0o500)
    refuse(tmp_path / "c")


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"CLERP_CACHE": "{here}/mine", "XDG_CACHE_HOME": "{here}/xdg"}, "mine"),
        ({"XDG_CACHE_HOME": "{here}/xdg"}, "xdg/clerp"),
        ({"CLERP_CACHE": "", "XDG_CACHE_HOME": "relative"}, ".cache/clerp"),
        ({}, ".cache/clerp"),
    ],
)
def test_the_folder_comes_from_the_environment(tmp_path, monkeypatch, environment, folder):
    for name in ("CLERP_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(here=tmp_path))
    open_cache().close()
    assert (tmp_path / folder / "cache.sqlite").is_file()
