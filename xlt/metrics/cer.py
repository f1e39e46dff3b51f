"""Character error rate. A character is a code point of the NFC text; one space between words counts as a
character, as in ESPnet's ``score_cer``, where it is the token ``<space>``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlt.metrics.error_rate import error_rate
from xlt.metrics.metric import Metric, Token
from xlt.metrics.result import Score

if TYPE_CHECKING:
    import numpy as np

SPACE = "<space>"


def tokens(text: str) -> list[str]:
    """
    >>> tokens("să  fii")
    ['s', 'ă', '<space>', 'f', 'i', 'i']
    """
    return [SPACE if char == " " else char for char in " ".join(text.split())]


def cer(pairs: list[tuple[str, str]], resamples: int, rng: np.random.Generator) -> Score:
    """CER of (reference, hypothesis) texts in percent."""
    return error_rate(
        "CER",
        [(tokens(ref), tokens(hyp)) for ref, hyp in pairs],
        {"tok": "char", "space": "yes"},
        resamples,
        rng,
    )


CER = Metric(
    "CER",
    "Character error rate",
    cer,
    token=Token("char", "characters", tokens),
    counted=True,
    headline=True,
)
