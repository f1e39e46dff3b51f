"""Word error rate. A word is what stands between white space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlt.metrics.error_rate import error_rate
from xlt.metrics.metric import Metric, Token
from xlt.metrics.result import Score

if TYPE_CHECKING:
    import numpy as np


def tokens(text: str) -> list[str]:
    return text.split()


def wer(pairs: list[tuple[str, str]], resamples: int, rng: np.random.Generator) -> Score:
    """WER of (reference, hypothesis) texts in percent."""
    return error_rate(
        "WER", [(tokens(ref), tokens(hyp)) for ref, hyp in pairs], {"tok": "word"}, resamples, rng
    )


WER = Metric("WER", "Word error rate", wer, token=Token("word", "words", tokens), counted=True, headline=True)
