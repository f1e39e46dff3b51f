"""Hidden states of all layers → one vector a frame, its weights learned with the head.

B batch, T frames, D feature dimensions, L layers.
"""

from __future__ import annotations

import numpy as np
import torch

from xlt.nets.mix import frame_norm, sum_variance, weighted_sum
from xlt.nets.moments import Moments

EPS = 1e-20  # of a variance, as in ESPnet's GlobalMVN


class Featurizer(torch.nn.Module):
    """Layers side by side (``layers``: their numbers), or, with ``mix``, their sum under learned weights.

    The weights are the softmax of one zero-initialised parameter a layer, as in s3prl's Featurizer (Yang et
    al. 2021, arXiv:2105.01051). ``norm`` is done to each layer before: ``none``; ``frame``, a layer norm
    without parameters; ``corpus``, mean 0 and deviation 1 of each dimension. What comes out has mean 0 and
    deviation 1 over the training speech whatever the weights are, as the cached features behind ESPnet's
    global_mvn: the mean of a weighted sum is the weighted sum of the means, its variance a quadratic form of
    the layers' covariances, both known from one pass.
    """

    def __init__(self, layers: list[int], mix: bool, norm: str, stats_file: str | None):
        super().__init__()
        self.layers, self.mix, self.norm = layers, mix, norm
        if mix:
            self.weights = torch.nn.Parameter(torch.zeros(len(layers)))
        mean = spread = None  # without statistics only :meth:`moments` can be used
        if stats_file is not None:
            with np.load(stats_file) as found:
                known = Moments(found["count"], found["sum"], found["products"])
                mean, spread = known.mean, known.covariance  # (L, D), and (L, L, D) if mixed
        self.register_buffer(
            "mean", None if mean is None else torch.from_numpy(mean).float(), persistent=False
        )
        self.register_buffer(
            "spread", None if spread is None else torch.from_numpy(spread).float(), persistent=False
        )

    def layer_weights(self) -> torch.Tensor:
        """(L,), sum 1."""
        return torch.softmax(self.weights, dim=0)

    def forward(self, states: list[torch.Tensor]) -> torch.Tensor:
        """Outputs of ``layers``, each (B, T, D) → (B, T, D), or (B, T, L·D) where layers stand side by
        side.
        """
        if not self.mix:
            deviation = self.spread.clamp(min=EPS).sqrt()  # (L, D)
            return torch.cat(
                [(h - m) / s for h, m, s in zip(states, self.mean, deviation, strict=True)], dim=-1
            )
        scale = self.layer_weights()[:, None].expand_as(self.mean)  # (L, D)
        if self.norm == "corpus":
            scale = scale / torch.diagonal(self.spread).T.clamp(min=EPS).sqrt()
        scale = scale / sum_variance(scale, self.spread).clamp(min=EPS).sqrt()
        start = -(scale * self.mean).sum(dim=0)  # (D,)
        return weighted_sum(start, scale, map(self._each, states))

    def moments(self, states: list[torch.Tensor], lengths: torch.Tensor) -> Moments:
        """Over the frames of a batch; of layers with each other if they are mixed."""
        inside = torch.arange(states[0].shape[1], device=lengths.device)[None, :] < lengths[:, None]  # (B, T)
        x = torch.stack([self._each(h)[inside].double() for h in states])  # (L, frames, D)
        products = torch.einsum("itd,jtd->ijd", x, x) if self.mix else (x * x).sum(dim=1)
        return Moments(np.float64(x.shape[1]), x.sum(dim=1).cpu().numpy(), products.cpu().numpy())

    def _each(self, hidden: torch.Tensor) -> torch.Tensor:
        if self.mix and self.norm == "frame":
            return frame_norm(hidden)
        return hidden
