"""Speed perturbation of waveforms (Ko et al. 2015, "Audio augmentation for speech recognition")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlt.audio.augment import ORIGINAL
from xlt.audio.files import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np


class Speed:
    """Copies with tempo and pitch times a factor, ``features.speed``; 1.0 is the utterance itself."""

    setting = "speed"
    off = [1.0]

    @staticmethod
    def recipes(value: list[float]) -> list[str]:
        return [ORIGINAL if speed == 1.0 else f"speed:{speed}" for speed in value]

    @staticmethod
    def words(value: list[float]) -> str:
        return ", speeds " + " ".join(map(str, value))

    def __init__(self, argument: str):
        self.speed = float(argument)
        self.tag = f"sp{self.speed:g}"

    def length(self, samples: int) -> int:
        return round(samples / self.speed)

    def apply(self, wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
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
