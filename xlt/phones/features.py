"""panphon's articulatory features of phones, and the distance of two phones (Mortensen et al. 2016)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@cache
def _table():
    import panphon

    return panphon.FeatureTable()


def vectors(phones: Iterable[str]) -> dict[str, np.ndarray]:
    """``{phone: (22,)}`` of −1, 0, 1, without tones; phones that panphon does not read as one segment are
    left out.
    """
    import numpy as np

    table, found = _table(), {}
    for phone in phones:
        segments = table.word_fts(phone)
        if len(segments) == 1 and "".join(table.ipa_segs(phone)) == table.normalize(phone):
            found[phone] = np.array(segments[0].numeric()[: len(table.weights)], dtype=np.float64)
    return found


def distance(first: np.ndarray, second: np.ndarray) -> float:
    """Share of the feature weights by which two phones (22,) differ, 0 to 1; a feature that one leaves open
    differs by half.
    """
    import numpy as np

    weights = np.array(_table().weights)
    return float((np.abs(first - second) * weights).sum() / (2 * weights.sum()))


def substitution_costs(phones: Iterable[str]) -> dict[str, dict[str, float]]:
    """``{phone: {other: distance}}``: 0 of a phone to itself, 1 where panphon does not read both as one
    segment.
    """
    import numpy as np

    names = sorted(set(phones))
    known = vectors(names)
    weights = np.array(_table().weights)
    read = [name for name in names if name in known]
    table = np.array([known[name] for name in read]).reshape(len(read), len(weights))  # (P, 22)
    apart = (np.abs(table[:, None] - table[None]) * weights).sum(axis=-1) / (2 * weights.sum())  # (P, P)
    found = {one: {other: float(one != other) for other in names} for one in names}
    for one, row in zip(read, apart.tolist(), strict=True):
        found[one] |= zip(read, row, strict=True)
    return found
