"""What is hidden from an encoder, and what it must tell the hidden from; all chance comes in as ``rng``.

T frames, K negatives.
"""

from __future__ import annotations

import numpy as np


def spans(count: int, share: float, length: int, rng: np.random.Generator) -> np.ndarray:
    """A mask (T,) of ``count`` frames: spans of ``length`` frames, which may overlap, begin at a share
    ``share`` / ``length`` of the frames, drawn without replacement (Baevski et al. 2020, section 3.1); at
    least one span, and at least two frames stay.

    >>> spans(6, 0.1, 3, np.random.default_rng(0)).sum()
    np.int64(3)
    """
    length = min(length, max(1, count - 2))
    wanted = max(1, int(share * count / length + rng.random()))
    places = count - length + 1
    starts = rng.choice(places, min(wanted, places), replace=False)
    mask = np.zeros(count, bool)
    for start in starts:
        mask[start : start + length] = True
    if count - mask.sum() < 2:
        mask[rng.choice(count, min(2, count), replace=False)] = False
    return mask


def negatives(count: int, number: int, rng: np.random.Generator) -> np.ndarray:
    """For each of ``count`` masked frames of a clip, ``number`` others of them, drawn evenly: (T, K).

    >>> found = negatives(3, 50, np.random.default_rng(0))
    >>> [sorted(set(row.tolist())) for row in found]
    [[1, 2], [0, 2], [0, 1]]
    """
    drawn = rng.integers(0, max(1, count - 1), (count, number))
    return np.minimum(drawn + (drawn >= np.arange(count)[:, None]), count - 1)
