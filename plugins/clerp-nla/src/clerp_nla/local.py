"""A pair that runs on this machine, beside the model that it was trained on."""

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
from jaxtyping import Float32

from clerp.feature import FeatureId
from clerp.nla import tell_setting
from clerp.verbalizers import (
    Extraction,
    Missed,
    ModelClaim,
    PairIdentity,
    Passage,
    Sampling,
    Verbalization,
)
from clerp_nla.argument import read_argument
from clerp_nla.features import LocalFeatures
from clerp_nla.inputs.decoder import DecoderRows, Reach
from clerp_nla.inputs.naming import name_features
from clerp_nla.matching.checks import check_model, check_norm, check_shape, check_tokenizers
from clerp_nla.matching.cosines import measure_cosines
from clerp_nla.matching.kept import find_kept, keep
from clerp_nla.matching.references import ReferenceTexts, load_reference_texts
from clerp_nla.matching.self_test import SelfTest, run_self_test
from clerp_nla.pair.pair import Pair, open_pair
from clerp_nla.placement import Placement, choose_placement, fit_together, guard_memory
from clerp_nla.subject.anatomy import Anatomy
from clerp_nla.subject.extraction import Subject
from clerp_nla.subject.firing import FiringCheck
from clerp_nla.subject.loading import load_anatomy, load_subject
from clerp_nla.subject.place import SubjectPlace, find_subject

_BATCH_SIZE = 32
_N_PROBES = 16
_Result = TypeVar("_Result")


