"""Speed perturbation of waveforms (Ko et al. 2015, "Audio augmentation for speech recognition")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlt.audio.augment.ranges import Range
from xlt.audio.files import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np

    from xlt.audio.augment.sounds import Sounds

SPEEDS = Range(0.25, 4.0, "factors")


class Speed:
    """Tempo and pitch times a factor: ``speed:0.9``."""

    sounds = ()

    def __init__(self, argument: str):
        found = SPEEDS.parse(argument)
        if found.low != found.high:
            raise ValueError(f"found {argument}, expected one number: the length of a copy hangs on it")
        self.speed = found.low
        self.tag = f"sp{self.speed:g}"

    def length(self, samples: int) -> int:
        return round(samples / self.speed)

    def apply(self, wave: np.ndarray, rng: np.random.Generator, sounds: Sounds | None) -> np.ndarray:
        return perturb(wave, self.speed)


def perturb(wave: np.ndarray, speed: float) -> np.ndarray:
    """``wave`` (N,) heard at ``speed``: round(N / speed) samples, tempo and pitch times ``speed``, as Kaldi's
    sox ``speed``.

    The same wave and speed give the same samples on every call; speed 1.0 gives the wave itself.
    """
    import numpy as np
    import soxr

    if speed == 1.0:
        return wave
    size = max(1, round(len(wave) / speed))
    heard = soxr.resample(wave, SAMPLE_RATE * speed, SAMPLE_RATE, quality="HQ")[:size]
    return np.pad(heard, (0, size - len(heard))).astype(np.float32, copy=False)
