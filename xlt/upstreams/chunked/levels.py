"""What Whisper and wav2vec 2.0 take from the whole clip, taken from what was heard so far instead.

N samples, T frames, M mel bands.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from xlt.audio.files import SAMPLE_RATE

MEMORY_S = 30.0  # as long as Whisper's window
RANGE = 8.0  # Whisper's: what is so many powers of ten below the loudest is raised to that
LOUDEST = (
    1.0  # log10 of the mel power that counts as heard before the first sound: of speech at a usual level
)
PRIOR_S, PRIOR_RMS = 1.0, 0.05  # wav2vec 2.0: a stream begins as if that much of such speech came before
BLOCK = 80  # samples that are normalised together, 5 ms


class RunningFloor:
    """Log-mels as Whisper has them, with the largest value of the last 30 s in the place of the window's."""

    def __init__(self):
        self._past = torch.full((round(MEMORY_S * 100) - 1,), LOUDEST)  # largest value of the frames before

    def __call__(self, mels: Tensor) -> Tensor:
        """Logarithms of powers to base 10 (T, M), the frames behind those of the call before → (T, M)."""
        if len(mels) == 0:
            return mels
        peaks = torch.cat([self._past.to(mels), mels.amax(1)])
        largest = peaks.unfold(0, len(self._past) + 1, 1).amax(1)  # (T,)
        self._past = peaks[len(mels) :]
        return (torch.maximum(mels, largest[:, None] - RANGE) + 4.0) / 4.0


class RunningNorm:
    """Samples with mean 0 and deviation 1 over what was heard, older sound counting less (time constant
    MEMORY_S). ``epsilon`` is added to the variance.
    """

    def __init__(self, epsilon: float):
        self._epsilon = epsilon
        self._count = self._sum = self._squares = 0.0

    def __call__(self, wave: np.ndarray) -> np.ndarray:
        """Samples (N,) behind those of the call before, in blocks of BLOCK (the last may be shorter)."""
        fade = math.exp(-BLOCK / SAMPLE_RATE / MEMORY_S)
        prior = PRIOR_S * SAMPLE_RATE
        starts = np.arange(0, len(wave), BLOCK)
        if not len(starts):
            return wave
        wide = wave.astype(np.float64)
        sizes = np.diff(np.append(starts, len(wave)))
        sums, squares = np.add.reduceat(wide, starts), np.add.reduceat(wide * wide, starts)
        means, deviations = np.empty(len(starts)), np.empty(len(starts))
        for n, (size, total, square) in enumerate(zip(sizes, sums, squares, strict=True)):
            self._count = fade * self._count + size
            self._sum = fade * self._sum + total
            self._squares = fade * self._squares + square
            count = self._count + prior
            means[n] = self._sum / count
            variance = (self._squares + prior * PRIOR_RMS**2) / count - means[n] ** 2
            deviations[n] = math.sqrt(max(0.0, variance) + self._epsilon)
        return ((wide - means.repeat(sizes)) / deviations.repeat(sizes)).astype(np.float32)
