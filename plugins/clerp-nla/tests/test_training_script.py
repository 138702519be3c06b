"""The script that makes the tiny pair, with so little learning that it takes no time."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from clerp.evidence import FeatureEvidence
from clerp.evidence.folder import FolderSource
from clerp.feature import FeatureId
from clerp.graph import read_graph
from clerp_nla.training import __main__ as script
from clerp_nla.training import folder as writing
from clerp_nla.training.learning import Course
from clerp_nla.training.recipe import Recipe

pytestmark = pytest.mark.slow

LITTLE = Recipe(8, 2, Course(1, 4), Course(1, 4), Course(1, 4))


Run = Callable[..., dict[str, bytes]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setattr(script, "Recipe", lambda: LITTLE)
    monkeypatch.setattr(script, "N_UNSEEN", 64)
    monkeypatch.setattr(writing, "N_DOCUMENTS", 120)
    monkeypatch.setattr(writing, "N_REFERENCES", 70)

    def run(out: Path, seed: int = 0) -> dict[str, bytes]:
        monkeypatch.setattr("sys.argv", ["training", str(out), "--seed", str(seed)])
        script.main()
        files = (path for path in out.rglob("*") if path.is_file())
        return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}

    yield run
    torch.use_deterministic_algorithms(mode=False)


def test_the_folder_has_all_and_seeds_decide_every_byte(run: Run, tmp_path: Path) -> None:
    first, again, other = run(tmp_path / "a"), run(tmp_path / "b"), run(tmp_path / "c", seed=1)
    assert first == again
    for name in ("av/model.safetensors", "features/3.json.gz", "reference.txt"):
        assert first[name] != other[name]
    parts = {name.split("/")[0] for name in first}
    assert parts == {
        *("subject", "av", "ar", "transcoders", "features"),
        *("graph.json", "reference.txt", "truth.json"),
    }
    [evidence] = FolderSource(str(tmp_path / "a" / "features")).read([FeatureId(1, 0)])
    assert isinstance(evidence, FeatureEvidence)
    assert read_graph(tmp_path / "a" / "graph.json").metadata


def test_nothing_is_overwritten(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(tmp_path)
    assert ended.value.code == 1
    assert "name a new folder" in capsys.readouterr().err
