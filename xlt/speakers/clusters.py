"""Which vectors are of one voice: Ward's clustering, and how many voices there are.

W windows, D dimensions, K voices.
"""

from __future__ import annotations

import numpy as np

MOST = 10  # voices that are looked for, if their number is not given
FEWEST = 3  # windows of a voice, some two seconds of speech: fewer are rather a cough or a laugh
ALIKE = 0.82  # cosine of two clusters' means, from which on they are one voice (docs/align.md)
AT_ONCE = 3000  # windows that are clustered: that takes memory for each pair of them


def centres(vectors: np.ndarray, count: int | None) -> np.ndarray:
    """The mean vectors, of length 1, of the voices in ``vectors`` (W, D): (K, D), K at least 1.

    ``count``: how many there are; None: as many as differ.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    some = vectors[:: -(-len(vectors) // AT_ONCE)]
    if len(some) < 2 or count == 1:
        return _means(some, np.ones(len(some), int))
    tree = linkage(some, "ward")

    def cut(number: int) -> tuple[np.ndarray, int]:
        """The means of ``number`` clusters that have FEWEST windows, and how many have fewer."""
        labels = fcluster(tree, number, "maxclust")
        large = np.bincount(labels)[labels] >= FEWEST
        return _means(some[large], labels[large]), len(set(labels[~large].tolist()))

    if count is not None:  # clusters of a few windows are beside those that are looked for
        for number in range(count, min(len(some), count + MOST) + 1):
            found, _ = cut(number)
            if len(found) == count:
                return found
        return _means(some, fcluster(tree, count, "maxclust"))
    for number in range(min(MOST, len(some)), 1, -1):
        found, small = cut(number)
        if not small and len(found) == number and (found @ found.T - np.eye(number)).max() < ALIKE:
            return found
    return _means(some, np.ones(len(some), int))


def _means(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    rows = [vectors[labels == label].mean(axis=0) for label in np.unique(labels)]
    found = np.array(rows, np.float32).reshape(-1, vectors.shape[1])
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)


def path(scores: np.ndarray, change: float) -> list[int]:
    """Of each window, in order, its voice: the best sum of ``scores`` (W, K) less ``change`` for each time
    that the voice changes.
    """
    best, back = scores[0].astype(float), []
    for row in scores[1:]:
        leader = int(best.argmax())
        stays = best >= best[leader] - change
        back.append(np.where(stays, np.arange(len(best)), leader))
        best = np.where(stays, best, best[leader] - change) + row
    voices = [int(best.argmax())]
    for places in reversed(back):
        voices.append(int(places[voices[-1]]))
    return voices[::-1]
