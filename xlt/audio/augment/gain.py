"""Levels: softer and louder recordings, and overdriven ones, whose peaks are cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlt.audio.augment.ranges import Range
from xlt.audio.augment.same_length import SameLength

if TYPE_CHECKING:
    import numpy as np

    from xlt.audio.augment.sounds import Sounds

_GAIN_DB = Range(-60.0, 40.0, "decibels")
_OVER_DB = Range(0.0, 40.0, "decibels that peaks are above full scale")


class Gain(SameLength):
    """``gain:-20..6``: louder by a number of decibels from this range; what exceeds full scale is cut off."""

    def __init__(self, argument: str):
        self.gain_db = _GAIN_DB.parse(argument)

    def apply(self, wave: np.ndarray, rng: np.random.Generator, sounds: Sounds | None) -> np.ndarray:
        import numpy as np

        return np.clip(wave * 10 ** (self.gain_db.draw(rng) / 20), -1, 1).astype(np.float32, copy=False)


class Clip(SameLength):
    """``clip:3..15``: recorded too loud: peaks 3 to 15 decibels above full scale, cut off."""

    def __init__(self, argument: str):
        self.over_db = _OVER_DB.parse(argument)

    def apply(self, wave: np.ndarray, rng: np.random.Generator, sounds: Sounds | None) -> np.ndarray:
        import numpy as np

        peak = float(np.abs(wave).max(initial=0.0))
        if not peak:
            return wave
        loud = wave * (10 ** (self.over_db.draw(rng) / 20) / peak)
        return np.clip(loud, -1, 1).astype(np.float32, copy=False)
