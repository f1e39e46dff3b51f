"""Phone error rate: the texts are phones with white space between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlt.metrics.error_rate import error_rate
from xlt.metrics.metric import PHONES, Metric, Token
from xlt.metrics.result import Score

if TYPE_CHECKING:
    import numpy as np


def per(pairs: list[tuple[str, str]], resamples: int, rng: np.random.Generator) -> Score:
    """PER of (reference, hypothesis) phone strings in percent, e.g. ``("k a t", "k a d")`` → 33.3."""
    return error_rate(
        "PER", [(ref.split(), hyp.split()) for ref, hyp in pairs], {"tok": "phone"}, resamples, rng
    )


PHONE = Token("phone", "phones", str.split)
PER = Metric(
    "PER",
    "Phone error rate",
    per,
    needs=frozenset({PHONES}),
    token=PHONE,
    counted=True,
    note="PER counts phones, SER utterances with a wrong phone; the references are what the signatures' g2p"
    " makes of the texts.",
)
