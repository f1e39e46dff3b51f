"""Features or waves → text, by a model and a decoder. Used by stage 7 and by ``xlt transcribe``.

T frames, D dimensions, N samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from xlt.core.registry import DECODERS
from xlt.core.settings import DecodeConfig
from xlt.decode.decoder import Decoder
from xlt.decode.greedy import Greedy
from xlt.models.family import open_model
from xlt.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    import numpy as np

    from xlt.lm.model import LanguageModel


class Other(NamedTuple):
    """One of the n best texts, with natural log scores: see :class:`xlt.decode.decoder.Candidate`."""

    text: str
    acoustic: float
    lm: float
    score: float


class Hypothesis(NamedTuple):
    """A text with its score, natural, and the language that the model predicted; None if it predicts none.

    ``greedy``: the text of CTC's best path; ``nbest``: the best texts, this one first, where the decoder has
    them.
    """

    text: str
    score: float
    lang: str | None = None
    greedy: str = ""
    nbest: tuple[Other, ...] = ()


class Recogniser:
    """Decodes features with the model in ``folder`` (``exp/<tag>`` or a bundle); waves if it was trained on
    the fly.

    ``lms``: loads the language models for the model's tokens, once a decoder uses them.
    """

    def __init__(
        self,
        folder: Path,
        decode: DecodeConfig,
        lms: Callable[[Tokenizer], Sequence[LanguageModel]] = lambda tokenizer: (),
    ):
        self.model = open_model(folder)
        self.tokenizer = self.model.tokenizer
        self.decode = decode
        self._load, self._lms = lms, None
        self._decoders: dict[str, Decoder] = {}

    @property
    def lms(self) -> Sequence[LanguageModel]:
        """The language models."""
        if self._lms is None:
            self._lms = self._load(self.tokenizer)
        return self._lms

    def decoder(self, decode: DecodeConfig) -> Decoder:
        """A decoder by these settings; kept."""
        key = repr(decode)
        if key not in self._decoders:
            kind = DECODERS.get(decode.method)
            self._decoders[key] = kind(self.model, decode, self.lms if kind.uses_lm else ())
        return self._decoders[key]

    def __call__(self, inputs: list[np.ndarray], decode: DecodeConfig | None = None) -> list[Hypothesis]:
        """Matrices (T, D), or waves (N,), → the hypothesis of each; ``decode``: other settings than usual."""
        tokenizer = self.tokenizer
        decoded = self.decoder(decode or self.decode)(inputs)
        if any(found.best_path is None for found in decoded):
            best = Greedy(self.model, decode or self.decode, ())(inputs)
            decoded = [
                found._replace(best_path=path.ids) for found, path in zip(decoded, best, strict=True)
            ]
        return [
            Hypothesis(
                tokenizer.decode(found.ids),
                found.score,
                tokenizer.language(found.ids),
                tokenizer.decode(found.best_path or []),
                tuple(
                    Other(tokenizer.decode(list(one.ids)), one.acoustic, one.lm, one.score)
                    for one in found.nbest
                ),
            )
            for found in decoded
        ]
