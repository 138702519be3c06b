import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub.utils._http import reset_sessions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.loopback import Asked, Loopback, Reply, answer_file, serve

from clerp.errors import PluginError
from clerp_sentence_transformers.embedder import SentenceTransformersEmbedder
from clerp_sentence_transformers.model import find_model

from .tiny_model import save_tiny_model

COMMIT, LATER = "0123456789abcdef0123456789abcdef01234567", "f" * 40
TEXTS = ["Texas", "the capital of Texas", "photosynthesis"]
_LIST = re.compile(r"/api/models/(?P<repository>[^/]+/[^/]+)/revision/(?P<commit>\w+)")
_RESOLVE = re.compile(r"/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def tiny(saved: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return shutil.copytree(saved, tmp_path / "tiny")


def embed(argument: str | Path) -> np.ndarray:
    return SentenceTransformersEmbedder(str(argument)).embed(TEXTS)


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_folder_is_named_without_its_path(tiny: Path) -> None:
    name = SentenceTransformersEmbedder(str(tiny)).name

    assert re.fullmatch(r"sentence-transformers:tiny@[0-9a-f]{12}", name)


def test_a_folder_is_one_model_however_it_is_named(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tiny.with_name("link")
    link.symlink_to(tiny)
    monkeypatch.chdir(tiny)
    monkeypatch.setenv("HOME", str(tiny.parent))

    arguments = [str(tiny), ".", "../tiny", "~/tiny", str(link)]

    assert [find_model(argument) for argument in arguments] == [find_model(str(tiny))] * 5


def test_copies_of_a_folder_have_one_name(tiny: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(tiny, tmp_path / "elsewhere" / "tiny")

    assert SentenceTransformersEmbedder(str(copied)).name == (
        SentenceTransformersEmbedder(str(tiny)).name
    )


def _change_pooling(folder: Path) -> None:
    change(folder / "1_Pooling" / "config.json", pooling_mode="cls")


def _change_weights(folder: Path) -> None:
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)


def _rename_a_file(folder: Path) -> None:
    (folder / "tokenizer.json").rename(folder / "tokeniser.json")


@pytest.mark.parametrize("alter", [_change_pooling, _change_weights, _rename_a_file])
def test_whatever_may_change_a_vector_changes_the_revision(
    tiny: Path, alter: Callable[[Path], None]
) -> None:
    before = find_model(str(tiny)).revision

    alter(tiny)

    assert find_model(str(tiny)).revision != before


def test_hidden_files_do_not_change_the_revision(tiny: Path) -> None:
    before = find_model(str(tiny)).revision

    (tiny / ".git" / "refs").mkdir(parents=True)
    (tiny / ".git" / "refs" / "main").write_text(COMMIT)
    (tiny / ".gitattributes").write_text("*.bin filter=lfs")

    assert find_model(str(tiny)).revision == before


@pytest.mark.parametrize("argument", ["nowhere", "/no/such/folder", "a\0b", "x" * 4000, "a/b/c"])
def test_a_folder_that_is_not_there_is_refused_in_a_line(
    argument: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(PluginError, match="this is no sentence-transformers model") as refused:
        find_model(argument)

    assert "OWNER/NAME or minilm" in refused.value.remedy
    assert len(str(refused.value)) < 600 + len(argument)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')

    with pytest.raises(PluginError, match=r"this is no sentence-transformers.*modules\.json"):
        find_model(str(tmp_path))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["type", "path"]), inner, max_size=2)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_list_of_modules_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "modules.json").write_bytes(content)

    with suppress(PluginError):
        # Only a list of nothing brings no code.
        assert find_model(str(tmp_path)).name == tmp_path.name
        assert json.loads(content) == []


def test_a_model_of_no_modules_is_refused(tiny: Path) -> None:
    (tiny / "modules.json").write_text("[]")

    with pytest.raises(PluginError, match="'tiny' cannot be loaded"):
        embed(tiny)


@pytest.mark.parametrize("module", ["evil.Evil", "sentence_transformersevil.Evil"])
def test_code_that_comes_with_a_model_is_not_run(tiny: Path, module: str) -> None:
    marker = tiny.with_name("marker")
    (tiny / f"{module.partition('.')[0]}.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    modules = json.loads((tiny / "modules.json").read_text())
    modules[0]["type"] = module
    (tiny / "modules.json").write_text(json.dumps(modules))

    with pytest.raises(PluginError, match=rf"code of its own, which is not run: {module}"):
        embed(tiny)

    assert not marker.exists()


def test_nor_is_code_that_comes_with_its_transformer(tiny: Path) -> None:
    marker = tiny.with_name("marker")
    (tiny / "evil.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    code = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}
    change(tiny / "config.json", auto_map=code, model_type="evil")
    trusted = {"model_args": {"trust_remote_code": True}}
    change(tiny / "sentence_bert_config.json", **trusted)

    with pytest.raises(PluginError, match="'tiny' cannot be loaded"):
        embed(tiny)

    assert not marker.exists()


def _truncate_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])


