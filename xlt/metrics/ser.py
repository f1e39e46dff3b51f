"""Sentence error rate: the share of utterances with any error, sclite's ``S.Err``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlt.metrics.bootstrap import interval
from xlt.metrics.metric import PHONES, TEXT, Metric
from xlt.metrics.result import Score

if TYPE_CHECKING:
    import numpy as np


def ser(pairs: list[tuple[str, str]], resamples: int, rng: np.random.Generator) -> Score:
    """SER of (reference, hypothesis) texts in percent; texts that differ only in white space are equal."""
    import numpy as np

    wrong = np.array([[ref.split() != hyp.split()] for ref, hyp in pairs], dtype=np.int64)  # (N, 1)
    ends = interval(wrong, lambda sums: 100 * sums[:, 0] / len(pairs), resamples, rng)
    return Score(
        "SER",
        100 * float(wrong.mean()),
        ends,
        len(pairs),
        len(pairs),
        {"tok": "utterance"},
        rates=tuple(100.0 * wrong[:, 0]),
    )


SER = Metric("SER", "Sentence error rate", ser, needs=frozenset({TEXT, PHONES}))
