"""The beam search that a model brings itself, as ESPnet's do: ``beam`` by CTC alone, ``joint`` with
attention.

T frames, D dimensions, N samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.context import Context
from xlt.core.errors import ConfigError
from xlt.core.settings import DecodeConfig
from xlt.decode.decoder import Decoded
from xlt.models.family import Searching

if TYPE_CHECKING:
    import numpy as np

    from xlt.lm.model import LanguageModel
    from xlt.models.family import Model


class Beam:
    """CTC prefix beam search. See :class:`~xlt.decode.decoder.Decoder`."""

    settings = ()
    batched = False

    @classmethod
    def files(cls, ctx: Context) -> list[Path]:
        return []

    def __init__(self, model: Model, decode: DecodeConfig, lms: Sequence[LanguageModel]):
        if not isinstance(model, Searching):
            raise ConfigError(
                f"decode.method={decode.method}: a {type(model).__name__} has no beam search; use"
                " decode.method=greedy"
            )
        self.search = model.search(decode.beam_size, self._ctc_weight(decode))

    def __call__(self, inputs: list[np.ndarray]) -> list[Decoded]:
        return [Decoded(*self.search(one)) for one in inputs]

    @staticmethod
    def _ctc_weight(decode: DecodeConfig) -> float | None:
        return None


class Joint(Beam):
    """CTC and attention (Hori et al. 2017), weighted by ``decode.ctc_weight``."""

    @staticmethod
    def _ctc_weight(decode: DecodeConfig) -> float | None:
        return decode.ctc_weight
