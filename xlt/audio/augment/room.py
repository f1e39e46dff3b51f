"""Rooms: echoes of a box with walls (image sources, Allen & Berkley 1979), computed by pyroomacoustics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlt.audio.augment.levels import active_power, as_loud_as
from xlt.audio.augment.ranges import Range
from xlt.audio.augment.same_length import SameLength
from xlt.audio.files import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np

    from xlt.audio.augment.sounds import Sounds

_DECAY_S = Range(0.1, 1.5, "seconds in which sound falls by 60 dB")
_USUAL = Range(0.2, 0.6, _DECAY_S.unit)
_LEAST, _MOST = (3.0, 2.5, 2.4), (8.0, 6.0, 3.5)  # metres: length, width, height of rooms
_FROM_WALL = 0.4  # metres, of voice and microphone
_ORDER = 40  # reflections that are followed, which is enough for most rooms and takes 0.04 s


class Room(SameLength):
    """``room`` or ``room:0.2..0.6``: a room of random size, with voice and microphone at random places, whose
    sound falls by 60 dB in so many seconds. The delay of the direct sound is taken back.
    """

    def __init__(self, argument: str):
        self.decay_s = _DECAY_S.parse(argument) if argument else _USUAL

    def apply(self, wave: np.ndarray, rng: np.random.Generator, sounds: Sounds | None) -> np.ndarray:
        from scipy.signal import fftconvolve

        response, direct = self.response(rng)
        heard = fftconvolve(wave, response)[direct : direct + len(wave)]
        return as_loud_as(heard, active_power(wave))

    def response(self, rng: np.random.Generator) -> tuple[np.ndarray, int]:
        """The impulse response (M,) of a room, and the sample at which the direct sound arrives."""
        import numpy as np
        import pyroomacoustics as pra

        size = rng.uniform(_LEAST, _MOST)
        decay_s = self.decay_s.draw(rng)
        voice, ear = (rng.uniform(_FROM_WALL, size - _FROM_WALL) for _ in range(2))
        try:
            absorbed, order = pra.inverse_sabine(decay_s, size)
        except ValueError:  # no walls make so large a room so dry: the driest there are
            absorbed, order = 0.99, _ORDER
        room = pra.ShoeBox(
            size, fs=SAMPLE_RATE, materials=pra.Material(absorbed), max_order=min(order, _ORDER)
        )
        room.add_source(voice)
        room.add_microphone(ear)
        room.compute_rir()
        way = float(np.linalg.norm(voice - ear)) / room.c * SAMPLE_RATE
        return np.asarray(room.rir[0][0]), round(way) + pra.constants.get("frac_delay_length") // 2
