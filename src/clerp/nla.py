"""Which natural language autoencoder a run names, and of which model a graph says it is."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
from jaxtyping import Float32

from clerp.config import Settings
from clerp.errors import NotAvailableError, UsageError, VerbalizerError
from clerp.feature import FeatureId
from clerp.graph import AttributionGraph
from clerp.origins.same_set import name_graph_set
from clerp.plugins import Verbalizer, find, is_registered
from clerp.targets.neuronpedia import name_model
from clerp.verbalizers import ModelClaim, PairIdentity, Passage, Sampling
from clerp.verbalizers.features import forget_folder

_NAMED = re.compile(r"[a-z][a-z0-9_-]+:")
_PAIR = "nla:"


class UnopenedVerbalizer:
    """Stands for one that is not opened, so that only the ledger answers for it.

    Args:
        name: Of the verbalizer itself.
        fault: Why it is not opened.
        setting: That of the verbalizer itself.
    """

    def __init__(self, name: str, fault: VerbalizerError, setting: str = "") -> None:
        self.name = name
        self.setting = setting
        self._fault = fault

    def check(self, claim: ModelClaim) -> PairIdentity:
        """Raise why it was not opened."""
        self._refuse()

    async def extract(self, passages: Sequence[Passage]) -> NoReturn:
        """Raise, as all of these."""
        self._refuse()

    async def describe(
        self, vectors: Float32[np.ndarray, "vector d_model"], sampling: Sampling
    ) -> NoReturn:
        """Raise."""
        self._refuse()

    async def compare(
        self, texts: Sequence[str], vectors: Float32[np.ndarray, "vector d_model"]
    ) -> NoReturn:
        """Raise."""
        self._refuse()

    async def describe_nothing(self, sampling: Sampling) -> NoReturn:
        """Raise."""
        self._refuse()

    def reference_vectors(self) -> NoReturn:
        """Raise."""
        self._refuse()

    def open_features(self, transcoders: str, features: Sequence[FeatureId]) -> NoReturn:
        """Raise."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise self._fault


def open_verbalizer(settings: Settings) -> Verbalizer:
    """Make the verbalizer that a run names.

    One that cannot be had now says so when a graph is held against it: the run goes on. Offline no
    pair is opened: where it is, or its model, may ask a server, and the ledger alone answers.

    Raises:
        UsageError: None is named, or not properly.
        ClerpError: It is not installed, or what it is made of cannot be read.
    """
    if settings.nla is None:
        raise UsageError("no NLA is named", remedy="Name one: --nla FOLDER, or --nla NAME:ARGUMENT")
    named = name_verbalizer(settings.nla)
    recorded = forget_place(settings.nla)
    if settings.offline and named.startswith(_PAIR):
        unasked = NotAvailableError(f"{recorded} is not opened", remedy="Run without --offline")
        return UnopenedVerbalizer(recorded, unasked, tell_setting(named.removeprefix(_PAIR)))
    try:
        return find("verbalizers", named)
    except VerbalizerError as fault:
        return UnopenedVerbalizer(recorded, fault)


def name_verbalizer(nla: str) -> str:
    """Return the verbalizer that `--nla` asks for, as a plugin's name and argument."""
    is_known = ":" in nla and is_registered("verbalizers", nla)
    is_name = _NAMED.match(nla) is not None and not Path(nla).exists()
    return nla if is_known or is_name else f"{_PAIR}{nla}"


def forget_place(nla: str) -> str:
    """Return what `--nla` asks for, for records: of a folder its name, of a server no address.

    What comes after a comma says where the model of a pair is and how it runs, which is no part of
    its name.
    """
    name, _, argument = name_verbalizer(nla).partition(":")
    argument = argument.partition(",")[0]
    if "://" in argument or not argument:
        return name
    return f"{name}:{forget_folder(argument)}"


def tell_setting(argument: str) -> str:
    """Return what tells a pair on this machine from others of its name, for no output to show.

    That is its folder, and the words after it on which answers hang: not the device.

    Args:
        argument: What stands after `nla:`.
    """
    place, *words = argument.split(",")
    where = str(Path(place).resolve()) if Path(place).exists() else place
    return ",".join((where, *(w for w in words if w and not w.startswith("device="))))


def claim_model(graph: AttributionGraph, given: str | None = None) -> ModelClaim:
    """Return what a graph says of its model and its features.

    Graphs of the public transcoder sets tell their model. Of others it is what the user says, else
    what they call their scan, which in some is the model.

    Args:
        graph: Any.
        given: The user's word, for a graph that does not tell.
    """
    try:
        model = name_model(graph)
    except UsageError:
        model = given or graph.scan.partition("@")[0]
    transcoders = graph.transcoder_identity
    name = name_graph_set(graph.metadata, model)
    return ModelClaim(model, transcoders.name, transcoders.revision or "", name)
