import gc
import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.loopback import Reply

from clerp.errors import InputError, UsageError, VerbalizerError
from clerp.verbalizers import Sampling
from clerp_nla.pair.pair import Pair, open_pair

from .loopback_hub import Hub, forget_connections, run_hub
from .negative import change_sidecar
from .random_pairs import BASE, D_MODEL, K, write_pair

ACTOR_COMMIT, CRITIC_COMMIT = "0123456789abcdef0123456789abcdef01234567", "f" * 40
VECTORS = np.random.default_rng(1).normal(size=(2, D_MODEL)).astype(np.float32)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pair(tmp_path_factory.mktemp("good") / "my-pair").folder


@pytest.fixture
def hub(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with run_hub(tmp_path / "cache", monkeypatch) as hub:
        hub.publish("owner/pair-av", good / "av", ACTOR_COMMIT)
        hub.publish("owner/pair-ar", good / "ar", CRITIC_COMMIT)
        yield hub


def use(pair: Pair) -> tuple[list[str], bytes]:
    with pair.acting() as actor:
        said = [text.raw for text in actor.describe(VECTORS, Sampling(0.0, 8))]
    with pair.criticizing() as critic:
        return said, critic.reconstruct(["heat"]).tobytes()


def test_a_folder_is_named_without_its_path(good: Path) -> None:
    identity = open_pair(str(good)).identity

    assert (identity.name, identity.base_model) == ("my-pair", BASE)
    assert (identity.layer, identity.d_model) == (K, D_MODEL)
    assert str(good.parent) not in str(identity)


def test_the_revision_of_a_folder_is_that_of_its_files(good: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(good, tmp_path / "my-pair")
    same = open_pair(str(copy)).identity.revision
    (copy / "notes.md").write_text("not a file of the model")
    still = open_pair(str(copy)).identity.revision
    head = copy / "ar/value_head.safetensors"
    head.write_bytes(head.read_bytes()[:-1] + b"\x01")

    assert open_pair(str(good)).identity.revision == same == still
    assert open_pair(str(copy)).identity.revision != same


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-7B-Instruct"),
        ("/data/runs/my-base/", "my-base"),
        ("~/models/my-base", "my-base"),
        ("C:\\models\\my-base", "my-base"),
        ("runs/old/my-base", "my-base"),
    ],
)
def test_a_base_that_is_a_path_is_named_by_its_end(
    good: Path, tmp_path: Path, said: str, shown: str
) -> None:
    copy = shutil.copytree(good, tmp_path / "pair")
    for half in ("av", "ar"):
        change_sidecar(copy / half, lambda file: file.update(base_checkpoint=said))

    assert open_pair(str(copy)).identity.base_model == shown


@pytest.mark.parametrize(
    ("key", "value"), [("d_model", 16), ("extraction_layer_index", K + 1), ("base_checkpoint", "x")]
)
def test_halves_of_different_pairs_are_refused(
    good: Path, tmp_path: Path, key: str, value: object
) -> None:
    copy = shutil.copytree(good, tmp_path / "pair")
    change_sidecar(copy / "av", lambda file: file.update({key: value}))

    with pytest.raises(InputError, match="they are of different pairs"):
        open_pair(str(copy))


