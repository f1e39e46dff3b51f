"""Features or waves → text, by a model and a decoder. Used by stage 7 and by ``xlt transcribe``.

T frames, D dimensions, N samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from xlt.core.registry import DECODERS
from xlt.core.settings import DecodeConfig
from xlt.models.family import open_model
from xlt.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    import numpy as np

    from xlt.lm.model import LanguageModel


class Hypothesis(NamedTuple):
    """A text with its log probability, and the language that the model told; None if it tells none."""

    text: str
    score: float
    lang: str | None = None


class Recogniser:
    """Decodes features with the model in ``folder`` (``exp/<tag>`` or a bundle); waves if it was trained on
    the fly.

    ``lms``: loads the language models for the model's tokens.
    """

    def __init__(
        self,
        folder: Path,
        decode: DecodeConfig,
        lms: Callable[[Tokenizer], Sequence[LanguageModel]] = lambda tokenizer: (),
    ):
        model = open_model(folder)
        self.tokenizer = model.tokenizer
        self.decoder = DECODERS.get(decode.method)(model, decode, lms(model.tokenizer))

    def __call__(self, inputs: list[np.ndarray]) -> list[Hypothesis]:
        """Matrices (T, D), or waves (N,), → the hypothesis of each."""
        tokenizer = self.tokenizer
        return [
            Hypothesis(tokenizer.decode(found.ids), found.score, tokenizer.language(found.ids))
            for found in self.decoder(inputs)
        ]
