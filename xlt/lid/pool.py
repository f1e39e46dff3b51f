"""Features of a piece of speech → what the classifier reads: their mean and deviation over time.

T frames, D features of all layers side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from xlt.core.errors import DataError

if TYPE_CHECKING:
    import numpy as np

    from xlt.lid.classifier import Classifier, Decision

SHORTEST_S, LONGEST_S = 0.3, 3.0  # of the parts that a clip is trained in, beside the whole
PARTS = 2
UPPER = 3  # a third of the encoder's layers: early ones tell microphones rather than languages


def upper_layers(count: int) -> list[int]:
    """The numbers of the upper third of ``count`` layers, one at least.

    >>> upper_layers(7), upper_layers(1)
    ([5, 6], [0])
    """
    return list(range(count - max(1, count // UPPER), count))


def pooled(features: np.ndarray) -> np.ndarray:
    """(T, D) → (2 D,): means, then deviations."""
    import numpy as np

    return np.concatenate([features.mean(axis=0), features.std(axis=0)])


def examples(features: np.ndarray, frame_rate: float, rng: np.random.Generator) -> np.ndarray:
    """(T, D) → (1 + PARTS, 2 D): the whole clip, and parts of it whose lengths are drawn evenly in their
    logarithms from SHORTEST_S to LONGEST_S.
    """
    import numpy as np

    rows = [pooled(features)]
    for length_s in np.exp(rng.uniform(np.log(SHORTEST_S), np.log(LONGEST_S), PARTS)):
        size = min(len(features), max(1, round(length_s * frame_rate)))
        start = int(rng.integers(len(features) - size + 1))
        rows.append(pooled(features[start : start + size]))
    return np.stack(rows)


class Identifier:
    """Tells the language of a wave. ``encode``: waves (N,), 16 kHz → features (T, D) of the classifier's
    layers; DataError, which begins with ``where``, if it reads others.
    """

    def __init__(
        self,
        encode: Callable[[list[np.ndarray]], list[np.ndarray]],
        classifier: Classifier,
        where: str,
    ):
        self.encode, self.classifier, self.where = encode, classifier, where

    def __call__(self, samples: np.ndarray) -> Decision:
        (features,) = self.encode([samples])
        row, expected = pooled(features), len(self.classifier.mean)
        if len(row) != expected:
            raise DataError(
                f"{self.where}: reads {expected} features, the encoder gives {len(row)}; train it again:"
                " xlt lid train"
            )
        return self.classifier.decide(row)