def _delete_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _write_no_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"none")


def _change_sizes(folder: Path) -> None:
    change(folder / "config.json", hidden_size=16)


def _name_no_module(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["type"] = "sentence_transformers.models.Nothing"
    (folder / "modules.json").write_text(json.dumps(modules))


def _break_settings(folder: Path) -> None:
    (folder / "1_Pooling" / "config.json").write_text("{")


def _delete_tokenizer(folder: Path) -> None:
    for path in (*folder.glob("tokenizer*"), *folder.glob("vocab*")):
        path.unlink()


@pytest.mark.filterwarnings("ignore:Importing from 'sentence_transformers.models'")
@pytest.mark.parametrize(
    "break_it",
    [
        _truncate_weights,
        _delete_weights,
        _write_no_weights,
        _change_sizes,
        _name_no_module,
        _break_settings,
        _delete_tokenizer,
    ],
)
def test_a_broken_model_is_refused_in_a_line(tiny: Path, break_it: Callable[[Path], None]) -> None:
    break_it(tiny)

    with pytest.raises(PluginError, match=r"the model 'tiny' cannot be loaded: \w") as refused:
        embed(tiny)

    assert refused.value.where == str(tiny)
    assert "SentenceTransformer.save" in refused.value.remedy
    assert len(str(refused.value)) < 600 + len(str(tiny))


@dataclass
class Hub:
    """Repositories in the shape of the HuggingFace Hub."""

    commits: dict[tuple[str, str], Path] = field(default_factory=dict)
    main: dict[str, str] = field(default_factory=dict)
    server: Loopback = field(init=False)

    def publish(self, repository: str, folder: Path, commit: str = COMMIT) -> None:
        self.main[repository] = commit
        self.commits[repository, commit] = folder

    def answer(self, asked: Asked) -> Reply:
        if match := _LIST.fullmatch(asked.path):
            return self._list(**match.groupdict())
        if match := _RESOLVE.fullmatch(asked.path):
            return self._resolve(asked, **match.groupdict())
        return Reply(status=404)

    def _list(self, repository: str, commit: str) -> Reply:
        folder = self.commits[repository, commit]
        names = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
        listed = [{"rfilename": name} for name in names]
        return Reply(json.dumps({"id": repository, "sha": commit, "siblings": listed}).encode())

    def _resolve(self, asked: Asked, repository: str, revision: str, file: str) -> Reply:
        if repository not in self.main:
            return Reply(status=401, headers={"X-Error-Code": "RepoNotFound"})
        commit = self.main[repository] if revision == "main" else revision
        path = self.commits[repository, commit] / file
        if not path.is_file():
            return Reply(status=404, headers={"X-Error-Code": "EntryNotFound"})
        tag = f'"{commit}-{file.replace("/", "-")}"'
        return answer_file(path, asked, **{"ETag": tag, "X-Repo-Commit": commit})


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    hub = Hub()
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path / "cache"))
    # Its first tries are enough: nothing changes while it waits.
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    with serve(hub.answer) as hub.server:
        address = hub.server.address
        # They are read from HF_ENDPOINT once, when something imports the library first.
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        monkeypatch.setattr(
            "huggingface_hub.file_download.HUGGINGFACE_CO_URL_TEMPLATE",
            f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}",
        )
        yield hub
        reset_sessions()


def test_a_model_of_the_hub_is_that_of_its_folder(hub: Hub, saved: Path) -> None:
    hub.publish("owner/tiny", saved)

    embedder = SentenceTransformersEmbedder("owner/tiny")

    assert embedder.name == f"sentence-transformers:owner/tiny@{COMMIT[:12]}"
    np.testing.assert_array_equal(embedder.embed(TEXTS), embed(saved))


def test_weights_are_fetched_by_the_first_text_and_not_before(hub: Hub, saved: Path) -> None:
    hub.publish("owner/tiny", saved)

    embedder = SentenceTransformersEmbedder("owner/tiny")
    looked_up = set(hub.server.paths)
    embedder.embed(["Texas"])

    assert looked_up == {"/owner/tiny/resolve/main/modules.json"}
    assert f"/owner/tiny/resolve/{COMMIT}/model.safetensors" in hub.server.paths


def test_neither_code_nor_other_formats_are_fetched(hub: Hub, tiny: Path) -> None:
    others = ("evil.py", "onnx/model.onnx", "openvino/openvino_model.bin", "pytorch_model.bin")
    for name in (*others, "2_Dense/pytorch_model.bin"):
        (tiny / name).parent.mkdir(exist_ok=True)
        (tiny / name).write_bytes(b"much")
    hub.publish("owner/tiny", tiny)

    embed("owner/tiny")

    fetched = {path.partition(f"/resolve/{COMMIT}/")[2] for path in hub.server.paths}
    assert not fetched & set(others)
    assert fetched >= {"2_Dense/pytorch_model.bin", "1_Pooling/config.json", "tokenizer.json"}


