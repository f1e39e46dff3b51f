"""A narrow band, as of a telephone: sampled at 8 kHz, and what its line lets through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlt.audio.augment.ranges import Range
from xlt.audio.augment.same_length import SameLength
from xlt.audio.files import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np

    from xlt.audio.augment.sounds import Sounds

NARROW = 8000  # Hz
_BAND = Range(0.0, NARROW / 2, "Hz")


class Band(SameLength):
    """``band``: sampled at 8 kHz and back; ``band:300..3400``: only these frequencies as well, by a
    Butterworth filter of fourth order.
    """

    def __init__(self, argument: str):
        self.hertz = _BAND.parse(argument) if argument else None
        if self.hertz and not 0 < self.hertz.low < self.hertz.high < _BAND.high:
            raise ValueError(f"found {argument}, expected two frequencies between 0 and {_BAND.high:g} Hz")

    def apply(self, wave: np.ndarray, rng: np.random.Generator, sounds: Sounds | None) -> np.ndarray:
        import numpy as np
        import soxr

        if self.hertz:
            from scipy.signal import butter, sosfilt

            edges = (self.hertz.low, self.hertz.high)
            wave = sosfilt(butter(4, edges, "bandpass", fs=SAMPLE_RATE, output="sos"), wave)
        narrow = soxr.resample(wave, SAMPLE_RATE, NARROW)
        heard = soxr.resample(narrow, NARROW, SAMPLE_RATE)[: len(wave)]
        return np.pad(heard, (0, len(wave) - len(heard))).astype(np.float32, copy=False)
