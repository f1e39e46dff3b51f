"""Long recordings are cut where they are quiet."""

from __future__ import annotations

import numpy as np

STEP_S = 0.01  # energy is measured this often
QUIET_S = 0.2  # a cut stands in the middle of the quietest stretch of this length


def cut_at_silences(samples: np.ndarray, sample_rate: int, longest_s: float = 20.0) -> list[tuple[int, int]]:
    """Cut points of a recording, as sample ranges that together cover it.

    ``samples``: (N,) float. A recording of at most ``longest_s`` seconds is one range. Of a longer one, each
    range ends at the quietest 0.2 s between half of ``longest_s`` and ``longest_s`` behind its start, so no
    range is longer.
    """
    longest = int(longest_s * sample_rate)
    ranges, start = [], 0
    while len(samples) - start > longest:
        first = start + longest // 2
        end = first + _quietest(samples[first : start + longest], sample_rate)
        ranges.append((start, end))
        start = end
    ranges.append((start, len(samples)))
    return ranges


def _quietest(samples: np.ndarray, sample_rate: int) -> int:
    """Middle, in samples, of the quietest stretch of 0.2 s."""
    step = int(STEP_S * sample_rate)
    frames = len(samples) // step
    energy = (samples[: frames * step].astype(np.float64).reshape(frames, step) ** 2).sum(axis=1)  # (frames,)
    width = round(QUIET_S / STEP_S)
    sums = np.convolve(energy, np.ones(width), mode="valid")
    return (int(sums.argmin()) + width // 2) * step
