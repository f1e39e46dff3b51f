"""Other voices: pitch and formants moved together, at the same tempo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlt.audio.augment.ranges import Range
from xlt.audio.augment.same_length import SameLength
from xlt.audio.augment.speed import perturb

if TYPE_CHECKING:
    import numpy as np

    from xlt.audio.augment.sounds import Sounds

_SEMITONES = Range(-12.0, 12.0, "semitones")
_WINDOW, _HOP = 512, 128  # samples, 32 and 8 ms


class Pitch(SameLength):
    """``pitch:-3..3``: so many semitones higher: slowed down by a phase vocoder, then heard faster."""

    def __init__(self, argument: str):
        self.semitones = _SEMITONES.parse(argument)

    def apply(self, wave: np.ndarray, rng: np.random.Generator, sounds: Sounds | None) -> np.ndarray:
        import numpy as np

        factor = 2 ** (self.semitones.draw(rng) / 12)
        if len(wave) < _WINDOW:
            return wave
        heard = perturb(slowed(wave, factor), factor)[: len(wave)]
        return np.pad(heard, (0, len(wave) - len(heard)))


def slowed(wave: np.ndarray, factor: float) -> np.ndarray:
    """``wave`` (N,) ``factor`` times as long at the same pitch, float32: a phase vocoder (Flanagan & Golden
    1966; Laroche & Dolson 1999, eq. 4 and 5).
    """
    import numpy as np

    window = np.hanning(_WINDOW + 1)[:-1]
    padded = np.pad(wave.astype(np.float64), (_WINDOW // 2, _WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]  # (T, W)
    spectra = np.fft.rfft(frames * window)  # (T, F)
    expected = 2 * np.pi * _HOP * np.arange(spectra.shape[1]) / _WINDOW  # advance of each bin's centre
    angles = np.angle(spectra)
    advance = np.diff(angles, axis=0) - expected
    advance = expected + advance - 2 * np.pi * np.round(advance / (2 * np.pi))  # (T - 1, F)
    places = np.arange(0, len(spectra) - 1, 1 / factor)  # frames that are heard
    before = places.astype(int)
    share = (places - before)[:, None]
    sizes = (1 - share) * np.abs(spectra[before]) + share * np.abs(spectra[before + 1])
    phases = angles[0] + np.concatenate(
        [np.zeros((1, len(expected))), np.cumsum(advance[before], axis=0)[:-1]]
    )
    pieces = np.fft.irfft(sizes * np.exp(1j * phases), _WINDOW) * window
    heard = np.zeros((len(pieces) - 1) * _HOP + _WINDOW)
    weight = np.full(len(heard), 1e-9)
    for number, piece in enumerate(pieces):
        part = slice(number * _HOP, number * _HOP + _WINDOW)
        heard[part] += piece
        weight[part] += np.square(window)
    size = max(1, round(len(wave) * factor))
    heard = (heard / np.maximum(weight, 0.1))[_WINDOW // 2 :][:size]
    return np.pad(heard, (0, size - len(heard))).astype(np.float32)