class LocalVerbalizer:
    """An actor and a critic, and the blocks of their model up to K; a `VectorVerbalizer`.

    What is asked first says where everything is; weights are loaded by the first use. Unless all
    three models fit into memory, one is there at a time, and the next one takes its place.

    Args:
        pair: Both halves.
        subject: Their model.
        placement: Where everything runs.
        resident: Whether all models stay in memory.
        setting: What tells it from others of its name.
    """

    def __init__(
        self,
        pair: Pair,
        subject: SubjectPlace,
        placement: Placement,
        *,
        resident: bool = False,
        setting: str = "",
    ) -> None:
        self.name = f"nla:{pair.place.name}"
        self.setting = setting
        self.subject_place = subject
        self.placement = placement
        self.self_test: SelfTest | None = None
        """What the last check found; None before it."""
        self._pair = pair
        self._resident = resident
        self._subject: Subject | None = None
        self._references: Float32[np.ndarray, "text d_model"] | None = None
        self._identity: PairIdentity | None = None
        # One call at a time: models take each other's place.
        self._lock = threading.RLock()

    def check(self, claim: ModelClaim) -> PairIdentity:
        """Say which pair it is, if it fits the model of a graph and works on it.

        A self-test that was passed with the very same files, texts and precision is not run again.

        Raises:
            NotAvailableError: It was trained on another model, or does not work on this one.
            InputError: A file of it is not what it should be.
            VerbalizerError: Memory did not suffice.
        """
        with self._lock:
            check_model(self._pair.identity, claim)
            if self._identity is None:
                self._identity = self._check_files()
            return self._identity

    async def extract(self, passages: Sequence[Passage]) -> Sequence[Extraction | Missed]:
        """Return the residual at the end of each passage, in order.

        Raises:
            InputError: The model cannot be loaded.
            VerbalizerError: Memory did not suffice.
        """
        return await self._run(lambda: self._load_subject().extract(passages))

    async def describe(
        self, vectors: Float32[np.ndarray, "vector d_model"], sampling: Sampling
    ) -> Sequence[Verbalization]:
        """Return what the actor says of each vector; of their length nothing is used.

        It can be interrupted between batches.

        Raises:
            InputError: The actor cannot be loaded, or a vector has no direction.
            VerbalizerError: Memory did not suffice.
        """

        def describe(batch: Float32[np.ndarray, "vector d_model"]) -> list[Verbalization]:
            with self._pairing() as pair, pair.acting() as actor:
                return actor.describe(batch, sampling, batch_size=_BATCH_SIZE)

        said: list[Verbalization] = []
        for first in range(0, len(vectors), _BATCH_SIZE):
            said += await self._run(partial(describe, vectors[first : first + _BATCH_SIZE]))
        return said

    async def compare(
        self, texts: Sequence[str], vectors: Float32[np.ndarray, "vector d_model"]
    ) -> Float32[np.ndarray, "text vector"]:
        """Return the cosine of the critic's reconstruction of each text with each vector.

        Raises:
            InputError: The critic cannot be loaded.
            VerbalizerError: A vector is zero or not finite, or memory did not suffice.
        """

        def compare() -> Float32[np.ndarray, "text vector"]:
            with self._pairing() as pair, pair.criticizing() as critic:
                return measure_cosines(critic.reconstruct(texts), vectors)

        return await self._run(compare)

    async def describe_nothing(self, sampling: Sampling) -> Verbalization:
        """Return what the actor says where no vector is put in.

        Raises:
            InputError: The actor cannot be loaded.
            VerbalizerError: Memory did not suffice.
        """

        def describe() -> Verbalization:
            with self._pairing() as pair, pair.acting() as actor:
                return actor.describe_nothing(sampling)

        return await self._run(describe)

    def reference_vectors(self) -> Float32[np.ndarray, "text d_model"]:
        """Return residuals of ordinary text at block K, not normed.

        Raises:
            InputError: The model cannot be loaded, or the texts are not what they should be.
            VerbalizerError: Memory did not suffice.
        """
        with self._working():
            if self._references is None:
                texts = self._load_texts().texts
                self._references = self._load_subject().read_ends(texts)
            return self._references

    def open_features(self, transcoders: str, features: Sequence[FeatureId]) -> LocalFeatures:
        """Open features of a transcoder set; the model is loaded once more when they are run.

        Args:
            transcoders: `OWNER/REPO[//SUB][@REVISION]` or a folder.
            features: All that will be asked about.

        Raises:
            PluginError: clerp-circuit-tracer is not installed.
            UsageError, InputError, RemoteError: The set cannot be loaded.
            VerbalizerError: Memory did not suffice.
        """
        with self._working():
            found = name_features(transcoders, features)

        def open_check() -> FiringCheck:
            self._make_room()
            place = self.placement
            return FiringCheck(
                self.subject_place.folder,
                transcoders,
                found.names,
                device=place.device,
                dtype=place.dtype,
            )

        def open_rows() -> DecoderRows:
            return DecoderRows(transcoders, self.reach())

        return LocalFeatures(found, self._working, open_check, open_rows)

    def reach(self) -> Reach:
        """Return how far down the model decoder rows are to be summed for this pair.

        Raises:
            InputError: The model's configuration cannot be read.
        """
        anatomy = self._load_anatomy()
        return Reach(
            layer=self._pair.identity.layer,
            n_layers=anatomy.n_layers,
            d_model=anatomy.d_model,
            mlp_is_normed=anatomy.mlp_is_normed,
        )

    def _check_files(self) -> PairIdentity:
        pair, folder = self._pair, self.subject_place.folder
        check_shape(pair, self._load_anatomy(), folder)
        texts = self._load_texts()
        check_tokenizers(pair, folder, texts.texts[:_N_PROBES])
        # Residuals are the model's, so that its files decide an answer like those of the pair.
        files = f"{pair.identity.revision}-{self.subject_place.find_revision()}"
        precision = str(self.placement.dtype).removeprefix("torch.")
        identity = replace(
            pair.identity, revision=f"{files} ({precision})", reference=_name_texts(texts)
        )
        key = self._make_key(identity, texts)
        self.self_test = find_kept(key)
        if self.self_test is None:
            self.self_test = self._test(texts)
            keep(key, self.self_test)
        return identity

    def _test(self, texts: ReferenceTexts) -> SelfTest:
        scale = self._pair.actor_sidecar.injection_scale
        assert scale is not None  # an actor's sidecar is not read without
        vectors = self.reference_vectors()
        check_norm(vectors, scale)
        with guard_memory(self.placement), self._pairing() as pair:
            return run_self_test(pair, vectors, texts.name)

    def _make_key(self, identity: PairIdentity, texts: ReferenceTexts) -> str:
        parts = [identity.name, identity.revision, texts.name, self.placement.device.type]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _load_anatomy(self) -> Anatomy:
        return load_anatomy(self.subject_place.folder)

    def _load_texts(self) -> ReferenceTexts:
        return load_reference_texts(self._pair.folder)

    def _load_subject(self) -> Subject:
        if self._subject is None:
            self._make_room()
            self._subject = load_subject(
                self.subject_place.folder,
                layer=self._pair.identity.layer,
                device=self.placement.device,
                dtype=self.placement.dtype,
            )
        return self._subject

    @contextmanager
    def _pairing(self) -> Generator[Pair]:
        if not self._resident:
            self._subject = None
        yield self._pair

    def _make_room(self) -> None:
        if not self._resident:
            self._subject = None
            self._pair.release()

    @contextmanager
    def _working(self) -> Generator[None]:
        """Load or run a model: one at a time, and what memory does not hold is said in a line."""
        with self._lock, guard_memory(self.placement):
            yield

    async def _run(self, work: Callable[[], _Result]) -> _Result:
        """Work in a thread: the event loop has others to serve meanwhile."""

        def run() -> _Result:
            with self._working():
                return work()

        return await asyncio.to_thread(run)


def _name_texts(texts: ReferenceTexts) -> str:
    return f"{texts.name}, the ends of {len(texts.texts)}"


def open_local(argument: str) -> LocalVerbalizer:
    """Open `nla:PAIR`, or `nla:PAIR,MODEL,device=DEVICE,dtype=DTYPE`.

    Args:
        argument: Folder with `av/` and `ar/`, or a name on HuggingFace; after commas the model,
            where it is neither in the folder's `subject/` nor on HuggingFace, and where and in
            what precision all run.

    Raises:
        UsageError: It names no pair, no model, or a device or precision that there is not.
        InputError: The pair is not what it should be.
        NotAvailableError: Nobody says where its model is.
        VerbalizerError: The Hub does not give it.
    """
    given = read_argument(argument)
    placement = choose_placement(given.device, given.dtype)
    pair = open_pair(given.pair, device=placement.device, dtype=placement.dtype)
    subject = find_subject(pair.folder, pair.critic_sidecar.base_checkpoint, given.model)
    folders = (pair.place.actor, pair.place.critic, subject.folder)
    resident = fit_together(folders, placement)
    if resident:
        pair = Pair(pair.place, device=placement.device, dtype=placement.dtype, resident=True)
    setting = tell_setting(argument)
    return LocalVerbalizer(pair, subject, placement, resident=resident, setting=setting)
