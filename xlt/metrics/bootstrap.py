"""Percentile bootstrap over utterances (Bisani and Ney, 2004, "Bootstrap estimates for confidence intervals
in ASR performance evaluation").

Letters: N utterances, R resamples, K sums that a score is computed from (errors and reference tokens, say).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_CHUNK = 4_000_000  # weights held at a time


@dataclass(frozen=True)
class Bootstrap:
    """How the intervals of all scores are made: each sees the same ``resamples``."""

    resamples: int
    seed: int

    def rng(self) -> np.random.Generator:
        """The same numbers each time."""
        import numpy as np

        return np.random.default_rng(self.seed)


def interval(
    statistics: np.ndarray,
    value: Callable[[np.ndarray], np.ndarray],
    resamples: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """The 95% interval of a score: its 2.5th and 97.5th percentile over ``resamples`` resamples of the
    utterances.

    ``statistics`` (N, K): what each utterance adds to the sums; ``value``: sums (R, K) → scores (R,). A
    resample draws N utterances with replacement, and the score is that of the summed statistics, not a mean
    of utterances' scores.
    """
    import numpy as np

    return _middle(np.concatenate([value(sums) for sums in _resampled(statistics, resamples, rng)]))


def _resampled(statistics: np.ndarray, resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The sums (R, K) of resamples of ``statistics`` (N, K), in pieces that add up to ``resamples``."""
    import numpy as np

    count = len(statistics)  # N
    rows = max(1, _CHUNK // count)
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        weights = rng.multinomial(
            count, np.full(count, 1 / count), size=size
        )  # (R, N): how often each was drawn
        yield weights @ statistics  # (R, N) @ (N, K) → (R, K)


def _middle(scores: np.ndarray) -> tuple[float, float]:
    """The 2.5th and 97.5th percentile."""
    import numpy as np

    low, high = np.percentile(scores, [2.5, 97.5])
    return float(low), float(high)


@dataclass(frozen=True)
class Paired:
    """How the error rate of B differs from that of A, in points and in percent of A's; ``above``: share of
    resamples in which B is worse. ``relative`` and its interval are None where A makes no error in a whole
    test set.

    ``p``: chance of a difference as large if there were none, two-sided: twice the share of resamples in
    which the difference is zero or has the other sign, (count + 1) / (resamples + 1), at most 1 (Davison and
    Hinkley 1997, "Bootstrap Methods and their Application", section 4.2: one is added so that p is never 0).
    """

    difference: float
    difference_ci95: tuple[float, float]
    relative: float | None
    relative_ci95: tuple[float, float] | None
    above: float
    p: float


def paired(tests: Sequence[np.ndarray], resamples: int, rng: np.random.Generator) -> Paired:
    """B against A on one or several test sets (N, 3): errors of A, errors of B, reference tokens of each
    utterance.

    A resample draws the same utterances for both (Koehn 2004, "Statistical significance tests for machine
    translation evaluation"), from each test set its own. Difference and relative change are means over the
    test sets, each of which counts alike. A resample in which A makes no error has no relative change and
    does not count there.
    """
    import numpy as np

    value = np.mean([_changes(test.sum(axis=0, keepdims=True)) for test in tests], axis=0)[:, 0]
    drawn = np.mean(
        [
            np.concatenate([_changes(sums) for sums in _resampled(test, resamples, rng)], axis=1)
            for test in tests
        ],
        axis=0,
    )  # (2, R)
    return _paired(value, drawn, all(test[:, 0].any() for test in tests))


def paired_with_all(
    errors: np.ndarray, n_ref: np.ndarray, resamples: int, rng: np.random.Generator
) -> dict[tuple[int, int], Paired]:
    """Each system against each other on one test set, the same numbers as :func:`paired` gives of two:
    ``{(a, b): b against a}``.

    ``errors`` (N, S) of S systems, ``n_ref`` (N,). One set of resamples serves all.
    """
    import numpy as np

    table = np.column_stack([errors, n_ref])  # (N, S + 1)
    whole = table.sum(axis=0, keepdims=True)
    drawn = np.concatenate(list(_resampled(table, resamples, rng)))  # (R, S + 1)
    found = {}
    for a in range(errors.shape[1]):
        for b in range(errors.shape[1]):
            if a != b:
                value, changes = (_changes(sums[:, [a, b, -1]]) for sums in (whole, drawn))
                found[a, b] = _paired(value[:, 0], changes, bool(errors[:, a].any()))
    return found


def _changes(sums: np.ndarray) -> np.ndarray:
    """Sums (R, 3) → difference and relative change (2, R), nan where A makes no error."""
    import numpy as np

    before, after = 100 * sums[:, 0] / sums[:, 2], 100 * sums[:, 1] / sums[:, 2]
    relative = np.divide(100 * (after - before), before, out=np.full(len(sums), np.nan), where=before > 0)
    return np.stack([after - before, relative])


def _paired(value: np.ndarray, drawn: np.ndarray, defined: bool) -> Paired:
    """``value`` (2,), ``drawn`` (2, R); ``defined``: whether there is a relative change."""
    import numpy as np

    other = min((drawn[0] >= 0).sum(), (drawn[0] <= 0).sum())
    return Paired(
        float(value[0]),
        _middle(drawn[0]),
        float(value[1]) if defined else None,
        _middle(drawn[1][~np.isnan(drawn[1])]) if defined else None,
        float((drawn[0] > 0).mean()),
        min(1.0, 2 * (int(other) + 1) / (drawn.shape[1] + 1)),
    )
