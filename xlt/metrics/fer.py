"""Feature error rate of phones: an edit distance in which a substitution costs what the two phones differ by.

FER = 100 · (cheapest sum of costs) / reference phones. A deletion or insertion costs 1, a substitution the
share of features in which the phones differ, 0 to 1 (after the feature edit distance of Mortensen et al.
2016, "PanPhon"): d for t costs little, a for t much. So FER ≤ PER, and where they are far apart, the errors
are near misses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from xlt.metrics.bootstrap import interval
from xlt.metrics.metric import PHONES, Metric
from xlt.metrics.per import PHONE
from xlt.metrics.result import Score

if TYPE_CHECKING:
    import numpy as np

Costs = dict[str, dict[str, float]]


def feature_errors(ref: Sequence[str], hyp: Sequence[str], costs: Costs) -> float:
    """The cheapest sum of costs that turns ``ref`` into ``hyp``; ``costs[a][b]``: of writing b for a."""
    if ref == hyp:
        return 0.0
    row = [float(j) for j in range(len(hyp) + 1)]
    for i, token in enumerate(ref, 1):
        own, diagonal, left = costs[token], row[0], float(i)
        row[0] = left
        for j, other in enumerate(hyp, 1):
            above = row[j]
            left = min(diagonal + own[other], above + 1, left + 1)
            row[j], diagonal = left, above
    return row[-1]


def fer(
    pairs: list[tuple[str, str]],
    distances: Callable[[set[str]], Costs],
    resamples: int,
    rng: np.random.Generator,
) -> Score:
    """FER of (reference, hypothesis) phone strings in percent; ``distances``: phones → costs of each for
    each.

    ValueError if there are no pairs or a reference is empty.
    """
    import numpy as np

    cut = [(ref.split(), hyp.split()) for ref, hyp in pairs]
    if not cut or not all(ref for ref, _ in cut):
        raise ValueError("FER: no pairs, or an empty reference")
    costs = distances({phone for pair in cut for side in pair for phone in side})
    statistics = np.array([(feature_errors(ref, hyp, costs), len(ref)) for ref, hyp in cut])  # (N, 2)
    rates = 100 * statistics[:, 0] / statistics[:, 1]
    total, n_ref = statistics.sum(axis=0)
    ends = interval(statistics, lambda sums: 100 * sums[:, 0] / sums[:, 1], resamples, rng)
    return Score(
        "FER",
        100 * float(total / n_ref),
        ends,
        len(pairs),
        int(n_ref),
        {"tok": "phone", "sub": "panphon"},
        rates=tuple(rates),
    )


def _by_panphon(pairs: list[tuple[str, str]], resamples: int, rng: np.random.Generator) -> Score:
    from xlt.phones.features import substitution_costs

    return fer(pairs, substitution_costs, resamples, rng)


FER = Metric(
    "FER",
    "Feature error rate of phones",
    _by_panphon,
    needs=frozenset({PHONES}),
    token=PHONE,
    note="FER is PER in which writing one phone for another costs the share of panphon's features in which"
    " they differ.",
)
