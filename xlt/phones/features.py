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
    """``{phone: (22,)}`` of −1, 0, 1, without tones; phones that panphon does not read as one segment are left out."""
    import numpy as np

    table, found = _table(), {}
    for phone in phones:
        segments = table.word_fts(phone)
        if len(segments) == 1 and "".join(table.ipa_segs(phone)) == table.normalize(phone):
            found[phone] = np.array(segments[0].numeric()[:len(table.weights)], dtype=np.float64)
    return found


def distance(first: np.ndarray, second: np.ndarray) -> float:
    """Share of the feature weights by which two phones (22,) differ, 0 to 1; a feature that one leaves open differs by half."""
    import numpy as np

    weights = np.array(_table().weights)
    return float((np.abs(first - second) * weights).sum() / (2 * weights.sum()))
