"""Mean and deviation of features and hidden states over all their frames, added up utterance by utterance.

T frames, D feature dimensions, L layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


class Moments:
    """Count, sum and products over frames in float64, added in the order of the calls.

    ``total``: (D,) or (L, D); ``products``: of each dimension with itself, in the same shape, or of layers
    with each other, (L, L, D): what any weighted sum of them comes to.
    """

    def __init__(self, count: Any = 0, total: Any = 0.0, products: Any = 0.0):
        self.count, self.total, self.products = count, total, products

    @classmethod
    def of_features(cls, feats: np.ndarray) -> Moments:
        """Of (T, D)."""
        import numpy as np

        x = feats.astype(np.float64)
        return cls(len(x), x.sum(0), (x**2).sum(0))

    @classmethod
    def of_layers(cls, hidden: np.ndarray) -> Moments:
        """Of (T, L, D), layers with each other."""
        import numpy as np

        h = hidden.astype(np.float64)
        by_dim = h.transpose(2, 1, 0)  # (D, L, T)
        products = by_dim @ by_dim.transpose(0, 2, 1)  # (D, L, L)
        return cls(len(h), h.sum(axis=0), products.transpose(1, 2, 0))

    def add(self, other: Moments) -> None:
        self.count = self.count + other.count
        self.total = self.total + other.total
        self.products = self.products + other.products

    @property
    def mean(self) -> np.ndarray:
        """(D,) or (L, D)."""
        return self.total / self.count

    @property
    def covariance(self) -> np.ndarray:
        """Of ``products``, in their shape."""
        mean = self.mean
        between = self.products.ndim > mean.ndim
        return self.products / self.count - (mean[:, None] * mean if between else mean * mean)

    @property
    def std(self) -> np.ndarray:
        """(L, D), of layers with each other; never less than a thousandth of the layer's mean deviation: a
        dead dimension must not blow up.
        """
        import numpy as np

        by_dim = np.ascontiguousarray(self.covariance.transpose(2, 0, 1))  # (D, L, L)
        std = np.sqrt(np.einsum("dll->ld", by_dim).clip(min=0))
        return np.maximum(std, (1e-3 * std.mean(axis=1, keepdims=True)).clip(min=1e-6))
