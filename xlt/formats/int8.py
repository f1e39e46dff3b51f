"""Weights in a byte each: a file of a quarter of the size, whose values are near those of the training.

Each row of a large matrix, the values that share the first index, has a scale, its largest magnitude / 127;
what is stored of a value is value / scale, rounded. Small tensors stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

LEAST = 4096  # values of a tensor that is stored so
_SCALE = ".int8_scale"  # behind the name of a tensor


def is_packed(state: Any) -> bool:
    """Whether it is what :func:`packed` gave."""
    return isinstance(state, Mapping) and any(isinstance(k, str) and k.endswith(_SCALE) for k in state)


def packed(state: Mapping[str, torch.Tensor], least: int = LEAST) -> dict[str, torch.Tensor]:
    """``state`` with float32 matrices of ``least`` values or more as int8, and their scales (rows, 1, …)."""
    import torch

    found = {}
    for name, value in state.items():
        if value.dtype != torch.float32 or value.ndim < 2 or value.numel() < least:
            found[name] = value
            continue
        scale = value.abs().amax(dim=tuple(range(1, value.ndim)), keepdim=True) / 127
        scale[scale == 0] = 1.0
        found[name] = (value / scale).round().clamp(-127, 127).to(torch.int8)
        found[name + _SCALE] = scale
    return found


def unpacked(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors in float32 again; ValueError if a scale has no matrix that it fits."""
    import torch

    found = dict(state)
    for key in [key for key in state if key.endswith(_SCALE)]:
        scale, value = found.pop(key), found.get(key.removesuffix(_SCALE))
        if not (isinstance(scale, torch.Tensor) and isinstance(value, torch.Tensor)):
            raise ValueError(f"{key[:80]} fits no tensor")
        shape = (*value.shape[:1], *[1] * (value.ndim - 1))
        if (value.dtype, scale.dtype, tuple(scale.shape)) != (torch.int8, torch.float32, shape):
            raise ValueError(f"{key[:80]} does not fit its tensor")
        found[key.removesuffix(_SCALE)] = value.float() * scale
    return found
