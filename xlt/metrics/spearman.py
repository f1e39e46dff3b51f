"""Spearman's rank correlation (1904): Pearson's of the ranks, equal values sharing the mean of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean


def spearman(left: Sequence[float], right: Sequence[float]) -> float | None:
    """Between −1 and 1; None where one side has fewer than two different values. ValueError if the lengths
    differ.
    """
    pairs = list(zip(ranks(left), ranks(right), strict=True))
    middle = (len(pairs) + 1) / 2
    across = sum((a - middle) * (b - middle) for a, b in pairs)
    spread = sum((a - middle) ** 2 for a, _ in pairs) * sum((b - middle) ** 2 for _, b in pairs)
    return across / spread**0.5 if spread else None


def ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value from 1, the mean rank for equal ones.

    >>> ranks([10, 30, 10])
    [1.5, 3.0, 1.5]
    """
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(values), 1):
        places.setdefault(value, []).append(place)
    return [fmean(places[value]) for value in values]
