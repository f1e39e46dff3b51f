"""CTC's best path: the best token of each frame, repeats merged, blanks dropped (Graves et al. 2006).

B batch, T frames, D dimensions, N samples, V tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.context import Context
from xlt.core.settings import DecodeConfig
from xlt.decode.decoder import Decoded
from xlt.nets.paths import as_array, best_path

if TYPE_CHECKING:
    import numpy as np

    from xlt.lm.model import LanguageModel
    from xlt.models.family import Model


class Greedy:
    """See :class:`~xlt.decode.decoder.Decoder`."""

    settings: tuple[str, ...] = ()
    batched = True
    uses_lm = False

    @classmethod
    def files(cls, ctx: Context) -> list[Path]:
        return []

    def __init__(self, model: Model, decode: DecodeConfig, lms: Sequence[LanguageModel]):
        self.model = model

    def __call__(self, inputs: list[np.ndarray]) -> list[Decoded]:
        probs, lengths = self.model.log_probs(inputs)
        found = []
        for row, length in zip(as_array(probs), lengths.tolist(), strict=True):  # (T, V) each
            path = best_path(row[:length].argmax(axis=-1))
            score = float(row[:length].max(axis=-1).sum()) if length else 0.0
            found.append(Decoded(path, score, best_path=path))
        return found
