"""Features or waves → text, by a model and a decoder. Used by stage 7 and by ``xlt transcribe``.

T frames, D dimensions, N samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from xlt.core.registry import DECODERS
from xlt.core.settings import DecodeConfig
from xlt.models.family import open_model
from xlt.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    import numpy as np

    from xlt.lm.model import LanguageModel

BATCH_FRAMES = 12000


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
        self.method = decode.method
        model = open_model(folder)
        self.tokenizer = model.tokenizer
        self.decoder = DECODERS.get(decode.method)(model, decode, lms(model.tokenizer))

    def batches(self, utts: list[str], frames: dict[str, int]) -> Iterator[list[str]]:
        """Split utterances, given in order of length, into batches as the decoder takes them."""
        return batches(utts, frames, BATCH_FRAMES if self.decoder.batched else 0)

    def __call__(self, inputs: list[np.ndarray]) -> list[Hypothesis]:
        """Matrices (T, D), or waves (N,), → the hypothesis of each."""
        tokenizer = self.tokenizer
        return [
            Hypothesis(tokenizer.decode(found.ids), found.score, tokenizer.language(found.ids))
            for found in self.decoder(inputs)
        ]


def batches(utts: list[str], frames: dict[str, int], most: int = BATCH_FRAMES) -> Iterator[list[str]]:
    """Split utterances, given in order of length, into batches of at most so many padded ``frames``, or of
    one.
    """
    batch: list[str] = []
    for utt in utts:
        if batch and (len(batch) + 1) * frames[utt] > most:
            yield batch
            batch = []
        batch.append(utt)
    if batch:
        yield batch
