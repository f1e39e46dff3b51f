"""The front of BEST-RQ's encoder as speech comes, on Kaldi's log-mels.

N samples, T frames, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from xlt.upstreams.chunked.fronts import Front, State


class Mels(Protocol):
    """A stream of log-mels: samples (N,) → (1, T, bands)."""

    def push(self, samples: np.ndarray, last: bool = False) -> np.ndarray: ...


class StackedFront(Front):
    """Frames of ``stack`` log-mels, which ``mels`` opens a stream of: ``embed`` (T · stack, 80) → (T, D),
    then a convolution ``conv`` (B + T, D) → (T, D) over ``before`` = B frames that came before;
    ``positions``: (first, count) → (count, D).
    """

    def __init__(
        self,
        mels: Callable[[], Mels],
        stack: int,
        embed: Callable[[Tensor], Tensor],
        conv: Callable[[Tensor], Tensor],
        before: int,
        positions: Callable[[int, int], Tensor],
        hop: int,
        device: str,
    ):
        self.mels, self.stack, self.embed, self.conv = mels, stack, embed, conv
        self.before, self.positions, self.hop, self.device = before, positions, hop, device

    def open(self) -> State:
        return _StackedState(self)

    def place(self, rows: Tensor, skip: int, first: int) -> Tensor:
        return rows[skip:] + self.positions(first, len(rows) - skip)


class _StackedState(State):
    def __init__(self, front: StackedFront):
        self.front, self.stream = front, front.mels()
        self.mels = torch.zeros(0, device=front.device)  # fewer than a stack
        self.rows: Tensor | None = None  # the last frames, for the convolution

    def push(self, samples: np.ndarray, last: bool) -> Tensor | None:
        front = self.front
        fresh = torch.from_numpy(self.stream.push(samples, last)[0]).to(front.device)
        mels = torch.cat([self.mels, fresh]) if len(self.mels) else fresh
        whole = len(mels) if last else len(mels) // front.stack * front.stack
        self.mels = mels[whole:]
        if whole == 0:
            return None
        x = front.embed(mels[:whole])
        before = x.new_zeros(front.before, x.shape[1]) if self.rows is None else self.rows
        joined = torch.cat([before, x])
        self.rows = joined[len(joined) - front.before :]
        return front.conv(joined)


def causal(conv: torch.nn.Conv1d) -> Callable[[Tensor], Tensor]:
    """A convolution that looks back, without its padding, added to what it is of: (B + T, D) → (T, D)."""

    def apply(x: Tensor) -> Tensor:
        return x[conv.kernel_size[0] - 1 :] + functional.conv1d(x.T[None], conv.weight, conv.bias)[0].T

    return apply
