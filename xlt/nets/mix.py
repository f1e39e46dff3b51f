"""The arithmetic of a layer mix: hidden states of several layers → one vector a frame.

B batch, T frames, D feature dimensions, L layers.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch


def frame_norm(hidden: torch.Tensor) -> torch.Tensor:
    """Layer norm of each frame without parameters, (…, D) → (…, D), as s3prl's Featurizer with
    ``normalize``.
    """
    return torch.nn.functional.layer_norm(hidden, hidden.shape[-1:])


def weighted_sum(
    start: torch.Tensor, factors: Iterable[torch.Tensor | float], states: Iterable[torch.Tensor]
) -> torch.Tensor:
    """``start`` and each (B, T, D) times its factor, a number or (D,), added in order."""
    total = start
    for factor, hidden in zip(factors, states, strict=True):
        total = total + factor * hidden
    return total


def sum_variance(factors: torch.Tensor, covariance: torch.Tensor) -> torch.Tensor:
    """Variance (D,) of the sum of layers times ``factors`` (L, D): a quadratic form of their covariances
    (L, L, D).
    """
    return torch.einsum("id,jd,ijd->d", factors, factors, covariance)
