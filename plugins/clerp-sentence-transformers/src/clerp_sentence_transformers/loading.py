"""Weights into memory."""

from typing import TYPE_CHECKING

from clerp.errors import PluginError
from clerp_sentence_transformers.model import Model

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# What transformers and sentence-transformers raise over files that are not what they expect.
_BROKEN = (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, ImportError)


def load_model(model: Model) -> "SentenceTransformer":
    """Load a model, in single precision, on the device that sentence-transformers chooses.

    Raises:
        PluginError: Its files cannot be brought, or cannot be loaded.
    """
    folder = model.bring()
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer

    try:
        loaded = SentenceTransformer(str(folder), local_files_only=True)
    except (*_BROKEN, SafetensorError) as fault:
        reason = (str(fault).strip() or type(fault).__name__).splitlines()[0]
        raise PluginError(
            f"the model {model.name!r} cannot be loaded: {reason[:300]}",
            where=str(folder),
            remedy="Save it again with SentenceTransformer.save, or name another model",
        ) from fault
    # Half precision would make a row depend on what else is in its batch.
    return loaded.float()
