"""Error rates: 100 (substitutions + deletions + insertions) / reference tokens, summed over all
utterances.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xlt.metrics.align import Counts, count_edits
from xlt.metrics.bootstrap import interval
from xlt.metrics.result import Score

if TYPE_CHECKING:
    import numpy as np

Tokens = Sequence[str]


def error_rate(
    name: str,
    pairs: list[tuple[Tokens, Tokens]],
    options: dict[str, str],
    resamples: int,
    rng: np.random.Generator,
) -> Score:
    """The error rate of (reference, hypothesis) token pairs in percent.

    ValueError if there are no pairs or a reference is empty: an empty reference has no rate, so the caller
    leaves such utterances out and says which.
    """
    if not pairs or not all(len(ref) for ref, _ in pairs):
        raise ValueError(f"{name}: no pairs, or an empty reference")
    return of_counts(
        name, [count_edits(ref, hyp) for ref, hyp in pairs], {**options, "align": "sclite"}, resamples, rng
    )


def of_counts(
    name: str, utterances: Sequence[Counts], options: dict[str, str], resamples: int, rng: np.random.Generator
) -> Score:
    """The error rate of utterances that have been aligned, each with at least one reference token."""
    import numpy as np

    statistics = np.array([(c.errors, c.n_ref) for c in utterances], dtype=np.int64)  # (N, 2)
    total = Counts(*(sum(column) for column in zip(*utterances, strict=True)))
    low, high = interval(statistics, lambda sums: 100 * sums[:, 0] / sums[:, 1], resamples, rng)
    return Score(
        name,
        100 * total.errors / total.n_ref,
        (low, high),
        len(utterances),
        total.n_ref,
        options,
        total,
        tuple(utterances),
        tuple(100 * c.errors / c.n_ref for c in utterances),
    )