def test_what_was_fetched_once_is_not_looked_up_again(hub: Hub, saved: Path) -> None:
    hub.publish("owner/tiny", saved)
    first = SentenceTransformersEmbedder("owner/tiny")
    hub.server.requests.clear()

    assert SentenceTransformersEmbedder("owner/tiny").name == first.name
    assert hub.server.requests == []


def _allow_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    # Each connection was told when it was made.
    reset_sessions()


@pytest.mark.parametrize("offline", [True, False])
def test_what_was_fetched_once_needs_no_network(
    hub: Hub, saved: Path, offline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.publish("owner/tiny", saved)
    rows = embed("owner/tiny")
    hub.server.requests.clear()
    hub.server.answer = lambda _: Reply(refuses=True)
    if offline:
        _allow_nothing(monkeypatch)

    np.testing.assert_array_equal(embed("owner/tiny"), rows)

    assert len(hub.server.requests) == (0 if offline else 1)


def test_a_fetch_that_broke_off_is_taken_up_again(hub: Hub, saved: Path) -> None:
    hub.publish("owner/tiny", saved)
    embedder = SentenceTransformersEmbedder("owner/tiny")
    answer = hub.server.answer
    hub.server.answer = lambda asked: (
        Reply(status=500) if asked.path.endswith("model.safetensors") else answer(asked)
    )
    with pytest.raises(PluginError, match="'owner/tiny' is not on this machine"):
        embedder.embed(TEXTS)
    hub.server.answer = answer

    np.testing.assert_array_equal(embedder.embed(TEXTS), embed(saved))


def test_a_model_stays_as_it_was_fetched_when_its_branch_moves(
    hub: Hub, saved: Path, tmp_path: Path
) -> None:
    hub.publish("owner/tiny", saved)
    first = SentenceTransformersEmbedder("owner/tiny")
    hub.publish("owner/tiny", save_tiny_model(tmp_path / "later", seed=1), LATER)

    assert SentenceTransformersEmbedder("owner/tiny").name == first.name
    np.testing.assert_array_equal(first.embed(TEXTS), embed(saved))


def test_a_repository_that_is_not_there_is_named(hub: Hub) -> None:
    with pytest.raises(PluginError, match=r"'owner/tiny': 401.*Repository Not Found") as refused:
        find_model("owner/tiny")

    assert "HF_TOKEN" in refused.value.remedy
    assert len(str(refused.value)) < 600


def test_a_repository_of_something_else_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.publish("owner/other", tmp_path)

    with pytest.raises(PluginError, match=r"'owner/other' holds no.*: no modules\.json"):
        find_model("owner/other")


def test_a_repository_whose_modules_are_malformed_is_refused(hub: Hub, tiny: Path) -> None:
    (tiny / "modules.json").write_text("{")
    hub.publish("owner/tiny", tiny)

    with pytest.raises(
        PluginError, match=r"no sentence-transformers model: modules\.json"
    ) as refused:
        find_model("owner/tiny")

    assert refused.value.where == "owner/tiny"


def test_code_in_a_repository_is_not_even_fetched(hub: Hub, tiny: Path) -> None:
    (tiny / "modules.json").write_text('[{"type": "evil.Evil", "path": "", "name": "0"}]')
    hub.publish("owner/tiny", tiny)

    with pytest.raises(PluginError, match="code of its own") as refused:
        find_model("owner/tiny")

    assert refused.value.where == "owner/tiny"
    assert {path.rpartition("/")[2] for path in hub.server.paths} == {"modules.json"}


def test_a_hub_that_cannot_be_reached_is_named_with_what_works_without(hub: Hub) -> None:
    hub.server.answer = lambda _: Reply(refuses=True)

    with pytest.raises(PluginError, match="not on this machine, and the Hub cannot be") as refused:
        find_model("owner/tiny")

    assert "sentence-transformers:minilm" in refused.value.remedy


def test_the_hub_is_not_asked_where_it_must_not_be(
    hub: Hub, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.publish("owner/tiny", saved)
    _allow_nothing(monkeypatch)

    with pytest.raises(PluginError, match="not on this machine, and the Hub cannot be"):
        find_model("owner/tiny")

    assert hub.server.requests == []


def test_a_folder_comes_before_a_repository(
    hub: Hub, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(saved, tmp_path / "owner" / "tiny")
    monkeypatch.chdir(tmp_path)

    assert find_model("owner/tiny").name == "tiny"
    assert hub.server.requests == []
