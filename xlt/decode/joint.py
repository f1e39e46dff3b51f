"""The beam search that a model brings itself, as ESPnet's do, by CTC and attention, with language models.

T frames, D dimensions, N samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xlt import lm
from xlt.core.context import Context
from xlt.core.errors import ConfigError
from xlt.core.settings import DecodeConfig
from xlt.decode.decoder import Decoded, weights_of
from xlt.models.family import Searching

if TYPE_CHECKING:
    import numpy as np

    from xlt.lm.model import LanguageModel
    from xlt.models.family import Model


BEAM_SIZE = 10  # what decode.beam_size=null means here


class Joint:
    """CTC and attention (Hori et al. 2017), weighted by ``decode.ctc_weight``. See
    :class:`~xlt.decode.decoder.Decoder`.
    """

    settings: tuple[str, ...] = (
        "lm",
        "decode.beam_size",
        "decode.ctc_weight",
        "decode.lm_weight",
        "decode.length_bonus",
    )
    batched = False
    uses_lm = True

    @classmethod
    def files(cls, ctx: Context) -> list[Path]:
        return lm.files(ctx)

    def __init__(self, model: Model, decode: DecodeConfig, lms: Sequence[LanguageModel]):
        if not isinstance(model, Searching):
            raise ConfigError(
                f"decode.method={decode.method}: this model brings no search by attention; use"
                " decode.method=beam"
            )
        weights, bonus = weights_of(decode, len(lms))
        fused = list(zip(lms, weights, strict=True))
        self.search = model.search(decode.beam_size or BEAM_SIZE, decode.ctc_weight, fused, bonus)

    def __call__(self, inputs: list[np.ndarray]) -> list[Decoded]:
        return [Decoded(*self.search(one)) for one in inputs]