def test_an_actor_that_does_not_say_its_layer_has_the_critics(good: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(good, tmp_path / "pair")
    change_sidecar(copy / "av", lambda file: file.pop("extraction_layer_index"))

    assert open_pair(str(copy)).identity.layer == K


@pytest.mark.parametrize("half", ["av", "ar"])
def test_a_folder_with_one_half_is_no_pair(good: Path, tmp_path: Path, half: str) -> None:
    copy = shutil.copytree(good, tmp_path / "pair")
    shutil.rmtree(copy / half)

    with pytest.raises(InputError, match=f"no {half}/: a pair is a folder"):
        open_pair(str(copy))


@pytest.mark.parametrize("place", ["", "nowhere", "a/b/c", "../owner/pair", "owner/pair@"])
def test_what_is_neither_folder_nor_name_is_refused(place: str, tmp_path: Path) -> None:
    if not place:
        place = str(tmp_path / "missing")
    with pytest.raises(UsageError, match="neither a folder nor OWNER/NAME"):
        open_pair(place)


@pytest.mark.parametrize("resident", [False, True])
def test_one_half_is_in_memory_at_a_time_unless_both_may(good: Path, resident: bool) -> None:
    pair = open_pair(str(good), resident=resident)
    with pair.acting() as actor:
        first = weakref.ref(actor)
    with pair.acting() as again:
        assert again is actor
    del actor, again

    with pair.criticizing() as critic:
        gc.collect()
        assert (first() is not None) == resident
        second = weakref.ref(critic)
    del critic
    pair.release()
    assert first() is None
    assert second() is None


def test_what_was_released_is_loaded_again(good: Path) -> None:
    pair = open_pair(str(good))
    before = use(pair)
    pair.release()

    assert use(pair) == before == use(open_pair(str(good), resident=True))


def test_a_pair_of_the_hub_is_that_of_its_folders(hub: Hub, good: Path) -> None:
    pair = open_pair("owner/pair")

    assert use(pair) == use(open_pair(str(good)))
    assert pair.identity.name == "owner/pair"
    assert pair.identity.revision == f"{ACTOR_COMMIT}+{CRITIC_COMMIT}"
    assert pair.folder is None


@pytest.mark.parametrize(
    ("named", "actor", "critic"),
    [("v1.0", "v1.0", "v1.0"), (f"{ACTOR_COMMIT}+{CRITIC_COMMIT}", ACTOR_COMMIT, CRITIC_COMMIT)],
)
def test_a_pair_of_the_hub_may_be_pinned(hub: Hub, named: str, actor: str, critic: str) -> None:
    pair = open_pair(f"owner/pair@{named}")

    assert pair.identity.name == f"owner/pair@{named}"
    asked = {path for path in hub.server.paths if "/revision/" in path}
    assert {path.partition("?")[0] for path in asked} == {
        f"/api/models/owner/pair-av/revision/{actor}",
        f"/api/models/owner/pair-ar/revision/{critic}",
    }


def test_neither_code_nor_pickles_are_fetched(hub: Hub, good: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(good / "av", tmp_path / "av")
    others = {"evil.py", "pytorch_model.bin", "original/consolidated.safetensors", "x.pt"}
    for name in others:
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_bytes(b"much")
    hub.publish("owner/pair-av", copy, ACTOR_COMMIT)

    use(open_pair("owner/pair"))

    assert not hub.fetched & others
    assert hub.fetched >= {"model.safetensors", "nla_meta.yaml", "tokenizer.json", "config.json"}


@pytest.mark.parametrize("offline", [True, False])
def test_what_was_fetched_once_needs_no_network(
    hub: Hub, offline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = use(open_pair("owner/pair"))
    hub.server.requests.clear()
    hub.server.answer = lambda _: Reply(refuses=True)
    if offline:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        forget_connections()

    assert use(open_pair("owner/pair")) == before
    assert not (offline and hub.server.requests)


@pytest.mark.parametrize("offline", [True, False])
def test_what_is_not_here_and_cannot_be_fetched_is_an_error(
    hub: Hub, offline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.server.answer = lambda _: Reply(refuses=True)
    if offline:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        forget_connections()

    with pytest.raises(VerbalizerError, match="'owner/pair-av' is not on this machine"):
        open_pair("owner/pair")


def test_a_pair_that_the_hub_does_not_have_is_an_error(hub: Hub) -> None:
    with pytest.raises(VerbalizerError, match="the Hub does not give 'owner/other-av'"):
        open_pair("owner/other")


def test_a_fetch_that_breaks_off_is_an_error_and_is_taken_up_again(hub: Hub, good: Path) -> None:
    whole = hub.answer

    def cut(asked):
        reply = whole(asked)
        return Reply(status=500) if asked.path.endswith("model.safetensors") else reply

    hub.server.answer = cut
    with pytest.raises(VerbalizerError, match="'owner/pair-av'"):
        open_pair("owner/pair")
    hub.server.answer = whole

    assert use(open_pair("owner/pair")) == use(open_pair(str(good)))
