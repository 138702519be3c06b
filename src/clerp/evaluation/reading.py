"""Evidence of features that no graph is given for."""

from collections.abc import Sequence

from clerp.config import Settings
from clerp.feature import FeatureId
from clerp.origins import Origin
from clerp.progress import ReportProgress
from clerp.sourcing import Sourced, name_source, open_origin, read_all


def read_features(
    source: str, features: Sequence[FeatureId], settings: Settings, report: ReportProgress
) -> Sourced:
    """Read features from the one source that is asked for.

    Args:
        source: Folder, file or `NAME:ARGUMENT`, as `--features` takes it.
        features: Which ones.
        settings: Whether a server may be asked.
        report: Is told how far it is.

    Raises:
        EvidenceError: The source cannot be read or holds none of the features.
        PluginError: It is not installed, or breaks its contract.
    """
    origin = Origin(name_source(source), "it was asked for", is_certain=True)
    return read_all(open_origin(origin, settings), origin, features, report)
