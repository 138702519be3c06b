"""A pair on this machine, on the tiny one that was really trained."""

import asyncio
import gc
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from clerp.errors import ClerpError, InputError, NotAvailableError, UsageError
from clerp.evidence import FeatureEvidence
from clerp.evidence.folder import FolderSource
from clerp.feature import FeatureId
from clerp.plugins import VectorVerbalizer, find
from clerp.testing import check_verbalizer
from clerp.verbalizers import Extraction, Missed, ModelClaim, Passage, Sampling
from clerp.verbalizers.choosing import cut_passage
from clerp.verbalizers.features import OpenedFeatures
from clerp_nla import local
from clerp_nla.local import LocalVerbalizer, open_local
from clerp_nla.matching.references import load_reference_texts
from clerp_nla.pair.pair import open_pair
from clerp_nla.placement import choose_placement
from clerp_nla.subject.place import find_subject
from clerp_nla.training.grammar import write_documents

from .negative import change_sidecar, damage

CLAIM = ModelClaim("clerp-toy/grammar", "clerp-toy/grammar")
GREEDY = Sampling(temperature=0.0, max_new_tokens=100)
FEATURE = FeatureId(2, 2)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _cache(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A self-test that one test saw passed is not run again for the next."""
    monkeypatch.setenv("CLERP_CACHE", str(shared))


@pytest.fixture
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLERP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def verbalizer(tiny_pair: Path) -> LocalVerbalizer:
    return open_local(str(tiny_pair))


def open_sparingly(folder: Path) -> LocalVerbalizer:
    pair = open_pair(str(folder))
    subject = find_subject(folder, "clerp-toy/grammar")
    return LocalVerbalizer(pair, subject, choose_placement("cpu"), resident=False)


def list_passages(n: int = 6) -> list[Passage]:
    """Cut documents after a word each, another one each time."""
    passages: list[Passage] = []
    for number, document in enumerate(write_documents(n, seed=77)):
        last = 25 + number % 10
        while document.tokens[last].kind not in ("noun", "verb"):
            last += 1
        text = "".join(token.text for token in document.tokens[: last + 1])
        passages.append(Passage(f"0.{number}", text, document.tokens[last].text, 1.0))
    return passages


async def extract(verbalizer: LocalVerbalizer, passages: Sequence[Passage]) -> np.ndarray:
    found = await verbalizer.extract(passages)
    return np.stack([item.vector for item in found if isinstance(item, Extraction)])


def test_a_pair_that_works_says_which_it_is(verbalizer: LocalVerbalizer, tiny_pair: Path) -> None:
    identity = verbalizer.check(CLAIM)

    pair = open_pair(str(tiny_pair))
    assert identity.name == tiny_pair.name
    assert verbalizer.name == f"nla:{tiny_pair.name}"
    assert (identity.base_model, identity.layer, identity.d_model) == ("clerp-toy/grammar", 3, 96)
    # The weights of the model decide residuals like those of the pair decide texts.
    files = f"{pair.identity.revision}-{verbalizer.subject_place.find_revision()}"
    # And so does the precision.
    precision = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
    assert identity.revision == f"{files} ({precision[verbalizer.placement.dtype]})"
    assert identity.untested == ""
    assert str(tiny_pair.parent) not in repr(identity)


def test_the_self_test_of_a_good_pair(verbalizer: LocalVerbalizer, tiny_pair: Path) -> None:
    verbalizer.check(CLAIM)

    found = verbalizer.self_test
    assert found is not None
    assert found.fve > 0.6
    assert found.mismatch_fve < -0.5
    assert found.n_texts > 60
    assert found.references == load_reference_texts(tiny_pair).name


@pytest.mark.parametrize(
    ("fault", "error", "what"),
    [
        ("cut-at-k", InputError, "num_hidden_layers"),
        ("wrong-scale", NotAvailableError, "learned to read vectors of norm"),
        ("two-starts", InputError, "two start tokens"),
        ("critic-two-starts", InputError, "two start tokens"),
        ("missing-neighbor", InputError, "injection_left_neighbor_id"),
        ("nan-head", InputError, "head is damaged"),
        ("swapped", InputError, "role"),
        ("no-scale", InputError, "injection_scale"),
        ("pickled", InputError, "pickled"),
        ("another-injection", InputError, "injection_mode"),
    ],
)
def test_a_pair_with_a_fault_is_found_out(
    tiny_pair: Path, tmp_path: Path, fault: str, error: type[ClerpError], what: str
) -> None:
    folder = damage(fault, tiny_pair, tmp_path / "pair")

    with pytest.raises(error, match=what) as told:
        open_local(str(folder)).check(CLAIM)
    assert type(told.value) is error
    assert told.value.remedy or told.value.where


@pytest.mark.parametrize("half", ["av", "ar"])
def test_a_half_that_names_another_layer_is_found_out(
    tiny_pair: Path, tmp_path: Path, half: str
) -> None:
    folder = shutil.copytree(tiny_pair, tmp_path / "pair")
    change_sidecar(folder / half, lambda file: file.update(extraction_layer_index=2))

    with pytest.raises(InputError, match="layer: the actor says"):
        open_local(str(folder))


def test_a_critic_that_is_cut_elsewhere_is_found_out(tiny_pair: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_pair, tmp_path / "pair")
    for half in ("av", "ar"):
        change_sidecar(folder / half, lambda file: file.update(extraction_layer_index=2))

    with pytest.raises(InputError, match="num_hidden_layers: 4; a critic of the output of block 2"):
        open_local(str(folder)).check(CLAIM)


def test_a_pair_all_of_which_names_a_neighbouring_layer_passes_with_less(
    tiny_pair: Path, tmp_path: Path
) -> None:
    """A limit, and not what is wanted: neighbouring residuals are too much alike to tell."""
    lying, good = (
        open_local(str(folder))
        for folder in (damage("wrong-layer", tiny_pair, tmp_path / "pair"), tiny_pair)
    )

    lying.check(CLAIM)
    good.check(CLAIM)

    assert lying.self_test is not None
    assert good.self_test is not None
    assert lying.self_test.fve < good.self_test.fve - 0.05


def test_another_model_of_the_same_shape_is_found_out(tiny_pair: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_pair, tmp_path / "pair")
    path = folder / "subject/model.safetensors"
    torch.manual_seed(1)
    weights = load_file(path)
    drawn = {
        name: torch.randn_like(w.float()).mul(w.float().std() if w.numel() > 1 else 1).to(w.dtype)
        if w.dim() > 1
        else w
        for name, w in weights.items()
    }
    save_file(drawn, path, metadata={"format": "pt"})

    with pytest.raises(NotAvailableError, match=r"does not work on this model|norm"):
        open_local(str(folder)).check(CLAIM)


def test_the_model_of_a_graph_is_looked_at_before_any_weight(
    tiny_pair: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_pair, tmp_path / "pair")
    for path in folder.glob("*/*.safetensors"):
        path.write_bytes(b"no weights at all")

    with pytest.raises(NotAvailableError, match="trained on clerp-toy/grammar, and the graph is"):
        open_local(str(folder)).check(ModelClaim("gemma-2-2b", "scan"))


@pytest.mark.usefixtures("_empty_cache")
def test_a_test_that_was_passed_is_not_run_again_until_something_changes(
    tiny_pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(tiny_pair, tmp_path / "pair")
    first = open_local(str(folder))
    identity = first.check(CLAIM)

    def refuse(*_: object) -> None:
        raise NotAvailableError("it was run again")

    monkeypatch.setattr(local, "run_self_test", refuse)
    again = open_local(str(folder))
    assert again.check(CLAIM) == identity
    assert again.self_test == first.self_test

    path = folder / "subject/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"rms_norm_eps": 1e-4}))
    with pytest.raises(NotAvailableError, match="it was run again"):
        open_local(str(folder)).check(CLAIM)


@pytest.mark.usefixtures("_empty_cache")
def test_a_test_that_was_failed_is_not_kept(
    tiny_pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise NotAvailableError("failed")

    with monkeypatch.context() as patched:
        patched.setattr(local, "run_self_test", refuse)
        with pytest.raises(NotAvailableError, match="failed"):
            open_local(str(tiny_pair)).check(CLAIM)
    open_local(str(tiny_pair)).check(CLAIM)


def test_it_keeps_the_contract(verbalizer: LocalVerbalizer) -> None:
    check_verbalizer(verbalizer, claim=CLAIM, passages=list_passages())


async def test_what_it_says_of_a_residual_gives_that_residual_back(
    verbalizer: LocalVerbalizer,
) -> None:
    assert isinstance(verbalizer, VectorVerbalizer)
    passages = list_passages()
    short = Passage("1.0", "The", "The", 1.0)

    found = await verbalizer.extract([*passages, short])
    vectors = await extract(verbalizer, passages)
    said = await verbalizer.describe(vectors, GREEDY)
    cosines = await verbalizer.compare([one.text for one in said], vectors)
    nothing = await verbalizer.describe_nothing(GREEDY)

    assert isinstance(found[-1], Missed)
    assert vectors.shape == (6, 96)
    assert all(one.text and not one.fault for one in said)
    assert nothing.text not in {one.text for one in said}
    assert cosines.shape == (6, 6)
    own = np.diag(cosines)
    others = cosines[~np.eye(6, dtype=bool)]
    assert own.mean() > others.mean() + 0.2
    assert (np.abs(cosines) <= 1).all()


async def test_a_text_depends_on_its_vector_and_not_on_its_length_or_its_batch(
    verbalizer: LocalVerbalizer,
) -> None:
    vectors = await extract(verbalizer, list_passages(40))

    said = await verbalizer.describe(vectors, GREEDY)

    assert len(said) == 40
    alone = await verbalizer.describe(vectors[35:36] * 9, GREEDY)
    assert alone[0].text == said[35].text
    assert await verbalizer.describe(vectors[:0], GREEDY) == []


async def test_the_event_loop_lives_meanwhile(verbalizer: LocalVerbalizer) -> None:
    vectors = await extract(verbalizer, list_passages(2))
    describing = asyncio.create_task(_describe(verbalizer, vectors))
    n_turns = 0
    while not describing.done():
        n_turns += 1
        await asyncio.sleep(0)

    assert len(await describing) == 2
    assert n_turns > 10


async def _describe(verbalizer: LocalVerbalizer, vectors: np.ndarray) -> Sequence[object]:
    return await verbalizer.describe(vectors, GREEDY)


async def test_calls_at_the_same_time_do_not_disturb_each_other(tiny_pair: Path) -> None:
    sparing = open_sparingly(tiny_pair)
    passages = list_passages(3)
    vectors = await extract(sparing, passages)
    texts = [one.text for one in await sparing.describe(vectors, GREEDY)]
    cosines = await sparing.compare(texts, vectors)

    together = await asyncio.gather(
        sparing.compare(texts, vectors),
        sparing.describe(vectors, GREEDY),
        extract(sparing, passages),
    )

    np.testing.assert_array_equal(together[0], cosines)
    assert [one.text for one in together[1]] == texts
    np.testing.assert_array_equal(together[2], vectors)


def count_models() -> int:
    gc.collect()
    # By their classes: to ask some objects themselves makes them warn.
    return sum(issubclass(type(found), transformers.LlamaModel) for found in gc.get_objects())


@pytest.mark.parametrize(("resident", "most"), [(False, 1), (True, 3)])
async def test_one_model_is_in_memory_at_a_time(tiny_pair: Path, resident: bool, most: int) -> None:
    before = count_models()
    pair = open_pair(str(tiny_pair), resident=resident)
    opened = LocalVerbalizer(
        pair, find_subject(tiny_pair, ""), choose_placement("cpu"), resident=resident
    )
    counts: list[int] = []

    for _ in range(2):
        vectors = await extract(opened, list_passages(2))
        counts.append(count_models() - before)
        said = await opened.describe(vectors, GREEDY)
        counts.append(count_models() - before)
        await opened.compare([one.text for one in said], vectors)
        counts.append(count_models() - before)

    assert max(counts) == most
    assert counts[-1] == most


def test_references_are_residuals_of_the_pairs_own_texts(
    verbalizer: LocalVerbalizer, tiny_pair: Path
) -> None:
    texts = load_reference_texts(tiny_pair).texts

    vectors = verbalizer.reference_vectors()

    assert vectors.shape == (len(texts), 96)
    assert verbalizer.reference_vectors() is vectors
    assert len(np.unique(vectors.round(3), axis=0)) > len(texts) // 2


def test_its_identity_says_which_text_is_ordinary(
    verbalizer: LocalVerbalizer, tiny_pair: Path, tmp_path: Path
) -> None:
    folder = tmp_path / tiny_pair.name
    shutil.copytree(tiny_pair, folder)
    lines = (folder / "reference.txt").read_text().splitlines(keepends=True)
    (folder / "reference.txt").write_text("".join(lines[1:]))

    own, other = verbalizer.check(CLAIM), open_local(str(folder)).check(CLAIM)

    assert own.reference != other.reference
    assert other == replace(own, reference=other.reference)


def test_how_far_decoder_rows_reach(verbalizer: LocalVerbalizer) -> None:
    reach = verbalizer.reach()

    assert (reach.layer, reach.n_layers, reach.d_model) == (3, 6, 96)
    assert reach.mlp_is_normed is False


def test_it_is_found_by_its_name(tiny_pair: Path) -> None:
    found = find("verbalizers", f"nla:{tiny_pair}")

    assert isinstance(found, LocalVerbalizer)


def test_the_model_may_be_elsewhere(tiny_pair: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pair"
    for half in ("av", "ar"):
        shutil.copytree(tiny_pair / half, folder / half)
    shutil.copy(tiny_pair / "reference.txt", folder)

    opened = open_local(f"{folder},{tiny_pair / 'subject'}")

    assert opened.check(CLAIM).revision == open_local(str(tiny_pair)).check(CLAIM).revision


@pytest.mark.parametrize(
    ("argument", "what"), [("", "no pair is named"), ("no such pair", "neither a folder nor")]
)
def test_what_names_no_pair_is_refused(argument: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        open_local(argument)


def list_peaks(tiny_pair: Path, feature: FeatureId) -> list[Passage]:
    [evidence] = FolderSource(str(tiny_pair / "features")).read([feature])
    assert isinstance(evidence, FeatureEvidence)
    return [cut_passage(example, example.peak) for example in evidence.top[:8]]


def test_features_are_run_and_read_beside_it(tiny_pair: Path) -> None:
    pytest.importorskip("circuit_tracer")
    opened = open_sparingly(tiny_pair).open_features(str(tiny_pair / "transcoders"), [FEATURE])
    peaks = list_peaks(tiny_pair, FEATURE)
    faint = [replace(peak, activation=peak.activation * 9) for peak in peaks]

    assert isinstance(opened, OpenedFeatures)
    assert opened.found.set_name == "clerp-toy/grammar"
    held = [isinstance(one, Passage) for one in opened.confirm(FEATURE, peaks)]
    assert sum(held) > len(held) / 2
    assert all(isinstance(one, Missed) for one in opened.confirm(FEATURE, faint))
    rows = opened.sum_rows(FEATURE)
    assert isinstance(rows, np.ndarray)
    assert rows.shape == (96,)


async def test_in_bfloat16_on_the_processor_it_works_and_says_so(
    tiny_pair: Path, verbalizer: LocalVerbalizer
) -> None:
    half = open_local(f"{tiny_pair},dtype=bfloat16,device=cpu")
    whole = open_local(f"{tiny_pair},device=cpu,dtype=float32")

    identity = half.check(CLAIM)
    vectors = await extract(half, list_passages())
    said = await half.describe(vectors, GREEDY)

    assert identity.revision.endswith(" (bfloat16)")
    assert whole.check(CLAIM).revision.endswith(" (float32)")
    assert half.self_test is not None
    assert half.self_test.fve > 0.6
    assert half.self_test != whole.self_test
    assert all(one.text and not one.fault for one in said)
    cosines = await half.compare([one.text for one in said], vectors)
    own = np.diag(cosines)
    assert own.mean() > cosines[~np.eye(len(own), dtype=bool)].mean() + 0.2


@pytest.mark.usefixtures("_empty_cache")
def test_what_was_passed_on_another_kind_of_device_is_run_again(
    tiny_pair: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_sparingly(tiny_pair)
    first.check(CLAIM)

    def refuse(*_: object) -> None:
        raise NotAvailableError("it was run again")

    monkeypatch.setattr(LocalVerbalizer, "_test", refuse)
    open_sparingly(tiny_pair).check(CLAIM)
    elsewhere = open_sparingly(tiny_pair)
    elsewhere.placement = replace(elsewhere.placement, device=torch.device("meta"))
    with pytest.raises(NotAvailableError, match="it was run again"):
        elsewhere.check(CLAIM)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("dtype=int8", "there is no precision 'int8'"),
        ("device=abacus", "no device 'abacus'"),
        ("layers=3", "nobody knows the word layers="),
    ],
)
def test_words_that_nobody_knows_are_refused(tiny_pair: Path, words: str, what: str) -> None:
    with pytest.raises(UsageError, match=what) as told:
        open_local(f"{tiny_pair},{words}")
    assert told.value.remedy
