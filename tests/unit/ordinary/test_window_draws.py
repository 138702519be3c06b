from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clerp.correlation import DRAWS, LARGEST
from clerp.errors import EvidenceError, MissingEvidenceError
from clerp.ordinary.passages import load_passages
from clerp.ordinary.window_draws import WindowDraws, load_draws, pack_draws, read_draws
from clerp.plugins import find
from clerp.windows import DEFAULT_WINDOWS

SCORES = np.array([[0, 0, 0], [-200, 15, 9000], [3, 3, 4]], dtype=np.int16)
DRAWN = WindowDraws("some:1", "passages@1", {(-1, 0): SCORES, (1, 2): SCORES + 1})


def write(drawn: WindowDraws, folder: Path) -> Path:
    path = folder / "draws.zst"
    path.write_bytes(pack_draws(drawn))
    return path


def test_draws_are_read_as_they_were_packed(tmp_path: Path):
    read = read_draws(write(DRAWN, tmp_path))

    assert (read.embedder, read.passages) == ("some:1", "passages@1")
    assert list(read.scores) == [(-1, 0), (1, 2)]
    np.testing.assert_array_equal(read.scores[-1, 0], SCORES)
    np.testing.assert_array_equal(read.scores[1, 2], SCORES + 1)


@given(arrays(np.int16, (3, 7), elements=st.integers(-10_000, 10_000)))
def test_any_sorted_scores_come_back(scores: np.ndarray):
    drawn = replace(DRAWN, scores={(0, 0): np.sort(scores, axis=1)})
    with TemporaryDirectory() as folder:
        read = read_draws(write(drawn, Path(folder)))

    np.testing.assert_array_equal(read.scores[0, 0], np.sort(scores, axis=1))


def test_equal_draws_give_equal_bytes():
    swapped = {span: DRAWN.scores[span] for span in sorted(DRAWN.scores, reverse=True)}

    assert pack_draws(replace(DRAWN, scores=swapped)) == pack_draws(DRAWN)


@pytest.mark.parametrize(
    "scores", [SCORES[:, ::-1], np.full((2, 3), 10_001), np.full((2, 3), -10_001)]
)
def test_what_is_no_sorted_score_is_refused(scores: np.ndarray, tmp_path: Path):
    path = write(replace(DRAWN, scores={(0, 0): scores.astype(np.int16)}), tmp_path)

    with pytest.raises(EvidenceError, match="holds no sorted scores") as raised:
        read_draws(path)

    assert raised.value.where == "draws.zst"


@pytest.mark.parametrize("keep", [0, 10, -1])
def test_a_damaged_file_is_named(keep: int, tmp_path: Path):
    path = write(DRAWN, tmp_path)
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(EvidenceError) as raised:
        read_draws(path)

    assert raised.value.where == "draws.zst"


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(MissingEvidenceError) as raised:
        read_draws(tmp_path / "draws.zst")

    assert raised.value.where == "draws.zst"


def test_what_ships_belongs_to_the_default_embedder_the_passages_and_the_windows():
    shipped = load_draws()

    assert shipped.embedder == find("embedders", "wordllama").name
    assert shipped.passages == load_passages().name
    assert set(shipped.scores) == {(window.start, window.stop) for window in DEFAULT_WINDOWS}
    assert {scores.shape for scores in shipped.scores.values()} == {(LARGEST, DRAWS)}
