"""How far confidences can be trusted: expected calibration error and normalised cross entropy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

BINS = 10
_LEAST = 1e-7  # the logarithm of a probability of 0 is not finite


def ece(confidences: Sequence[float] | np.ndarray, correct: Sequence[bool] | np.ndarray) -> float:
    """Expected calibration error (Guo et al. 2017), from 0 to 1: by how much confidence and accuracy differ
    in ten bins of equal width, weighted by the words in each. NaN without words.

    >>> round(ece([0.92, 0.94, 0.18, 0.12], [True, True, True, False]), 4)
    0.21
    """
    import numpy as np

    p, right = np.asarray(confidences, float), np.asarray(correct, float)
    if not len(p):
        return float("nan")
    bins = np.minimum((p * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=right - p, minlength=BINS)
    return float(np.abs(gaps).sum() / len(p))


def nce(confidences: Sequence[float] | np.ndarray, correct: Sequence[bool] | np.ndarray) -> float | None:
    """Normalised cross entropy as NIST's sclite prints it (Siu & Gish 1999): the share of the uncertainty,
    whether a word is right, that the confidences take away. 1 at best, 0 for the share of right words given
    to each word, negative where that would be better. None where all words are right, or none is.

    >>> round(nce([0.9, 0.9, 0.6, 0.2], [True, True, True, False]), 4)
    0.58
    """
    import numpy as np

    p = np.clip(np.asarray(confidences, float), _LEAST, 1 - _LEAST)
    right = np.asarray(correct, bool)
    share = right.mean() if len(right) else 0.0
    if share in (0.0, 1.0):
        return None
    before = -len(right) * (share * np.log2(share) + (1 - share) * np.log2(1 - share))
    left = -float(np.log2(np.where(right, p, 1 - p)).sum())
    return float((before - left) / before)
