"""Noise behind speech: coloured, or pieces of what data.noise names, such as babble of other voices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlt.audio.augment.levels import SILENCE, active_power, unclipped
from xlt.audio.augment.ranges import Range
from xlt.audio.augment.same_length import SameLength

if TYPE_CHECKING:
    import numpy as np

    from xlt.audio.augment.sounds import Sounds

COLOURS = {"white": 0.0, "pink": 1.0, "brown": 2.0}  # power falls with frequency to minus this
_SNR = Range(-20.0, 60.0, "decibels of speech above noise")


class Noise(SameLength):
    """``noise:0..20:babble/pink``: a signal-to-noise ratio in decibels, or a range of them, and the sounds of
    which one is drawn; without names, any of data.noise, or a colour where that is empty.
    """

    def __init__(self, argument: str):
        ratio, colon, given = argument.partition(":")
        self.snr_db = _SNR.parse(ratio)
        self.names = tuple(given.split("/")) if colon else ()
        if "" in self.names:
            raise ValueError(f"found {given!r}, expected names with / between, such as babble/pink")
        self.sounds = tuple(name for name in self.names if name not in COLOURS) if given else None

    def apply(self, wave: np.ndarray, rng: np.random.Generator, sounds: Sounds | None) -> np.ndarray:
        import numpy as np

        names = self.names or (sounds.names if sounds else ()) or tuple(COLOURS)
        name = names[rng.integers(len(names))]
        snr_db = self.snr_db.draw(rng)
        if name in COLOURS:
            noise = coloured(rng.normal(size=len(wave)), COLOURS[name])
        else:
            assert sounds is not None  # Copy.wave has refused a recipe without its sounds
            noise = sounds.draw(name, len(wave), rng)
        speech, own = active_power(wave), float(np.square(noise, dtype=np.float64).mean()) if len(wave) else 0
        if speech < SILENCE or own < SILENCE:
            return wave
        return unclipped(wave + noise * np.sqrt(speech / own * 10 ** (-snr_db / 10)))


def coloured(white: np.ndarray, slope: float) -> np.ndarray:
    """White noise (N,) → noise whose power falls with frequency to minus ``slope``, of mean power 1."""
    import numpy as np

    bands = np.fft.rfft(white)
    bands *= np.maximum(np.fft.rfftfreq(len(white)), 1 / 512) ** (-slope / 2)
    wave = np.fft.irfft(bands, len(white))
    return wave / np.sqrt(np.square(wave).mean())
