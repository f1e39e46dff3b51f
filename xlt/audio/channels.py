"""Several channels of a recording: whether they are alike, and which to take where their mean is silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

CANCELLING = 0.5  # of what the mean of unlike channels has, 1 / channels: less means opposite signs
TWO_SOURCES = 0.1  # of the channels' power in their difference: more is no longer one voice
_SILENT = 1e-9  # mean square; below, blocks say nothing
_HEARD = 0.01  # of the loudest channel's power: a channel with less has no separate voice


class Power:
    """Sums of squares over the blocks of a recording with C channels: of each channel, of their mean, of the
    difference of the first two.
    """

    def __init__(self, channels: int):
        self._each = [0.0] * channels
        self._mean = self._difference = 0.0
        self._loudest: int | None = None
        self._judged = False

    def add(self, samples: np.ndarray) -> None:
        """Count a block (n, C). Whether the channels cancel is judged on the first block with sound."""
        import numpy as np

        each = np.square(samples, dtype=np.float64).sum(axis=0)
        mean = float(np.square(samples.mean(axis=1, dtype=np.float64)).sum())
        self._each = [old + float(new) for old, new in zip(self._each, each, strict=True)]
        self._difference += float(np.square(samples[:, 0].astype(np.float64) - samples[:, 1]).sum())
        if not self._judged and each.sum() > _SILENT * samples.size:
            self._judged = True
            if mean < CANCELLING / len(each) * float(each.mean()):
                self._loudest = int(each.argmax())

    def loudest_of_cancelling(self) -> int | None:
        """The channel to take where the channels cancel each other; None where they may be averaged."""
        return self._loudest

    def apart(self) -> float:
        """Power of the difference of the first two channels, as a share: 0 the same, 0.5 two sources, 1
        opposite signs; 0 too where one of them is silent all the time.
        """
        first, second = self._each[:2]
        if min(first, second) <= _HEARD * max(first, second):
            return 0.0
        return self._difference / (2 * (first + second))
