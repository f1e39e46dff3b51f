"""Percentile bootstrap over utterances (Bisani and Ney, 2004, "Bootstrap estimates for confidence intervals in ASR
performance evaluation").

Letters: N utterances, R resamples, K sums that a score is computed from (errors and reference tokens, say).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_CHUNK = 4_000_000  # weights held at a time


def interval(statistics: np.ndarray, value: Callable[[np.ndarray], np.ndarray], resamples: int,
             rng: np.random.Generator) -> tuple[float, float]:
    """The 95% interval of a score: its 2.5th and 97.5th percentile over ``resamples`` resamples of the utterances.

    ``statistics`` (N, K): what each utterance adds to the sums; ``value``: sums (R, K) → scores (R,). A resample draws
    N utterances with replacement, and the score is that of the summed statistics, not a mean of utterances' scores.
    """
    import numpy as np

    count = len(statistics)  # N
    scores = []
    rows = max(1, _CHUNK // count)
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        weights = rng.multinomial(count, np.full(count, 1 / count), size=size)  # (R, N): how often each was drawn
        scores.append(value(weights @ statistics))  # (R, N) @ (N, K) → (R,)
    low, high = np.percentile(np.concatenate(scores), [2.5, 97.5])
    return float(low), float(high)
